"""Network-wide pacing: no host is asked too often, whoever asks and in whatever order; what hosts say holds for all."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from aggregator_world import World
from hypothesis import given
from hypothesis import strategies as st
from real_house import Node

from aggregator.assignment.frontier import add_urls
from aggregator.assignment.pacing import (
    Heard,
    HostPace,
    PaceRules,
    Slots,
    after_report,
    interval_ms,
    next_slot,
    pace_key,
)
from windrow_protocol.limits import (
    CRAWL_DELAY_DOUBTS_MAX,
    CRAWL_DELAY_S_MAX,
    HOST_BACKOFF_S_MAX,
    HOST_PAUSE_S_MAX,
)
from windrow_protocol.messages import Lease, LeaseRequest, Outcome, Report
from windrow_protocol.trust_rules import TrustRules

HORIZON_MS = 200_000
LEAST_MS = 2_000
REPORTS = st.builds(
    Heard,
    outcome=st.sampled_from(Outcome),
    http_status=st.sampled_from([0, 200, 404, 429, 500, 503]),
    crawl_delay_ms=st.sampled_from([0, 500, 5_000, 30_000, 10**8]),
    retry_after_ms=st.sampled_from([0, 1_000, 120_000, 10**8]),
)
# An event: time that passes, then either one of 50 nodes that asks (None), or a report.
EVENTS = st.lists(st.tuples(st.integers(0, 30_000), st.none() | REPORTS), min_size=1, max_size=120)


@given(events=EVENTS, least_ms=st.sampled_from([1, 100, LEAST_MS, 60_000]))
def test_slots_of_a_host_are_never_closer_than_its_interval(
    events: list[tuple[int, Heard | None]], least_ms: int
) -> None:
    pace, now, slots = HostPace(), 1_750_000_000_000, []
    for passed_ms, report in events:
        now += passed_ms
        if report is not None:
            pace = after_report(pace, report, now)
            continue
        before, taken = pace, next_slot(pace, least_ms, now, HORIZON_MS)
        if taken is None:
            assert (
                max(pace.paused_until_ms, pace.last_slot_ms + interval_ms(pace, least_ms)) > now + HORIZON_MS
            )
            continue
        slot, pace = taken
        assert now <= slot <= now + HORIZON_MS
        assert slot >= before.paused_until_ms
        if slots:
            assert slot - slots[-1] >= interval_ms(before, least_ms) >= least_ms
        slots.append(slot)


@given(reports=st.lists(REPORTS, max_size=60))
def test_what_strangers_report_slows_a_host_down_within_bounds_only(reports: list[Heard]) -> None:
    pace, now = HostPace(), 1_000_000
    for report in reports:
        pace = after_report(pace, report, now)
        assert 0 <= pace.crawl_delay_ms <= CRAWL_DELAY_S_MAX * 1000
        assert pace.paused_until_ms <= now + HOST_PAUSE_S_MAX * 1000
        assert LEAST_MS <= interval_ms(pace, LEAST_MS) <= HOST_BACKOFF_S_MAX * 1000


def test_a_host_that_keeps_failing_is_asked_ever_more_rarely_until_it_answers() -> None:
    pace, spaces = HostPace(), []
    for _ in range(12):
        pace = after_report(pace, Heard(Outcome.TIMEOUT), 0)
        spaces.append(interval_ms(pace, LEAST_MS))
    assert spaces[:4] == [4_000, 8_000, 16_000, 32_000]
    assert spaces[-1] == HOST_BACKOFF_S_MAX * 1000
    assert interval_ms(after_report(pace, Heard(Outcome.NOT_FOUND), 0), LEAST_MS) == LEAST_MS


def test_a_lease_that_nobody_answered_is_no_fault_of_the_host() -> None:
    """Or a hoarder could stop every host by letting leases expire."""
    for outcome in (Outcome.EXPIRED, Outcome.BUDGET_EXHAUSTED, Outcome.UNSAFE_ADDRESS):
        assert after_report(HostPace(), Heard(outcome, 429, 60_000, 60_000), 5) == HostPace()


def test_one_liar_cannot_shorten_a_crawl_delay_and_one_honest_node_restores_it() -> None:
    pace = after_report(HostPace(), Heard(Outcome.FETCHED, crawl_delay_ms=10_000), 0)
    lie, truth = Heard(Outcome.FETCHED), Heard(Outcome.FETCHED, crawl_delay_ms=10_000)
    for _ in range(CRAWL_DELAY_DOUBTS_MAX - 1):
        pace = after_report(pace, lie, 0)
    assert interval_ms(pace, LEAST_MS) == 10_000
    pace = after_report(pace, truth, 0)
    for _ in range(CRAWL_DELAY_DOUBTS_MAX - 1):
        pace = after_report(pace, lie, 0)
    assert interval_ms(pace, LEAST_MS) == 10_000
    assert interval_ms(after_report(pace, lie, 0), LEAST_MS) == LEAST_MS  # robots.txt has really changed


def test_a_timeout_says_nothing_about_robots() -> None:
    pace = after_report(HostPace(), Heard(Outcome.FETCHED, crawl_delay_ms=10_000), 0)
    for _ in range(20):
        pace = after_report(pace, Heard(Outcome.TIMEOUT), 0)
    assert pace.crawl_delay_ms == 10_000


@pytest.mark.parametrize(
    ("url", "key", "least_ms"),
    [
        ("http://a.example/x", "a.example", 2_000),
        ("https://a.example/", "a.example", 2_000),
        ("https://a.example.:443/", "a.example", 2_000),
        ("http://a.example:443/", "a.example", 2_000),
        ("http://a.example:8080/", "a.example:8080", 2_000),
        ("http://127.0.20.1:8100/", "127.0.20.1:8100", 100),
        ("http://10.1.2.3/", "10.1.2.3", 100),
        ("http://[::1]:8100/", "[::1]:8100", 100),
        ("http://93.184.215.14/", "93.184.215.14", 2_000),
    ],
)
def test_both_schemes_are_one_host_and_only_private_hosts_are_paced_faster(
    url: str, key: str, least_ms: int
) -> None:
    assert (pace_key(url), PaceRules().least_ms(url)) == (key, least_ms)


# --- through the doors --------------------------------------------------------------------------------------------


async def take(world: World, node: Node, count: int = 50) -> tuple[list[Lease], dict[str, int]]:
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=count))
    return node.open_leases(answer["leases"]), answer["paused"]


async def test_fifty_nodes_together_never_ask_a_host_twice_within_two_seconds(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(young_leases_per_day=10_000))  # fifty newcomers on one day
    world.seed(400)
    slots: dict[str, list[int]] = defaultdict(list)
    issued: dict[str, int] = {}
    for number in range(50):
        world.clock.ahead_ms += 7 * number
        for lease in (await take(world, await world.node(), count=4))[0]:
            slots[pace_key(lease.url)].append(lease.not_before_ms)
            issued[lease.url] = issued.get(lease.url, 0) + 1
            assert lease.not_before_ms <= (lease.issued_at_ms + lease.expires_at_ms) // 2
    assert set(issued.values()) == {1}  # one lease for each URL
    assert sum(map(len, slots.values())) > 150
    for times in slots.values():
        ordered = sorted(times)
        assert all(b - a >= LEAST_MS for a, b in pairwise(ordered))


async def test_a_host_without_a_slot_in_time_waits_and_its_pages_stay_open(tmp_path: Path) -> None:
    world = World(tmp_path, lease_life_ms=12_000)
    world.seed(60)
    first, _ = await take(world, await world.node())
    second, _ = await take(world, await world.node())
    assert (len(first), len(second)) == (9, 0)  # at 0, 2 and 4 s of each of three hosts
    world.clock.ahead_ms += 2_000
    assert len((await take(world, await world.node()))[0]) == 3


async def test_retry_after_pauses_a_host_for_every_node_also_for_leases_given_already(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(90)
    unlucky, other = await world.node(), await world.node()
    (lease, *_), _ = await take(world, unlucky, 3)
    held, nothing = await take(world, other, 10)
    assert nothing == {}
    refusal = msgspec.structs.replace(
        unlucky.report(lease, Outcome.BLOCKED), http_status=429, retry_after_ms=900_000
    )
    await unlucky.submit(world.doors.submissions, [refusal])
    leases, paused = await take(world, other, 10)
    host = pace_key(lease.url)
    assert host in {pace_key(each.url) for each in held}
    assert host not in {pace_key(each.url) for each in leases}
    assert list(paused) == [host]
    assert paused[host] - world.house.now_ms() > 890_000
    world.clock.ahead_ms += 900_001
    assert host in {pace_key(each.url) for each in (await take(world, await world.node(), 10))[0]}


async def test_a_crawl_delay_that_one_node_reports_holds_for_the_others(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.house.state.write() as connection:
        urls = [(f"https://slow.example/{n}", "http") for n in range(30)]
        add_urls(connection, urls, world.house.now_ms())
    node, other = await world.node(), await world.node()
    ((lease, *_), _) = await take(world, node, 1)
    report = Report(lease.lease_id, lease.url, Outcome.NOT_FOUND, world.house.now_ms(), crawl_delay_ms=20_000)
    await node.submit(world.doors.submissions, [report])
    slots = sorted(each.not_before_ms for each in (await take(world, other, 20))[0])
    assert len(slots) == 200_000 // 20_000
    assert all(b - a >= 20_000 for a, b in pairwise(slots))


async def test_truths_find_slots_that_work_may_not_take(tmp_path: Path) -> None:
    world = World(tmp_path)
    host = "http://one.example/"
    with world.house.state.write() as connection:
        work = Slots(connection, PaceRules(), world.house.now_ms())
        while work.take(host, 200_000) is not None:
            pass
        work.keep()
        truths = Slots(connection, PaceRules(), world.house.now_ms())
        assert truths.take("https://one.example/other", 200_000) is None
        assert truths.take("https://one.example/other", 300_000) is not None
