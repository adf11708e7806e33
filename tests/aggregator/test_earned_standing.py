"""Standing is earned by work that is answered and fetched from where a node says it is; nobody honest loses by it.

The attacks are in `test_standing_attacks.py`.
"""

from __future__ import annotations

import http.client
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from egress_world import (
    HOSTS,
    PLAIN,
    challenged,
    far_address,
    honest_crowd,
    lacks,
    node_at,
    world_of,
)
from hypothesis import given
from hypothesis import strategies as st

from aggregator.assignment.allowance import Answered
from aggregator.assignment.earned_standing import is_active
from aggregator.verification.audits.canaries import canary_routes
from aggregator.verification.audits.egress_challenges import note_fetch, seen_as
from contributor_node.extraction.main_text import extract
from storage.tables.trust import egress_challenges
from windrow_protocol.messages import LeaseRequest, Outcome
from windrow_protocol.trust_rules import DAY_MS, TrustRules


@pytest.mark.parametrize(
    ("asked_from", "fetched_from"),
    [
        ("198.96.1.9", "198.96.1.200"),  # another address of the provider's pool
        ("2a01:4f8:1:2::9", "2a01:4f8:1:2:dead:beef:1:2"),  # a privacy address
        ("2a01:4f8:1:2::9", "2a01:4f8:1:77::1"),  # another subnet of the same line
        ("::ffff:198.96.1.9", "198.96.1.9"),  # the same, mapped
        ("2a01:4f8:1:2::9", "198.96.1.9"),  # dual stack: the control host has IPv4 only
        ("198.96.1.9", "2a01:4f8:1:2::9"),  # the coordinator has
    ],
)
async def test_pools_privacy_addresses_and_dual_stack_take_nothing_from_a_node(
    tmp_path: Path, asked_from: str, fetched_from: str
) -> None:
    world = world_of(tmp_path)
    await honest_crowd(world, 3)
    node = await node_at(world, asked_from)
    assert len(await challenged(world, node, fetched_from)) == 3
    with world.house.state.read() as connection:
        seen = connection.execute(
            sa.select(egress_challenges.c.seen).where(egress_challenges.c.node_id == node.node_id)
        )
        assert "elsewhere" not in set(seen.scalars())
    assert lacks(world, node) == ()


async def test_one_who_fetches_by_another_way_than_he_speaks_keeps_his_standing(tmp_path: Path) -> None:
    """A tunnel for some destinations: there is a place free where it ends."""
    world = world_of(tmp_path)
    await honest_crowd(world, 5)
    node = await world.node()
    await challenged(world, node, far_address(), times=5)
    assert lacks(world, node) == ()


