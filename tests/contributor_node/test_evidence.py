"""Every client's request is written down before it leaves, with who ordered it, and told to an internet provider."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import os
import threading
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from crawl_sites import html, lease, serve, wall_ms
from node_world import NETWORK, client_of, coordinator, node, site, until

from contributor_node.crawling.chromium import find_chromium
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.evidence import COLUMNS, Who, write_evidence
from contributor_node.egress.line_log import LINE_LOG_FILE_BYTES_MAX, LineLog, read_events, read_rows
from contributor_node.egress.log_follow import follow
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Lease
from windrow_protocol.signing import verify

WHO = Who("ab" * 32, NETWORK, "http://house.example", "cd" * 32, "WindrowBot/0.1 (+https://w.example)")
SHELL = "<html><body><main id=a></main><script src='/app.js'></script></body></html>"
SCRIPT = "fetch('/data.json').then(r=>r.text()).then(t=>{document.getElementById('a').textContent=t})"


async def test_each_client_is_in_the_log_before_it_reaches_anybody(tmp_path: Path) -> None:
    """The site looks into the log at each hit: its row must be there, without an end."""
    try:
        find_chromium("", os.environ)
    except WindrowError:
        pytest.skip("no Chromium here")
    path = tmp_path / "line_log.ndjson"
    unwritten: list[str] = []

    async def page(request: web.Request) -> web.StreamResponse:
        rows = [row for row in read_rows(path) if row.url.endswith(request.path) and row.done_at_ms is None]
        if not rows:
            unwritten.append(request.path)
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nDisallow: /private\n")
        if request.path == "/app.js":
            return web.Response(text=SCRIPT, content_type="text/javascript")
        if request.path == "/data.json":
            return web.Response(text="raked together " * 40, content_type="application/json")
        return html(SHELL)

    async with serve(page) as pages:
        allowed = frozenset([pages.endpoint])
        settings = CrawlSettings(tmp_path, "T/1", allow_private=allowed, pace_private_s=0.1)
        engine = CrawlEngine(settings, LineLog(path, wall_ms), wall_ms)
        await engine.start()
        try:
            wanted = [lease(f"{pages.base}/1", render="browser"), lease(f"{pages.base}/2")]
            async for _ in engine.crawl(wanted):
                pass
        finally:
            await engine.close()
    assert unwritten == []
    assert {"/robots.txt", "/1", "/2", "/app.js", "/data.json"} <= set(pages.hits)
    by_path = {row.url.removeprefix(pages.base): row for row in read_rows(path)}
    assert by_path["/robots.txt"].robots == ""
    assert {by_path[name].robots for name in ("/1", "/2", "/app.js", "/data.json")} == {"allowed"}
    assert by_path["/data.json"].purpose == "subresource"


async def test_the_coordinator_is_in_the_log_before_it_is_asked_and_its_leases_after(tmp_path: Path) -> None:
    home = tmp_path / "node"
    async with coordinator(tmp_path / "house") as house:
        house.seed(["http://a.example/1"])
        before = len(house.asked)
        client = await client_of(house, home)
        offer = await client.leases(5, ["http"])
        rows = list(read_rows(home / "line_log.ndjson"))
        assert len(rows) == len(house.asked) - before
        assert {row.address for row in rows} == {f"127.0.0.1:{house.port}"}
        (kept,) = [event for event in read_events(home / "line_log.ndjson") if event["event"] == "lease"]
        assert client.pin is not None
        said = verify(
            kept["token"],
            signer=client.pin.coordinator_id,
            network=NETWORK,
            purpose="lease",
            subject=client.node_id,
            now_ms=wall_ms(),
        )
        assert msgspec.convert(said.content, Lease).url == offer.leases[0].url == "http://a.example/1"


async def test_a_full_disk_stops_every_client(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    async with coordinator(tmp_path / "house") as house, site() as pages:
        client = await client_of(house, tmp_path / "node")
        asked = len(house.asked)
        full = tmp_path / "full.ndjson"
        full.symlink_to("/dev/full")
        client._line_log = LineLog(full, wall_ms)
        with pytest.raises(WindrowError, match="line_log_unwritable"):
            await client.leases(5, ["http"])
        assert len(house.asked) == asked
        allowed = frozenset([pages.endpoint])
        settings = CrawlSettings(tmp_path, "T/1", allow_private=allowed, pace_private_s=0.1)
        engine = CrawlEngine(settings, LineLog(full, wall_ms), wall_ms)
        await engine.start()
        try:
            batch = engine.crawl([lease(f"{pages.base}/{n}") for n in range(3)])
            assert [result async for result in batch] == [], "our own fault is nobody's outcome"
        finally:
            await engine.close()
        assert pages.hits == []


def logged(folder: Path) -> Path:
    """Write a log of four requests, one of them open and one refused."""
    moments = iter(range(1_700_000_000_000, 1_700_000_999_000, 1_000))
    log = LineLog(folder / "line_log.ndjson", lambda: next(moments))
    log.leased("l1", "h.eyJjb250ZW50Ijp7InVybCI6Imh0dHBzOi8vYS5leGFtcGxlL3gifX0.s")
    first = log.sent(
        url="https://a.example:443", purpose="page", client="crawl", lease_id="l1", address="9.9.9.9:443",
        method="CONNECT", robots="allowed",
    )  # fmt: skip
    log.done(first, status=200, bytes_up=100, bytes_down=2_000)
    second = log.sent(url="http://b.example/robots.txt", purpose="robots", client="crawl", lease_id="l1")
    log.done(second, status=404, bytes_up=1, bytes_down=2, error="=cmd()")
    log.sent(url="http://house.example/v1/leases", purpose="coordinator", client="node", method="POST")
    log.refused(url="http://10.0.0.1/", purpose="page", client="crawl", lease_id="l1", error="unsafe_address")
    return log.path


def test_the_table_has_one_row_a_request_and_no_formula(tmp_path: Path) -> None:
    path, out = logged(tmp_path), tmp_path / "evidence.csv"
    totals = write_evidence(path, 0, WHO, out, wall_ms())
    assert (totals.rows, totals.hosts, totals.bytes_moved, totals.leases) == (3, 3, 2_103, 1)
    text = out.read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(table))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 3
    assert rows[0]["lease_url"] == "https://a.example/x"
    token = next(event["token"] for event in read_events(path) if event["event"] == "lease")
    assert rows[0]["lease_sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert rows[1]["error"] == "'=cmd()"
    assert rows[2]["ended_at_utc"] == ""
    assert f"{rows[0]['lease_sha256']} {token}" in text


def test_the_text_says_who_this_is_in_plain_words(tmp_path: Path) -> None:
    out = tmp_path / "evidence.txt"
    write_evidence(logged(tmp_path), 0, WHO, out, wall_ms())
    text = out.read_text(encoding="utf-8")
    for words in (
        "It is no proxy",
        WHO.node_id,
        WHO.coordinator_id,
        WHO.user_agent,
        "asks for robots.txt itself",
    ):
        assert words in text
    assert "2023-11-14T22:13:22.000Z  CONNECT https://a.example:443" in text
    assert "nobody saw its end" in text


def test_only_what_left_since_then_is_told(tmp_path: Path) -> None:
    path = logged(tmp_path)
    second = list(read_rows(path))[1]
    totals = write_evidence(path, second.sent_at_ms, WHO, tmp_path / "e.txt", wall_ms())
    assert totals.rows == 2


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(WindrowError, match="disk_failed"):
        write_evidence(logged(tmp_path), 0, WHO, tmp_path / "nowhere" / "e.txt", wall_ms())


def test_following_sees_each_event_once_through_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LINE_LOG_FILE_BYTES_MAX > 700
    monkeypatch.setattr("contributor_node.egress.line_log.LINE_LOG_FILE_BYTES_MAX", 700)
    path = tmp_path / "line_log.ndjson"
    log = LineLog(path, wall_ms)
    log.sent(url="http://a.example/old", purpose="page", client="crawl")
    going = threading.Event()

    def write() -> None:
        going.wait()
        for number in range(200):
            log.sent(url=f"http://a.example/{number}", purpose="page", client="crawl")

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    for event in follow(path, going.set):
        seen.append(event["url"])
        if len(seen) == 200:
            break
    writer.join()
    assert seen == [f"http://a.example/{number}" for number in range(200)]


async def test_the_commands_tell_what_a_running_node_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from windrow.commands.node_control import node_status
    from windrow.commands.node_log import node_evidence, node_log

    home = tmp_path / "node"
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(3)])
        async with node(home, house.url, sites=(pages,)) as running:
            await until(lambda: len(running.receipts()) == 3, "the receipts")
            await asyncio.to_thread(node_status, str(home), True)
            told = msgspec.json.decode(capsys.readouterr().out)
            assert told["running"]
            assert told["day_bytes"] > 0
        node_log(since="1h", home=str(home), as_json=True)
        lines = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
        left = [line for line in lines if line["purpose"] != "coordinator"]
        assert sorted(line["url"].removeprefix(pages.base) for line in left) == sorted(pages.hits)
        node_evidence("1d", tmp_path / "e.csv", str(home))
        assert f"{len(lines)} requests to 2 hosts, ordered by 3 leases" in capsys.readouterr().out
        node_status(str(home))
        assert "does not run" in capsys.readouterr().out
