"""Hours, battery, metered line, idle and speed: decided purely, taken over by the running node, never guessed."""

from __future__ import annotations

import asyncio
import os
import subprocess
from datetime import datetime
from pathlib import Path

import hypothesis.strategies as st
import pytest
from aiohttp import web
from crawl_sites import lease, serve, wall_ms
from hypothesis import given
from node_world import coordinator, node, site, until

from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog
from contributor_node.egress.speed import SpeedCap
from contributor_node.owner.budget import SENTENCES, Budget, Caps, OwnerRules, Usage, decide, rules_of
from contributor_node.owner.schedule import Schedule
from contributor_node.owner.sensors import Conditions, MachineSensors, sense
from contributor_node.owner.settings import NodeSettings
from contributor_node.owner.settings_file import change_settings
from contributor_node.owner.watch import look
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome

PLENTY = Caps(10**12, 10**12)
UNUSED = Usage("", 0, "", 0)
NOON = datetime(2026, 11, 4, 12, 0)


@pytest.mark.parametrize(
    ("rules", "conditions", "reason"),
    [
        (OwnerRules(PLENTY), Conditions(True, True, 0.0), ""),
        (OwnerRules(PLENTY, Schedule.parse("12:00-12:01")), Conditions(), ""),
        (OwnerRules(PLENTY, Schedule.parse("12:01-11:59")), Conditions(), "out_of_hours"),
        (OwnerRules(PLENTY, on_battery=False), Conditions(on_battery=True), "on_battery"),
        (OwnerRules(PLENTY, on_battery=False), Conditions(on_battery=None), ""),
        (OwnerRules(PLENTY, on_metered=False), Conditions(metered=True), "metered"),
        (OwnerRules(PLENTY, on_metered=False), Conditions(metered=None), ""),
        (OwnerRules(PLENTY, idle_s_min=60), Conditions(idle_s=59.9), "in_use"),
        (OwnerRules(PLENTY, idle_s_min=60), Conditions(idle_s=60.0), ""),
        (OwnerRules(PLENTY, idle_s_min=60), Conditions(idle_s=None), "idle_unknown"),
        (OwnerRules(Caps(0, 10**12)), Conditions(), "day_cap"),
        (OwnerRules(Caps(10**12, 0)), Conditions(), "month_cap"),
    ],
)
def test_each_rule_holds_by_itself(rules: OwnerRules, conditions: Conditions, reason: str) -> None:
    decision = decide(UNUSED, rules, conditions, NOON, paused=False)
    assert (decision.allowed, decision.reason) == (not reason, reason)
    assert decision.sentence == SENTENCES[decision.reason]


def test_settings_become_rules() -> None:
    settings = NodeSettings(
        day_mb_max=5, month_gb_max=2, down_kb_s_max=30, up_kb_s_max=4, schedule="9:00-17:00", idle_only_min=10
    )
    rules = rules_of(settings)
    assert rules.caps == Caps(5_000_000, 2_000_000_000, 30_000, 4_000)
    assert (rules.schedule, rules.idle_s_min) == (Schedule.parse("9:00-17:00"), 600)
    assert not rules.on_battery
    assert not rules.on_metered


@given(
    st.integers(1, 10**6),
    st.lists(st.tuples(st.integers(1, 65_536), st.floats(0, 10)), min_size=1, max_size=60),
)
def test_no_stretch_of_time_carries_more_than_the_cap_and_one_chunk(
    speed: int, chunks: list[tuple[int, float]]
) -> None:
    cap, now_s, moved = SpeedCap(speed), 0.0, []
    for size, pause_s in chunks:
        now_s += pause_s
        moved.append((now_s, size))
        now_s += cap.wait_s(size, now_s)
    for first, (start_s, _) in enumerate(moved):
        for last in range(first, len(moved)):
            carried = sum(size for _, size in moved[first:last])  # the last chunk is the one under way
            assert carried <= speed * (moved[last][0] - start_s) * (1 + 1e-6) + 1