async def test_leases_that_ended_while_the_house_was_away_are_held_against_nobody(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    node, idler = await world.node(), await world.node()
    house_at_work = world.pipeline
    house_at_work.housekeeping()
    await world.take(node, 5)
    world.clock.ahead_ms += 700_000  # nothing is served: the house is being moved
    assert world.pipeline.housekeeping() == 5, "it was started anew"
    assert (await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["standing"] == []
    await world.take(idler, 5)
    for _ in range(12):  # and this time it was there
        world.clock.ahead_ms += 60_000
        house_at_work.housekeeping()
    said = await idler.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    assert said["standing"] == ["activity_low"]


async def test_short_starts_excuse_nobody(tmp_path: Path) -> None:
    """Or whoever lets leases go would wait for an operator's next update."""
    world = world_of(tmp_path)
    idler = await world.node()
    await world.take(idler, 5)
    for _ in range(12):
        world.pipeline.housekeeping()
        world.clock.ahead_ms += 60_000
    said = await idler.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    assert said["standing"] == ["activity_low"]


async def test_hosts_that_fail_or_refuse_take_nothing_from_a_node(tmp_path: Path) -> None:
    """Its answers are answers, whatever a host did; what it handed back because it may not ask counts neither way."""
    world = world_of(tmp_path)
    node = await world.node()
    outcomes = [Outcome.TIMEOUT, Outcome.BLOCKED, Outcome.SERVER_ERROR, Outcome.ROBOTS_DENIED]
    for outcome in [*outcomes, *[Outcome.EXPIRED, Outcome.BUDGET_EXHAUSTED] * 4]:
        reports = [node.report(lease, outcome) for lease in await world.take(node, 3)]
        assert len(reports) == 3
        await node.submit(world.doors.submissions, list(reports))
        world.clock.ahead_ms += 60_000
    assert (await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["standing"] == []


async def test_leases_taken_at_home_and_fetched_in_a_cafe_are_no_matter(tmp_path: Path) -> None:
    world, cafe = world_of(tmp_path), far_address()
    await honest_crowd(world, 9)
    for neighbour in range(3):  # the cafe's place is full, of nodes that came before
        await challenged(world, await node_at(world, cafe[:-1] + str(neighbour + 20)), cafe)
    node = await world.node()
    await challenged(world, node, node.address, times=6)
    await challenged(world, node, cafe, times=3)
    assert lacks(world, node) == ()


async def test_a_stranger_who_fetches_every_control_page_harms_nobody(tmp_path: Path) -> None:
    world, stranger = world_of(tmp_path), far_address()
    nodes = [await world.node() for _ in range(7)]
    for node in nodes:
        await challenged(world, node, stranger, node.address, stranger)
    both = await node_at(world, "2a01:4f8:1:2::9")
    await challenged(world, both, "2a02:8071::1", "198.96.1.9")
    assert not any(lacks(world, node) for node in (*nodes, both))


async def test_a_stranger_who_fetches_what_a_node_handed_back_harms_nobody(tmp_path: Path) -> None:
    """Its owner paused it, so that the stranger alone asked for its control pages."""
    world, stranger = world_of(tmp_path), far_address()
    await honest_crowd(world, 9)
    paused = [await world.node() for _ in range(7)]
    for node in paused:
        leases = await world.take(node, 3)
        for lease in leases:
            note_fetch(world.house, lease.url, stranger)
        back = [node.report(lease, Outcome.BUDGET_EXHAUSTED) for lease in leases]
        await node.submit(world.doors.submissions, list(back))
        world.clock.ahead_ms += 20_000
    assert [lacks(world, node) for node in paused] == [()] * 7


async def test_a_proxy_of_our_own_before_the_control_host_is_nobodys_fault(tmp_path: Path) -> None:
    world, proxy = world_of(tmp_path), far_address()
    nodes = [await world.node() for _ in range(9)]
    for node in nodes:
        await challenged(world, node, proxy)
    assert not any(lacks(world, node) for node in nodes)


async def test_a_page_that_failed_or_was_not_asked_for_says_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    node = await world.node()
    leases = await challenged(world, node)
    note_fetch(world.house, leases[0].url, node.address)  # answered by now
    note_fetch(world.house, HOSTS[0] + "/nobody-leased-this", "93.184.216.34")
    note_fetch(world.house, leases[0].url, "no address")
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(egress_challenges)).all() == []
    assert lacks(world, node) == ()


async def test_a_thousand_fetches_of_one_control_page_are_one_row(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    for number in range(200):
        note_fetch(world.house, lease.url, f"93.184.{number}.7")
    note_fetch(world.house, lease.url, node.address)
    note_fetch(world.house, lease.url, "93.185.1.1")
    with world.house.state.read() as connection:
        (row,) = connection.execute(sa.select(egress_challenges))
    assert (row.lease_id, row.seen) == (lease.lease_id, "here")


async def test_what_a_challenge_showed_is_told_a_day_later_and_forgotten_after_a_week(tmp_path: Path) -> None:
    """Said at once, it would tell which of the last leases was a control page."""
    later = msgspec.structs.replace(PLAIN, egress_told_after_ms=DAY_MS)
    world, machine = world_of(tmp_path, later), far_address()
    await honest_crowd(world, 7)
    ring = [await world.node() for _ in range(6)]
    for node in ring:
        await challenged(world, node, machine)
    counted = []
    for wait_ms in (0, DAY_MS + 60_000, 7 * DAY_MS):
        world.clock.ahead_ms += wait_ms
        for node in ring:  # whoever is silent for a day gives its place away
            await world.take(node, 1)
        counted.append(sum(bool(lacks(world, node)) for node in ring))
    assert counted == [0, 3, 0]


FAMILIES = st.sampled_from(["198.96.1.0/24", "198.96.2.0/24", "2a01:4f8:1::/48", "2a01:4f8:2::/48"])


@given(asked=FAMILIES, now=FAMILIES, fetched=FAMILIES)
def test_only_the_same_family_elsewhere_is_elsewhere(asked: str, now: str, fetched: str) -> None:
    seen = seen_as(fetched, asked, now)
    assert (seen == "here") == (fetched in (asked, now))
    if seen == "elsewhere":
        assert any((":" in fetched) == (":" in each) for each in (asked, now))


@given(st.integers(0, 500), st.integers(0, 500))
def test_activity_is_a_share_of_what_is_over(answered: int, expired: int) -> None:
    rules = TrustRules()
    active = is_active(rules, Answered(day=answered, expired=expired))
    assert active or expired > answered
    assert is_active(rules, Answered(day=answered + 1, expired=expired)) >= active
    assert is_active(rules, Answered(day=answered, expired=expired + 1)) <= active


# --- over real sockets -----------------------------------------------------------------------------------------


@asynccontextmanager
async def served(home: Path) -> AsyncIterator[World]:
    """Serve a world's control pages on loopback."""
    (home / "probe").mkdir()
    (home / "world").mkdir()
    network = World(home / "probe").house.env.network
    probe = await network.serve([], host="127.0.21.7", port=0)
    await probe.close()
    world = World(home / "world", rules=PLAIN, canary_hosts=(probe.url,))
    world.seed(9)
    port = urlsplit(probe.url).port or 0
    server = await network.serve(canary_routes(world.house, probe.url), host="127.0.21.7", port=port)
    try:
        yield world
    finally:
        await server.close()


def get(url: str, source: str) -> bytes:
    parts = urlsplit(url)
    assert parts.hostname == "127.0.21.7"
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=20, source_address=(source, 0)
    )
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().read()
    finally:
        connection.close()


async def test_the_control_host_sees_who_fetched(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        honest, cheat = await world.node(), await world.node()
        seen: dict[str, Any] = {}
        for node, source in ((honest, honest.address), (cheat, "127.200.9.9")):
            (lease,) = await world.take(node, 1)
            body = await to_thread(get, lease.url, source)
            text = extract(body, "text/html; charset=utf-8").text
            (answer,) = await node.submit(world.doors.submissions, [node.contribution(lease, text)])
            assert answer["ok"]
            seen[lease.lease_id] = node
    with world.house.state.read() as connection:
        rows = {seen[row.lease_id].node_id: row for row in connection.execute(sa.select(egress_challenges))}
    assert (rows[honest.node_id].seen, rows[cheat.node_id].seen) == ("here", "elsewhere")
    assert rows[cheat.node_id].seen_from == "127.200.9.0/24"
