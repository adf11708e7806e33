"""`windrow import`: real archives and hostile ones, killed and run again, and what becomes of their documents."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import brotli
import pytest
import sqlalchemy as sa
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_data import real_data
from running_house import RunningHouse, running_house, windrow
from warc_files import http, members, page, pages, record, words

from aggregator.importing import Document, Importer, Origin
from storage.env import Env
from storage.house import House
from storage.real_env import PosixDisk, real_env
from storage.simulation.env import SimulatedState
from storage.simulation.life import KillAt, Life, SimulatedCrash
from storage.simulation.platter import Platter, SimulatedCalls
from storage.tables.contributions import contributions, submissions
from windrow.warc.reading import read_warc
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError

BOMB = b"<html><body>" + b"a " * 40_000_000


def steps(folder: Path, data: bytes, name: str = "file.warc.gz", silent_s: float = 30) -> list[str]:
    """Return what each record is, in short, and how the file ended."""
    path = folder / name
    path.write_bytes(data)
    return [
        "document" if step.document else f"end:{step.reason}" if step.kind == "end" else step.reason
        for step in read_warc(path, silent_s)
    ]


CODED = {
    "gzip": (gzip.compress(page(1)), "Content-Encoding: gzip"),
    "deflate": (zlib.compress(page(1)), "Content-Encoding: deflate"),
    "brotli": (brotli.compress(page(1)), "Content-Encoding: br"),
    "zstd": (zstandard.compress(page(1)), "Content-Encoding: zstd"),
    "stored decoded": (page(1), "Content-Encoding: gzip"),
    "stored decoded, br": (page(1), "Content-Encoding: br"),
    "chunked": (b"%x\r\n%s\r\n0\r\n\r\n" % (len(page(1)), page(1)), "Transfer-Encoding: chunked"),
    "chunked, it says": (page(1), "Transfer-Encoding: chunked"),
}


def test_bodies_are_decoded_as_they_say_or_taken_as_they_are(tmp_path: Path) -> None:
    data = [record(http(body, field), f"https://a.example/{name}") for name, (body, field) in CODED.items()]
    path = tmp_path / "coded.warc"
    path.write_bytes(b"".join(data))
    found = [step.document.text for step in read_warc(path) if step.document]
    assert found == [words(1)] * len(CODED)


HOSTILE = {
    "not_text": http(b"\x89PNG", media="image/png"),
    "status:404": http(page(1), status="404 Not Found"),
    "no_text": http(b"<html><body></body></html>"),
    "decompression_bomb": http(gzip.compress(BOMB), "Content-Encoding: gzip"),
    "decompression_bomb ": http(brotli.compress(BOMB, quality=1), "Content-Encoding: br"),
    "decompression_bomb  ": http(zstandard.compress(BOMB), "Content-Encoding: zstd"),
    "bad_answer": http(gzip.compress(page(1))[:60], "Content-Encoding: gzip"),
    "not_http": b"\x00\x01\x02" * 50,
}


def test_what_is_no_page_is_counted_under_its_reason_and_what_follows_is_read(tmp_path: Path) -> None:
    data = [record(block, f"https://a.example/{n}") for n, block in enumerate(HOSTILE.values())]
    found = steps(tmp_path, members(*data, *pages(1)))
    assert found == [*(reason.strip() for reason in HOSTILE), "document", "end:"]


def test_records_of_other_kinds_and_without_a_name_are_skipped(tmp_path: Path) -> None:
    data = [
        record(b"a: b\r\n", kind="warcinfo", media="application/warc-fields"),
        record(http(page(1)), kind="revisit"),
        record(http(page(1)), "ftp://a.example/x"),
        record(http(page(1)), "https://a.example/" + "x" * 90_000),
        record(http(page(1)), date="yesterday"),
        record(words(3).encode(), "https://a.example/wet", kind="conversion", media="text/plain"),
    ]
    assert steps(tmp_path, members(*data)) == [
        *("type:warcinfo", "type:revisit", "bad_url", "bad_url", "no_date", "document", "end:"),
    ]


def test_a_file_that_is_cut_short_gives_what_is_whole(tmp_path: Path) -> None:
    whole = members(*pages(3))
    cut = steps(tmp_path, whole[:-40])
    assert cut[:2] == ["document", "document"]
    assert cut[-1] != "end:"
    plain = b"".join(pages(3))
    assert steps(tmp_path, plain[:-60], "cut.warc") == ["document", "document", "cut_short", "end:cut_short"]


@pytest.mark.parametrize("length", [10**15, 2**63, -1, 0])
def test_a_length_that_lies_ends_or_loses_one_record_only(tmp_path: Path, length: int) -> None:
    data = [*pages(1), record(http(page(5)), "https://a.example/5", length=length), *pages(2, first=6)]
    found = steps(tmp_path, b"".join(data), "lies.warc")
    assert found[0] == "document"
    assert found[-1].startswith("end:")
    assert found.count("document") in (1, 2, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"filedesc://a.arc 0.0.0.0 2026", "is an ARC file"),
        (b"<!doctype html>", "begins with"),
        (b"PK\x03\x04", "begins with"),
    ],
)
def test_what_is_no_warc_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(WindrowError, match=reason):
        steps(tmp_path, data)


@pytest.mark.parametrize(
    "place", [0, 5, 40, -30], ids=["its first byte", "its header", "its body", "its sum"]
)
def test_what_is_damaged_costs_one_record_where_each_is_compressed_by_itself(
    tmp_path: Path, place: int
) -> None:
    before, hit, behind = members(*pages(2)), bytearray(members(*pages(1, first=2))), members(*pages(3, 3))
    hit[place : place + 8] = bytes(each ^ 0xFF for each in hit[place : place + 8])
    found = steps(tmp_path, before + bytes(hit) + behind)
    assert [*found[:2], *found[-4:-1]] == ["document"] * 5
    assert found[2:-4] == ["damaged"]
    assert found[-1].startswith("end:1 damaged, the last as record 3")


def test_a_page_that_holds_a_record_is_not_read_as_one_behind_damage(tmp_path: Path) -> None:
    """In a plain file whoever wrote the page could say where it comes from."""
    forged = record(http(page(9)), "https://forged.example/")
    broken = record(http(page(1) + b"\r\n\r\n" + forged), "https://a.example/").replace(
        b"WARC-Date", b"X" * 2_000_000
    )
    found = steps(tmp_path, b"".join(pages(1)) + broken + b"".join(pages(1)), "file.warc")
    assert found[:2] == ["document", "damaged"]
    assert found[-1].startswith("end:1 damaged")
    assert len(found) == 3


def test_random_bytes_never_break_the_reader(tmp_path: Path) -> None:
    random, whole = Random(5), bytearray(members(*pages(4)))
    for _ in range(3):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[random.randrange(4, len(damaged))] = random.randrange(256)
        assert steps(tmp_path, bytes(damaged))[-1].startswith("end:")


def test_a_record_that_kills_its_reader_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's process really dies: a memory limit that one page does not fit into."""
    from windrow.warc import reading

    real = subprocess.Popen

    def deadly(arguments: list[str], **options: object) -> subprocess.Popen[bytes]:
        code = (
            "import os, windrow.warc.child as c\n"
            "found = c.document_of\n"
            "c.document_of = lambda r: os.abort() if r.headers['WARC-Target-URI'].endswith('/1') else found(r)\n"
            "c.main()"
        )
        return real([sys.executable, "-c", code, *arguments[3:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(reading.subprocess, "Popen", deadly)
    assert steps(tmp_path, members(*pages(3))) == ["document", "parser_died", "document", "end:"]


# --- into the house ---------------------------------------------------------------------------------------------


def test_real_archives_are_imported_and_answer_questions(tmp_path: Path) -> None:
    crawl = real_data("warc_commoncrawl_whirlwind") / "whirlwind.warc.gz"
    recorded = real_data("warc_webrecorder") / "iana.warc.gz"
    first = windrow("import", crawl, "--home", tmp_path, "--json")
    assert (first.code, first.json["imported"], first.json["records"]) == (0, 1, 4)
    second = windrow("import", recorded, "--home", tmp_path, "--json").json
    assert second["records"] == 343
    assert second["skipped"] == {
        "not_text": 28,
        "status:302": 4,
        **{f"type:{k}": n for k, n in KINDS.items()},
    }
    again = windrow("import", recorded, "--home", tmp_path, "--json").json
    assert (again["imported"], again["known"]) == (0, second["imported"])
    question = "SELECT source, verdict, warc_sha256, count(*) AS n FROM documents GROUP BY ALL ORDER BY n"
    rows = windrow("sql", "--home", tmp_path, "--format", "json", question).json
    assert [(row["source"], row["verdict"], row["n"]) for row in rows] == [
        ("import", "imported", 1),
        ("import", "imported", second["imported"]),
    ]
    assert rows[1]["warc_sha256"] == second["sha256"]
    assert windrow("lake", "check", "--home", tmp_path).code == 0
    paid = windrow("sql", "--home", tmp_path, "--format", "json", "SELECT count(*) AS n FROM ledger").json
    assert paid == [{"n": 0}]


KINDS = {"request": 171, "revisit": 123, "warcinfo": 1}


def test_an_optout_and_a_copy_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "few.warc.gz"
    noai = page(1, head='<meta name="robots" content="noai">')
    file.write_bytes(
        members(record(http(noai), "https://a.example/1"), *pages(2, first=2), *pages(1, first=2))
    )
    copy = record(http(page(2)), "https://b.example/2")
    file.write_bytes(file.read_bytes() + members(copy))
    windrow("import", file, "--home", tmp_path / "home")
    question = "SELECT url, dup_kind, rights_reason FROM documents ORDER BY seq"
    rows = windrow("sql", "--home", tmp_path / "home", "--format", "json", question).json
    assert [tuple(row.values()) for row in rows] == [
        ("https://a.example/1", "unique", "optout:noai"),
        ("https://a.example/2", "unique", "robots:unasked"),
        ("https://a.example/3", "unique", "robots:unasked"),
        ("https://b.example/2", "exact", "robots:unasked"),
    ]


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[RunningHouse]:
    """A house that nobody else speaks to: an import waits behind a contribution that waits for its verdict."""
    with running_house(tmp_path) as running:
        yield running


def test_a_running_house_takes_an_import(own_house: RunningHouse, tmp_path: Path) -> None:
    file = tmp_path / "pages.warc.gz"
    file.write_bytes(members(*pages(3, first=700)))
    assert windrow("import", file, "--json", env=own_house.env).json["imported"] == 3
    question = "SELECT count(*) AS n FROM documents WHERE source = 'import'"
    assert windrow("sql", "--format", "json", question, env=own_house.env).json == [{"n": 3}]
    closed = windrow("epoch", "close", "--json", env=own_house.env)
    assert "[nothing_to_settle]" in closed.err, "the audit epoch is closed before the ledger's"
    epoch = max(int(folder.name) for folder in (own_house.home / "audits").iterdir())
    replayed = windrow("audit", "replay", epoch, "--home", own_house.home)
    assert replayed.code == 0, replayed.err


def test_an_import_that_is_killed_and_run_again_repeats_nothing(tmp_path: Path) -> None:
    file, home = tmp_path / "many.warc.gz", tmp_path / "home"
    file.write_bytes(members(*pages(250)))
    command = [sys.executable, "-m", "windrow.cli", "import", str(file), "--home", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    database = home / "segments" / "imports-000000.zst"
    while child.poll() is None and not (database.exists() and database.stat().st_size):
        os.sched_yield()
    child.send_signal(signal.SIGKILL)
    child.wait()
    result = windrow("import", file, "--home", home, "--json").json
    assert result["imported"] + result["known"] == 250
    question = "SELECT count(*) AS n, count(DISTINCT url) AS urls FROM documents"
    rows = windrow("sql", "--home", home, "--format", "json", question).json
    assert rows == [{"n": 250, "urls": 250}]


def documents(count: int) -> list[Document]:
    return [
        Document(
            record_id=f"urn:{n}",
            url=f"https://a.example/{n}",
            fetched_at_ms=n,
            http_status=200,
            content_type="text/html",
            optout_signals=[],
            raw_sha256=text_sha256(str(n)),
            text=words(n),
            title="",
            extractor_version="test/1",
        )
        for n in range(count)
    ]


def test_an_import_killed_at_every_step_stores_each_document_once(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()

    def live(home: Path, platter: Platter, kills: KillAt, state: SimulatedState | None) -> SimulatedState:
        life = Life(kills)
        calls = SimulatedCalls(platter, life)
        real = real_env()
        env = Env(real.clock, real.randomness, PosixDisk(calls), real.network)
        state = SimulatedState.begin(life, home / "state.db") if state is None else state.begin_again(life)
        try:
            importer = Importer(House(env, state, home, "windrow-test", key))
            for first in (0, 2):
                importer.accept(Origin("00" * 32, "a.warc"), documents(4)[first : first + 2])
        finally:
            calls.end()
            states[home] = state
        return state

    states: dict[Path, SimulatedState] = {}
    counted = KillAt(0)
    (tmp_path / "counted").mkdir()
    live(tmp_path / "counted", Platter(tmp_path / "counted", Random(1)), counted, None)
    assert Counter(counted.names)["after_commit"] == 2
    for number in range(1, len(counted.names) + 1):
        home = tmp_path / str(number)
        home.mkdir()
        platter, kills = Platter(home, Random(number)), KillAt(number)
        with pytest.raises(SimulatedCrash):
            live(home, platter, kills, None)
        states[home].close()
        platter.crash()
        state = live(home, platter, kills, states[home])
        with state.read() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(contributions)).scalar() == 4
            seqs = list(
                connection.execute(sa.select(submissions.c.seq).order_by(submissions.c.seq)).scalars()
            )
        assert seqs == [1, 2, 3, 4]
