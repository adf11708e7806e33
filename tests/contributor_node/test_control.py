"""The owner's word: a table of steps, kept through restarts, obeyed by every client before its next request."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import get_args

import pytest
from aiohttp import web
from crawl_sites import html, lease, serve, wall_ms
from hypothesis import given
from hypothesis import strategies as st
from node_world import coordinator, node, site, until

from contributor_node.crawling.chromium import find_chromium
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog, read_refusals, read_rows
from contributor_node.owner import control
from contributor_node.owner.budget import Budget, Caps, OwnerRules
from contributor_node.owner.control import CONTROL_FILE, ControlWatch, Event, NodeControl, State
from windrow.commands.node_control import duration_s, node_finish, node_pause, node_resume
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome

LATER_MS = 10**12


def test_nothing_was_said_means_running(tmp_path: Path) -> None:
    assert control.read(tmp_path) == NodeControl("running", None)


def test_each_word_is_kept(tmp_path: Path) -> None:
    assert control.pause(tmp_path, LATER_MS) == control.read(tmp_path) == NodeControl("paused", LATER_MS)
    assert control.pause(tmp_path) == control.read(tmp_path) == NodeControl("paused", None)
    assert control.finish(tmp_path) == control.read(tmp_path) == NodeControl("finishing", None)
    assert control.resume(tmp_path) == control.read(tmp_path) == NodeControl("running", None)
    assert list(tmp_path.iterdir()) == [tmp_path / CONTROL_FILE], "written whole, nothing left beside it"


@given(
    st.sampled_from(get_args(State)),
    st.lists(st.tuples(st.sampled_from(get_args(Event)), st.integers(0, 99))),
)
def test_no_row_of_words_leads_out_of_the_table(start: State, said: list[tuple[Event, int]]) -> None:
    now = NodeControl(start, None)
    for event, until_ms in said:
        now = now.after(event, until_ms=until_ms)
        assert now.state in get_args(State)
        assert now.paused_until_ms is None or now.state == "paused"
        assert event != "pause" or now.state == "paused", "a pause is obeyed in every state"
        assert event != "resume" or now.state == "running", "and so is its end"


@pytest.mark.parametrize(("now_ms", "state"), [(99, "paused"), (100, "running"), (10**15, "running")])
def test_a_pause_with_an_end_is_over_at_its_end(now_ms: int, state: State) -> None:
    assert NodeControl("paused", 100).at(now_ms).state == state
    assert NodeControl("paused", None).at(now_ms).state == "paused"


@pytest.mark.parametrize(
    "content", [b"{", b'{"state":"dancing"}', b"\0" * 4_096, b""], ids=["torn", "unknown", "zeros", "empty"]
)
def test_a_damaged_file_pauses_and_resume_mends_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONTROL_FILE).write_bytes(content)
    with pytest.raises(WindrowError, match="bad_config"):
        control.read(tmp_path)
    watch = ControlWatch(tmp_path)
    assert watch.control(0).state == "paused"
    control.resume(tmp_path)
    assert watch.control(0).state == "running"


def test_the_running_node_sees_every_word_at_once(tmp_path: Path) -> None:
    watch = ControlWatch(tmp_path)
    for word in itertools.islice(itertools.cycle([control.pause, control.resume, control.finish]), 60):
        said = word(tmp_path)
        assert watch.control(0) == said


async def test_no_client_starts_a_request_once_paused(tmp_path: Path) -> None:
    """The pause comes while robots.txt of the first host is answered: its page, and every other host, must wait."""

    async def page(request: web.Request) -> web.StreamResponse:
        control.pause(tmp_path)
        return web.Response(status=404)

    log = LineLog(tmp_path / "line_log.ndjson", wall_ms)
    budget = Budget(tmp_path, OwnerRules(Caps(10**12, 10**12)), wall_ms)
    async with serve(page) as first, serve(page) as second:
        endpoints = frozenset([first.endpoint, second.endpoint])
        settings = CrawlSettings(tmp_path, "T/1", allow_private=endpoints, pace_private_s=0.1)
        engine = CrawlEngine(settings, log, wall_ms, meter=budget)
        await engine.start()
        try:
            urls = [f"{first.base}/1", f"{first.base}/2", f"{second.base}/1"]
            outcomes = [result.outcome async for result in engine.crawl([lease(url) for url in urls])]
        finally:
            await engine.close()
        seen = [*first.hits, *second.hits]
    assert outcomes == [Outcome.BUDGET_EXHAUSTED] * 3
    assert set(seen) == {"/robots.txt"}, "nothing but what had left before the pause"
    assert len(list(read_rows(log.path))) == len(seen)


async def test_a_page_in_the_browser_fetches_nothing_more_once_paused(tmp_path: Path) -> None:
    """The pause comes with the page's script, which then asks for data ten times."""
    try:
        find_chromium("", os.environ)
    except WindrowError:
        pytest.skip("no Chromium here")

    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        if request.path == "/app.js":
            control.pause(tmp_path)
            script = "for (let n = 0; n < 10; n++) fetch('/data/' + n)"
            return web.Response(text=script, content_type="text/javascript")
        return html("<main>shell</main><script src='/app.js'></script>")

    log = LineLog(tmp_path / "line_log.ndjson", wall_ms)
    budget = Budget(tmp_path, OwnerRules(Caps(10**12, 10**12)), wall_ms)
    async with serve(page) as pages:
        settings = CrawlSettings(tmp_path, "T/1", frozenset([pages.endpoint]), pace_private_s=0.1)
        engine = CrawlEngine(settings, log, wall_ms, meter=budget)
        await engine.start()
        try:
            async for _ in engine.crawl([lease(f"{pages.base}/1", render="browser")]):
                pass
        finally:
            await engine.close()
        assert "/app.js" in pages.hits
        assert pages.hits_of("/data") == []
        refused = {row.url.removeprefix(pages.base) for row in read_refusals(log.path)}
        assert any(path.startswith("/data") for path in refused), "it was asked for, and held"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3_600), ("30m", 1_800), ("2 d", 172_800), ("1.5h", 5_400), ("90S", 90), ("1w", 604_800)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0h", "1y", "1h30m", "9999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(WindrowError, match="bad_usage"):
        duration_s(text)


