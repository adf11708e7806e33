"""The owner's caps: decided purely, kept through a kill, overshot by one chunk at most; a pause holds everything."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from aiohttp import web
from crawl_sites import lease, serve, wall_ms
from hypothesis import given, settings
from node_world import clean_environment, coordinator, node, site, until
from real_data import ROOT

from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog, read_rows
from contributor_node.egress.relay import CHUNK_BYTES
from contributor_node.owner import control
from contributor_node.owner.budget import (
    HELD_BYTES,
    USAGE_FILE,
    Budget,
    Caps,
    OwnerRules,
    Usage,
    decide,
    usage_at,
)
from contributor_node.owner.sensors import Conditions
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome

CAPS = OwnerRules(Caps(day_bytes_max=1_000, month_bytes_max=5_000))
DAY_MS = 86_400_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "month", "paused", "reason"),
    [
        (0, 0, False, ""),
        (999, 4_999, False, ""),
        (1_000, 1_000, False, "day_cap"),
        (0, 5_000, False, "month_cap"),
        (9_999, 9_999, True, "paused"),
        (0, 0, True, "paused"),
    ],
)
def test_a_request_may_leave_or_the_reason_is_said(day: int, month: int, paused: bool, reason: str) -> None:
    decision = decide(
        Usage("2026-01-31", day, "2026-01", month), CAPS, Conditions(), datetime(2026, 1, 31), paused=paused
    )
    assert (decision.allowed, decision.reason) == (not reason, reason)


def test_days_and_months_begin_at_midnight_utc() -> None:
    used = Usage("2026-01-30", 7, "2026-01", 9)
    assert usage_at(used, at("2026-01-30T23:59:59")) == used
    assert usage_at(used, at("2026-01-31T00:00:00")) == Usage("2026-01-31", 0, "2026-01", 9)
    assert usage_at(used, at("2026-02-01T00:00:00")) == Usage("2026-02-01", 0, "2026-02", 0)
    assert usage_at(used, at("2027-01-30T12:00:00")).month_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 3 * DAY_MS)), max_size=20))
def test_what_is_counted_is_what_was_used_and_stays_on_disk(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[int, int]]
) -> None:
    home, now = tmp_path_factory.mktemp("home"), [at("2026-01-20T00:00:00")]
    budget = Budget(home, CAPS, lambda: now[0])
    by_day: dict[str, int] = {}
    by_month: dict[str, int] = {}
    for size, passed_ms in chunks:
        now[0] += passed_ms
        budget.add(size)
        today = datetime.fromtimestamp(now[0] / 1000, UTC).date().isoformat()
        by_day[today] = by_day.get(today, 0) + size
        by_month[today[:7]] = by_month.get(today[:7], 0) + size
        again = Budget(home, CAPS, lambda: now[0])
        assert again.usage == budget.usage
        assert (again.usage.day_bytes, again.usage.month_bytes) == (by_day[today], by_month[today[:7]])
        again.close()
    budget.close()


async def test_no_request_leaves_once_a_cap_is_reached_or_the_node_paused(tmp_path: Path) -> None:
    now = [at("2026-01-20T00:00:00")]
    budget = Budget(tmp_path, CAPS, lambda: now[0])
    await budget.before_request()
    budget.after_request()
    await budget.count(1_000, "down")  # exactly the cap: the answer under way may end, no other may begin
    with pytest.raises(WindrowError, match="cap of this day"):
        await budget.before_request()
    with pytest.raises(WindrowError, match="cap of this day"):
        await budget.count(1, "up")
    now[0] += DAY_MS
    await budget.before_request()
    budget.after_request()
    control.pause(tmp_path)
    with pytest.raises(WindrowError, match="paused"):
        await budget.before_request()
    control.resume(tmp_path)
    await budget.before_request()


@pytest.mark.parametrize("content", ["{", "[]", '{"day": 1}', "\0" * 128])
def test_a_damaged_usage_file_is_said_and_not_taken_for_zero(tmp_path: Path, content: str) -> None:
    (tmp_path / USAGE_FILE).write_text(content)
    with pytest.raises(WindrowError, match="bad_config"):
        Budget(tmp_path, CAPS, wall_ms)


def test_kill_9_forgets_no_byte(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from contributor_node.owner.budget import Budget, Caps, OwnerRules\n"
        "rules = OwnerRules(Caps(10**12, 10**12))\n"
        "budget = Budget(Path(sys.argv[1]), rules, lambda: time.time_ns() // 10**6)\n"
        "while True: budget.add(1); print(budget.usage.month_bytes, flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 300:
            break
    process.kill()
    said = int((line + process.stdout.read()).split()[-1])
    process.wait()
    assert 0 <= Budget(tmp_path, OwnerRules(Caps(10**12, 10**12)), wall_ms).usage.month_bytes - said <= 1


async def test_a_kill_in_the_middle_of_many_answers_counts_what_may_have_arrived(tmp_path: Path) -> None:
    """What the buffers held when the node was killed was paid for by the owner, and nobody counted it."""
    rules = OwnerRules(Caps(50 * HELD_BYTES, 10**12))
    killed = Budget(tmp_path, rules, wall_ms)
    for _ in range(8):
        await killed.before_request()
        await killed.count(1_000, "down")
    killed.after_request()
    assert killed.usage.day_bytes == 8_000
    again = Budget(tmp_path, rules, wall_ms)
    assert again.usage.day_bytes == 8_000 + 7 * HELD_BYTES
    again.add(1)
    assert Budget(tmp_path, rules, wall_ms).usage == again.usage, "it is counted once"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, CHUNK_BYTES)), min_size=40, max_size=80),
    st.integers(1, 9),
)
def test_however_many_connections_there_are_together_they_overshoot_by_one_chunk(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], cap_halves: int
) -> None:
    """And wherever the node is killed: what a restart counts is at most a chunk and one hold beyond the cap."""
    cap, home = cap_halves * HELD_BYTES // 2, tmp_path_factory.mktemp("home")
    rules = OwnerRules(Caps(cap, 10**12))

    async def run() -> None:
        budget = Budget(home, rules, wall_ms)
        under_way: set[int] = set()
        for connection, size in steps:
            try:
                if connection not in under_way:
                    await budget.before_request()
                    under_way.add(connection)
                await budget.count(size, "down")
            except WindrowError:
                if connection in under_way:
                    under_way.remove(connection)
                    budget.after_request()
            assert budget.usage.day_bytes <= cap + CHUNK_BYTES
            after_a_kill = Budget(home, rules, wall_ms)
            assert after_a_kill.usage.day_bytes <= cap + CHUNK_BYTES + HELD_BYTES
            after_a_kill.close()
        budget.close()

    asyncio.run(run())


async def test_a_cap_cuts_the_answer_within_one_chunk_and_later_requests_never_leave(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        return web.Response(body=b"<p>row</p>" * 400_000, content_type="text/html")

    cap = 1_500_000
    budget = Budget(tmp_path, OwnerRules(Caps(cap, 10**12)), wall_ms)
    log = LineLog(tmp_path / "line_log.ndjson", wall_ms)
    async with serve(endless) as pages:
        settings = CrawlSettings(
            home=tmp_path, user_agent="T/1", allow_private=frozenset([pages.endpoint]), pace_private_s=0.1
        )
        engine = CrawlEngine(settings, log, wall_ms, meter=budget)
        await engine.start()
        try:
            batch = engine.crawl([lease(f"{pages.base}/{n}") for n in range(4)])
            outcomes = [result.outcome async for result in batch]
        finally:
            await engine.close()
        assert outcomes == [Outcome.BUDGET_EXHAUSTED] * 4
        assert len(pages.hits) <= 2, "robots.txt and the page that was cut"
    assert cap <= budget.usage.day_bytes <= cap + CHUNK_BYTES
    down = sum(row.bytes_down + row.bytes_up for row in read_rows(tmp_path / "line_log.ndjson"))
    assert abs(down - budget.usage.day_bytes) <= 256 * 1024


async def test_the_running_node_obeys_pause_and_cap_through_a_kill(tmp_path: Path) -> None:
    home = tmp_path / "node"
    home.mkdir()
    control.pause(home)
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(12)])
        async with node(home, house.url, "--day-mb-max", "1", sites=(pages,)) as running:
            await until(lambda: running.status.get("may_work") == "paused", "the pause")
            assert house.asked.count("/v1/leases") == 0
            assert pages.hits == []
            control.resume(home)
            await until(lambda: len(running.receipts()) == 12, "all receipts")
            used = running.status["day_bytes"]
            assert used > 12 * 2_000
            await running.kill()
            today = str(datetime.now(UTC).date())
            _overwrite_usage(home, Usage(today, 1_000_000, today[:7], used))
            asked = house.asked.count("/v1/leases")
            house.seed([f"{pages.base}/late/{n}" for n in range(5)])
            await running.start()
            await until(lambda: running.status.get("may_work") == "day_cap", "the cap")
            for _ in range(2):  # two more rounds, in which a node without caps would have asked
                said_at_ms = running.status["at_ms"]
                await until(lambda said_at_ms=said_at_ms: running.status["at_ms"] > said_at_ms, "a round")
            assert house.asked.count("/v1/leases") == asked
            assert pages.hits_of("/late") == []
            assert running.status["month_bytes"] >= used


def _overwrite_usage(home: Path, usage: Usage) -> None:
    (home / USAGE_FILE).write_bytes(msgspec.json.encode(usage).ljust(128))
