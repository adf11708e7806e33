"""Google's exports, in the forms and languages that it has given them over the years."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from export_files import read_all
from real_data import real_data

from extension_bridge.importers.items import ImportedItem
from extension_bridge.importers.wall_times import wall_moment

CELL = (
    '<div class="outer-cell mdl-cell"><div class="mdl-grid"><div class="header-cell mdl-cell">'
    '<p class="mdl-typography--title">{product}<br></p></div>'
    '<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1">{body}</div>'
    '<div class="content-cell mdl-typography--caption"><b>Products:</b><br>&emsp;YouTube<br></div></div></div>'
)


def takeout(tmp_path: Path, value: Any, name: str = "MyActivity.json") -> list[ImportedItem]:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return read_all(path, "google_takeout")[0]


def test_real_json_activity_is_read_whole() -> None:
    items, report = read_all(real_data("personal_exports") / "dogsheep_takeout", "google_takeout")
    assert report.kinds == {"activity": 1, "search": 2, "visit": 2}
    assert report.skipped == {"other_file": 1}  # where somebody was is not read
    assert {item.clock for item in items} == {"utc"}
    redirected = next(item for item in items if item.kind == "visit" and "stackexchange" in item.url)
    assert redirected.url.startswith("https://webapps.stackexchange.com/")
    assert redirected.at_ms == 1_559_230_638_828


def test_real_html_activity_is_read_whole() -> None:
    folder = real_data("personal_exports")
    items, report = read_all(folder / "google_takeout_html", "google_takeout")
    assert report.kinds == {"search": 1, "visit": 2}
    assert [item.at_ms for item in items] == [1_517_439_290_000, 1_486_513_959_000, 1_486_513_956_000]
    assert items[1].url == "http://www.adobe.com/creativecloud.html"
    zipped, of_zip = read_all(folder / "promnesia" / "takeout-20150518T000000Z.zip", "google_takeout")
    assert (len(zipped), of_zip.skipped) == (3, {"other_file": 1})
    assert zipped[0].clock == "utc"  # it says UTC


def test_youtube_s_history_is_told_by_its_addresses_whatever_the_language(tmp_path: Path) -> None:
    entry = {"header": "YouTube", "products": ["YouTube"], "time": "2024-05-06T07:08:09.123Z"}
    items = takeout(
        tmp_path,
        [
            entry | {"title": "„Brot“ angesehen", "titleUrl": "https://www.youtube.com/watch?v=1"},
            entry
            | {"title": "A cherché pain", "titleUrl": "https://www.youtube.com/results?search_query=pain"},
            entry | {"title": "Watched x", "titleUrl": "https://music.youtube.com/watch?v=2"},
            entry | {"title": "Watched x", "titleUrl": "https://m.youtube.com.evil.example/results?q=1"},
        ],
    )
    assert [(item.kind, item.text) for item in items] == [
        ("watch", ""),
        ("search", "pain"),
        ("listen", ""),
        ("search", "1"),
    ]


def test_chrome_s_history_old_and_new(tmp_path: Path) -> None:
    visit = {
        "title": "Bread",
        "url": "https://bread.example/",
        "time_usec": 1_600_000_000_000_000,
        "client_id": "x",
    }
    history = {
        "Typed Url": [{"url": "https://other.example/"}],
        "Browser History": [
            visit,
            visit | {"url": "chrome://settings"},
            visit | {"url": "file:///home/a"},
            {},
        ],
    }
    path = tmp_path / "History.json"
    path.write_text(json.dumps(history))
    items, report = read_all(path, "google_takeout")
    assert [(item.kind, item.at_ms, item.url) for item in items] == [
        ("visit", 1_600_000_000_000, "https://bread.example/")
    ]
    assert report.skipped == {"local_page": 2, "malformed": 1}


def test_older_forms_are_read(tmp_path: Path) -> None:
    search = {"event": [{"query": {"id": [{"timestamp_usec": "1400000000000000"}], "query_text": "bread"}}]}
    (item,) = takeout(tmp_path, search)
    assert (item.kind, item.text, item.at_ms) == ("search", "bread", 1_400_000_000_000)
    snippet = {"title": "A film", "publishedAt": "2014-05-06T07:08:09.000Z", "resourceId": {"videoId": "abc"}}
    (item,) = takeout(tmp_path, [{"contentDetails": {"videoId": "abc"}, "snippet": snippet}])
    assert (item.kind, item.url) == ("watch", "https://www.youtube.com/watch?v=abc")


def test_youtube_s_comments_as_a_table(tmp_path: Path) -> None:
    table = "Comment ID,Channel ID,Comment create timestamp,Price,Video ID,Comment text\n"
    table += 'a,UC,2024-01-13T18:20:11.5+00:00,0,v,"{""text"":""Nice ""},{""text"":""rye"",""link"":{}}"\n'
    table += "b,UC,2023-01-13T18:20:11+00:00,0,v,{smile}\nc,UC,2023-01-13T18:20:11+00:00,0,v,\n"
    path = tmp_path / "comments.csv"
    path.write_text(table)
    items, report = read_all(path, "google_takeout")
    assert [(item.kind, item.text, item.at_ms) for item in items] == [
        ("post", "Nice rye", 1_705_170_011_500),
        ("post", "{smile}", 1_673_634_011_000),
    ]
    assert report.skipped == {"no_content": 1}


def test_chrome_s_history_is_found_behind_much_else(tmp_path: Path) -> None:
    visit = {"title": "Bread", "url": "https://bread.example/", "time_usec": 1_600_000_000_000_000}
    session = [{"tab": {"title": "x" * 100}}] * 2_000
    items = takeout(tmp_path, {"Typed Url": [{"url": "a"}], "Session": session, "Browser History": [visit]})
    assert [item.url for item in items] == ["https://bread.example/"]


def test_missing_and_extra_fields_are_counted_and_never_fail(tmp_path: Path) -> None:
    good = {
        "header": "Search",
        "title": "Searched for x",
        "time": "2020-01-01T00:00:00Z",
        "products": ["Search"],
    }
    odd = [good, {"time": 5}, {}, None, [], "x", good | {"title": 7, "subtitles": "no", "new": {"a": [1]}}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(odd))
    items, report = read_all(path, "google_takeout")
    assert len(items) == 2
    assert sum(report.skipped.values()) == 5


def test_an_html_page_of_any_size_is_cut_at_its_cells(tmp_path: Path) -> None:
    body = 'Watched&nbsp;<a href="https://www.youtube.com/watch?v={i}">Film {i}</a><br>'
    body += '<a href="https://www.youtube.com/channel/c">A channel</a><br>1 Feb 2024, 10:54:{s:02} GMT<br>'
    cells = "".join(CELL.format(product="YouTube", body=body.format(i=i, s=i % 60)) for i in range(400))
    page = f"<html><head><style>{'.mdl-grid{}' * 20_000}</style></head><body>{cells}</body></html>"
    items = takeout(tmp_path, page, "watch-history.html")
    assert len(items) == 400
    assert (items[7].kind, items[7].title, items[7].text) == ("watch", "Watched Film 7", "A channel")
    assert (items[7].at_ms, items[7].clock) == (1_706_784_847_000, "utc")


def test_the_same_export_twice_gives_the_same_ids(tmp_path: Path) -> None:
    entry = {
        "header": "Search",
        "title": "Searched for x",
        "time": "2020-01-01T00:00:00Z",
        "products": ["Search"],
    }
    once = [item.item_id for item in takeout(tmp_path, [entry, entry])]
    again = [item.item_id for item in takeout(tmp_path, [entry, entry], "other.json")]
    assert once == again
    assert len(set(once)) == 2


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Jan 31, 2018, 10:54:50 PM", "2018-01-31T22:54:50"),
        ("Jan 31, 2018, 10:54:50\u202fPM PST", "2018-02-01T06:54:50Z"),
        ("31 Jan 2018, 22:54:50 GMT", "2018-01-31T22:54:50Z"),
        ("31.01.2018, 22:54:50 MEZ", "2018-01-31T21:54:50Z"),
        ("31 janv. 2018, 22:54:50 CET", "2018-01-31T21:54:50Z"),
        ("31 de ene. de 2018, 22:54:50 CET", "2018-01-31T21:54:50Z"),
        ("31 ene 2018, 22:54:50 GMT+01:00", "2018-01-31T21:54:50Z"),
        ("31 янв. 2018 г., 22:54:50 MSK", "2018-01-31T19:54:50Z"),
        ("2018/01/31 22:54:50 JST", "2018-01-31T13:54:50Z"),
        ("2018年1月31日 22:54:50 JST", "2018-01-31T13:54:50Z"),
        ("2018. 1. 31. 오후 10:54:50 KST", "2018-01-31T13:54:50Z"),
        ("31. jan. 2018 22.54.50 CET", "2018-01-31T21:54:50Z"),
        ("31 Jan 2018 22.54.50 WIB", "2018-01-31T15:54:50Z"),
        ("2018年1月31日 GMT+8 22:54:50", "2018-01-31T14:54:50Z"),
        ("31.1.2018 klo 22.54.50 EET", "2018-01-31T20:54:50Z"),
        ("٣١\u200f/٠١\u200f/٢٠١٨ ٢٢:٥٤:٥٠", "2018-01-31T22:54:50"),
        ("31 ม.ค. 2561 22:54:50", "2018-01-31T22:54:50"),
        ("31 gen 2018, 22:54:50 CET", "2018-01-31T21:54:50Z"),
        ("31 de jan. de 2018, 22:54:50 BRT", "2018-02-01T01:54:50Z"),
        ("12/20/21, 12:10 AM", "2021-12-20T00:10:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, iso: str) -> None:
    moment = datetime.fromisoformat(iso)
    at_ms, clock = wall_moment(text)
    assert at_ms == int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1_000)
    assert clock == ("utc" if iso.endswith("Z") else "local")


@pytest.mark.parametrize(
    "text", ["", "Products:", "31", "12:10", "99.99.2018 10:10", "Feb 31, 2018", "9" * 5_000]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert wall_moment(text) == (0, "none")