def test_the_commands_write_the_owners_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node_pause("1h", str(tmp_path))
    until_ms = control.read(tmp_path).paused_until_ms
    assert until_ms is not None
    assert 0 <= wall_ms() + 3_600_000 - until_ms < 600_000
    assert capsys.readouterr().out.startswith("Paused until 2")
    node_pause("", str(tmp_path), as_json=True)
    assert capsys.readouterr().out == '{"state": "paused", "paused_until_ms": null}\n'
    node_resume(str(tmp_path))
    assert control.read(tmp_path).state == "running"
    with pytest.raises(WindrowError, match="node_not_running"):
        node_finish(str(tmp_path))
    assert control.read(tmp_path).state == "running", "else the next start would end at once"


async def test_finish_ends_open_leases_hands_in_and_exits(tmp_path: Path) -> None:
    home = tmp_path / "node"
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(40)])
        async with node(home, house.url, "--batch", "10", sites=(pages,)) as running:
            await until(lambda: len(pages.hits_of("/")) > 3, "the first pages")
            control.finish(home)
            assert running.process is not None
            assert await running.process.wait() == 0
            done = len(running.receipts())
            assert 0 < done < 40
            assert running.count("results") == running.count("leases") == 0, "nothing is held"
            assert control.read(home).state == "running", "so that the next start works"
            await running.start()
            await until(lambda: len(running.receipts()) == 40, "the last receipt")


async def test_finish_does_not_wait_for_a_coordinator_that_is_gone(tmp_path: Path) -> None:
    control.finish(tmp_path / "node")
    async with node(tmp_path / "node", "http://127.0.0.1:9") as running:
        assert running.process is not None
        assert await running.process.wait() == 0


async def test_a_pause_outlives_kill_9_and_ends_by_itself(tmp_path: Path) -> None:
    home = tmp_path / "node"
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(3)])
        control.pause(home, wall_ms() + 3_600_000)
        async with node(home, house.url, sites=(pages,)) as running:
            await until(lambda: running.status.get("control") == "paused", "the pause")
            await running.kill()
            await running.start()
            said_at_ms = running.status["at_ms"]
            await until(lambda: running.status["at_ms"] > said_at_ms, "a round after the restart")
            assert running.status["control"] == "paused"
            assert pages.hits == []
            assert house.asked.count("/v1/leases") == 0
            end_ms = wall_ms() + 500
            control.pause(home, end_ms)
            await until(lambda: len(running.receipts()) == 3, "all receipts, without a resume")
            rows = [row for row in read_rows(home / "line_log.ndjson") if row.purpose != "coordinator"]
            assert min(row.sent_at_ms for row in rows) >= end_ms