async def test_a_page_takes_as_long_as_the_capped_line_needs(tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        return web.Response(body=b"<p>row</p>" * 30_000, content_type="text/html")

    budget = Budget(tmp_path, OwnerRules(Caps(10**12, 10**12, down_bytes_s_max=100_000)), wall_ms)
    async with serve(page) as pages:
        settings = CrawlSettings(
            tmp_path, "T/1", allow_private=frozenset([pages.endpoint]), pace_private_s=0.1
        )
        engine = CrawlEngine(settings, LineLog(tmp_path / "line_log.ndjson", wall_ms), wall_ms, meter=budget)
        await engine.start()
        try:
            begun_s = asyncio.get_running_loop().time()
            outcomes = [
                result.outcome async for result in engine.crawl([lease(f"{pages.base}/1", time_s_max=1)])
            ]
            took_s = asyncio.get_running_loop().time() - begun_s
        finally:
            await engine.close()
    assert outcomes == [Outcome.FETCHED], "the host is not called slow because the line is capped"
    assert took_s >= (300_000 - 65_536) / 100_000, "a lower bound: a slow machine only takes longer"


class Faked:
    """A machine on battery, on a metered line, used a moment ago."""

    def on_battery(self) -> bool | None:
        return True

    def metered(self) -> bool | None:
        return True

    def idle_s(self) -> float | None:
        return 1.0


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (OwnerRules(PLENTY, on_battery=False), "battery"),
        (OwnerRules(PLENTY, on_metered=False), "metered"),
        (OwnerRules(PLENTY, idle_s_min=60), "using this machine"),
    ],
)
async def test_what_the_sensors_say_holds_the_next_request(
    tmp_path: Path, rules: OwnerRules, reason: str
) -> None:
    budget = Budget(tmp_path, rules, wall_ms)
    await look(budget, Faked())
    with pytest.raises(WindrowError, match=reason):
        await budget.before_request()
    budget.change(OwnerRules(PLENTY))
    await budget.before_request()


async def test_sensors_are_not_asked_where_no_rule_depends_on_them(tmp_path: Path) -> None:
    class Untouchable(Faked):
        def on_battery(self) -> bool | None:
            raise AssertionError("asked")

    await look(Budget(tmp_path, OwnerRules(PLENTY), wall_ms), Untouchable())


def test_this_machines_sensors_answer_or_say_that_they_do_not_know() -> None:
    told = sense(MachineSensors())
    assert told.on_battery in (True, False, None)
    assert told.metered in (True, False, None)
    assert told.idle_s is None or told.idle_s >= 0


@pytest.mark.parametrize(
    ("answer", "metered"),
    [("u 1", True), ("u 3", True), ("u 2", False), ("u 4", False), ("u 0", None), ("?", None)],
)
def test_networkmanagers_answers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, metered: bool | None
) -> None:
    _program(tmp_path / "busctl", f"echo '{answer}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert MachineSensors(tmp_path).metered() is None, "nobody is asked who is not there"
    (tmp_path / "NetworkManager").mkdir()
    assert MachineSensors(tmp_path).metered() is metered


def test_x_says_for_how_long_nobody_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "busctl", "exit 1")
    _program(tmp_path / "xprintidle", "echo 90500")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert MachineSensors().idle_s() == 90.5


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    subprocess.run([path], check=False, capture_output=True)


def test_settings_are_changed_without_losing_the_owners_words(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('# mine\nregion = "eu"  # near\nday_mb_max = 100\n')
    change_settings(tmp_path, {"day_mb_max": 500, "schedule": "9:00-17:00"})
    text = (tmp_path / "node.toml").read_text()
    assert "# mine" in text
    assert 'region = "eu"  # near' in text
    assert "day_mb_max = 500" in text
    with pytest.raises(WindrowError, match="bad_config"):
        change_settings(tmp_path, {"schedule": "whenever"})
    assert (tmp_path / "node.toml").read_text() == text, "a mistake changes nothing"
    change_settings(tmp_path, {"schedule": None})
    assert "schedule" not in (tmp_path / "node.toml").read_text()


async def test_the_running_node_takes_over_new_caps_and_hours(tmp_path: Path) -> None:
    home = tmp_path / "node"
    change_settings(home, {"day_mb_max": 0})
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(2)])
        async with node(home, house.url, "--poll-s", "30", sites=(pages,)) as running:
            await until(lambda: running.status.get("may_work") == "day_cap", "the cap of nothing")
            assert pages.hits == []
            change_settings(home, {"day_mb_max": 100})
            await until(lambda: len(running.receipts()) == 2, "both receipts, long before the next poll")
            closed = (datetime.now().hour + 2) % 24
            change_settings(home, {"schedule": f"{closed}:00-{closed}:01"})
            await until(lambda: running.status.get("may_work") == "out_of_hours", "the closed hours")
