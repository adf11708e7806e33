"""Whatever bytes stand in a file of whatever name: an importer reads them, says why not, and never fails."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extension_bridge.importers.registry import IMPORTERS, Importer
from windrow_protocol.errors import WindrowError

NAMES = (
    *("a.json", "a.js", "a.html", "a.csv", "a.txt", "a.ofx", "History", "a.zip", "a.json.gz", "a.json.xz"),
    *("message_1.html", "liked_posts.json", "chat.md"),
)
CELL = (
    '<html><div class="outer-cell"><div class="body-1">Visited <a href="http://[">x</a><br>{}<br></div></div>'
)
PIECES = [
    *(
        b"<OFX><STMTTRN><DTPOSTED>20240101<TRNAMT>-1.5<NAME>A</STMTTRN>",
        b"<![CDATA[x]]>",
        b"</OFX>",
        b"&#99999999;",
    ),
    *(b"[20.01.24, 22:54:50] Ana: hi\n", b"20/01/2024, 10:54 - Bo: <Media omitted>\n", b"second line\n"),
    *(
        b"Date,Description,Amount\n",
        b"01/02/2024,A,-1.50\n",
        b'"open,quote\n',
        b"id,permalink,direction\na,b,up\n",
    ),
    *(
        b"Title,Date\nFilm,1/31/20\n",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x00",
        b"PK\x03\x04",
        b"SQLite format 3\x00",
        b"\x1f\x8b",
    ),
    b'<html><div class="message default"><div class="date" title="02.01.2024 20:20">',
    b'<html><div class="page_"><div class="pam uiBoxWhite"><h2>A</h2><div class="_a6-o">Jan 2, 2024 7:20 pm',
    b"01/02/2024,-1.50,shop\n",
    b"ID,Timestamp,Contents,Attachments\n1,2024-01-02 19:20:11,x,\n",
    "\u65e5\u4ed8,\u91d1\u984d,\u6458\u8981\n".encode("cp932"),
    *(CELL.format(date).encode() for date in ("Feb 8, 2017, 12:32:39 AM", "٣١/٠١/٢٠١٨ ٢٢:٥٤", "99.99.9999")),
]
RECORDS = [
    {
        "header": "Search",
        "title": "Searched for x",
        "titleUrl": "http://[::1",
        "time": "2020-01-01T00:00:00Z",
    },
    {"mapping": {"a": {"message": {"author": {"role": "user"}, "content": {"parts": ["x", {}]}}}}},
    {"tweet": {"full_text": "x", "created_at": "Wed Oct 10 20:19:24 +0000 2018", "id_str": "1"}},
    {"endTime": "2020-01-02 03:04", "msPlayed": 1, "trackName": "x"},
    {"url": "https://a.example", "dt": 1.6e9, "metadata": {"title": "x"}},
    {"ID": 1, "Timestamp": "2024-01-02 19:20:11", "Contents": "x", "Attachments": ""},
    {"type": "message", "ts": "1704223211.0002", "text": "<@U1> x", "user": "U1", "user_profile": {}},
    {"label_values": [{"href": "https://a.example"}], "timestamp": 1_704_222_000},
    {"grokChatItem": {"sender": {"originalName": "USER"}, "message": "x", "createdAt": "2024-01-02"}},
    {"chat_messages": [{"sender": "human", "text": "x", "content": [{"text": "y"}]}]},
    {"date": "2024-01-02 19:20:11", "sender": "Me", "body": "x"},
    {"type": "Default", "content": "x", "timestamp": "2024-01-02T19:20:11Z", "author": {"name": "a"}},
    {"media": [{"creation_timestamp": 1, "title": "\u00c3\u00bc"}]},
]
ODD = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=5)
    | st.just([])
)


@st.composite
def damaged_records(draw: st.DrawFn) -> bytes:
    """JSON records of a known form, in which some values are of another kind."""
    records = []
    for record in draw(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=4)):
        changed = draw(
            st.dictionaries(st.sampled_from(sorted(record)), ODD | st.just({"x": [{}]}), max_size=2)
        )
        records.append(record | changed)
    whole: object = records
    if draw(st.booleans()):
        whole = {
            "channel": {"name": "c"},
            "messages": [
                {"author": {"name": "a"}, "content": "x", "senderName": "b", "timestamp": 1},
                *records,
            ],
            "comments_v2": [{"data": [{"comment": {"comment": "x"}}]}, *records],
            "history": [{"url": "https://a.example", "time_usec": 1}, *records],
        }
    data = json.dumps(whole).encode()
    return draw(st.sampled_from([data, data[: len(data) // 2], b"window.x = " + data, data + data]))


CONTENTS = (
    st.binary(max_size=200)
    | st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=12).map(b"".join)
    | damaged_records()
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=100)
@given(CONTENTS, st.sampled_from(NAMES))
def test_any_bytes_under_any_name(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        for importer in IMPORTERS:
            assert outcome(importer, path) in ("read", "export_damaged", "export_refused")


def outcome(importer: Importer, path: Path) -> str:
    try:
        with importer.reads(path) as reading:
            items = list(reading)
    except WindrowError as error:
        return error.code
    assert reading.report.parsed == len(items)
    assert all(item.title or item.text or item.url for item in items)
    assert len(reading.report.lines()) == len(reading.report.skipped)
    return "read"
