"""Standing is earned by work that is answered and fetched from where a node says it is; nobody honest loses by it.

The attacks first: identities behind many addresses that are one machine, and leases that are taken and let go.
"""

from __future__ import annotations

import http.client
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given
from hypothesis import strategies as st
from real_house import PAYOUT, Node, words_of

from aggregator.assignment.allowance import Answered
from aggregator.assignment.closing import expire_leases
from aggregator.assignment.earned_standing import is_active, lacking
from aggregator.roster import known_member
from aggregator.verification.audits.canaries import canary_routes
from aggregator.verification.audits.egress_challenges import note_fetch, seen_as
from contributor_node.extract import extract
from storage.trust_tables import egress_challenges
from windrow_protocol.messages import Lease, LeaseRequest, Outcome, Registration
from windrow_protocol.trust_rules import DAY_MS, PPM, TrustRules

HOSTS = tuple(f"http://127.0.{number}.8:8080" for number in range(21, 27))
# All leases are of control pages, what they show counts at once, and nothing but standing limits the leases.
PLAIN = TrustRules(
    canary_ppm=PPM,
    canary_pages_a_day=40,
    egress_told_after_ms=0,
    young_leases_per_day=10,
    young_lease_share_ppm=0,
    probation_documents=0,
    off=("lease_limits",),
)
_machines = count(1)


def world_of(home: Path, rules: TrustRules = PLAIN) -> World:
    world = World(home, rules=rules, canary_hosts=HOSTS)
    world.seed(400)
    return world


def far_address() -> str:
    """Return an IPv4 address of a /24 that no node speaks from."""
    return f"93.184.{next(_machines)}.7"


async def node_at(world: World, address: str) -> Node:
    node = Node(world.house, address=address)
    await node.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    return node


async def challenged(world: World, node: Node, *fetched_from: str, times: int = 3) -> list[Lease]:
    """Have a node answer so many control leases, each page fetched from all these addresses."""
    leases = await world.take(node, times)
    for lease in leases:
        for address in fetched_from:
            note_fetch(world.house, lease.url, address)
    reports = [node.report(lease, Outcome.NOT_FOUND) for lease in leases]
    await node.submit(world.doors.submissions, list(reports))
    world.clock.ahead_ms += 20_000  # so that hosts have slots again
    return leases


def lacks(world: World, node: Node, answered: Answered | None = None) -> tuple[str, ...]:
    with world.house.state.read() as connection:
        member = known_member(connection, node.node_id)
        return lacking(world.house, connection, member, answered or Answered())


async def honest_crowd(world: World, nodes: int) -> list[Node]:
    crowd = [await world.node() for _ in range(nodes)]
    for node in crowd:
        await challenged(world, node, node.address)
    return crowd


async def neighbours(world: World, address: str, nodes: int) -> list[Node]:
    """Register nodes that speak from addresses of one /24."""
    network = address.rpartition(".")[0]
    return [await node_at(world, f"{network}.{number + 20}") for number in range(nodes)]


# --- attacks ---------------------------------------------------------------------------------------------------


async def test_ten_identities_that_fetch_through_one_machine_are_three_nodes(tmp_path: Path) -> None:
    """Each speaks from a /24 of its own, bought for that; the pages all come to one machine."""
    world, machine = world_of(tmp_path), far_address()
    honest = await honest_crowd(world, 11)
    ring = [await world.node() for _ in range(10)]
    for node in ring:
        assert len(await challenged(world, node, machine)) == 3
    without = [node for node in ring if lacks(world, node)]
    assert len(without) == len(ring) - PLAIN.nodes_per_prefix_max
    assert not any(lacks(world, node) for node in honest)


async def test_without_standing_they_share_what_is_left_for_the_young(tmp_path: Path) -> None:
    world, machine = world_of(tmp_path), far_address()
    honest = await honest_crowd(world, 8)
    ring = [await world.node() for _ in range(7)]
    for node in ring:
        await challenged(world, node, machine)
    got = {node.node_id: len(await world.take(node, 12)) for node in ring}
    outside = [node for node in ring if lacks(world, node) == ("egress_crowded",)]
    assert sum(got[node.node_id] for node in outside) <= PLAIN.young_leases_per_day
    assert all(got[node.node_id] == 12 for node in ring if node not in outside)
    assert len(await world.take(honest[0], 12)) == 12


async def test_speaking_from_the_machine_too_is_queueing_there(tmp_path: Path) -> None:
    """Whoever makes it true that it speaks from where it fetches stands there, where three have place."""
    world, machine = world_of(tmp_path), far_address()
    await honest_crowd(world, 9)
    ring = [await world.node() for _ in range(6)]
    states = []
    for node in ring:
        await challenged(world, node, machine)
        node.address = machine
        answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
        states.append((answer["state"], len(answer["leases"]) > 0))
    assert states.count(("active", True)) == PLAIN.nodes_per_prefix_max
    assert states.count(("queued", False)) == len(ring) - PLAIN.nodes_per_prefix_max


async def test_a_word_from_the_machine_makes_nobody_s_place_of_it(tmp_path: Path) -> None:
    """Leases are taken at a bought address, a request from the full place follows, and the pages are fetched there."""
    world, machine = world_of(tmp_path), far_address()
    await honest_crowd(world, 9)
    await neighbours(world, machine, 3)
    ring, standing = [await world.node() for _ in range(4)], []
    for node in ring:
        bought, leases = node.address, await world.take(node, 3)
        node.address = machine
        answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
        assert (answer["state"], answer["leases"]) == ("queued", [])
        for lease in leases:
            note_fetch(world.house, lease.url, machine)
        node.address = bought
        await node.submit(world.doors.submissions, [node.report(each, Outcome.NOT_FOUND) for each in leases])
        world.clock.ahead_ms += 20_000
        standing.append(
            (await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["standing"]
        )
    assert standing == [["egress_crowded"]] * 4


async def test_identities_that_take_turns_in_a_place_work_three_at_a_time(tmp_path: Path) -> None:
    """A place is not free again before what was leased there is answered, however far its node has moved."""
    world, machine = world_of(tmp_path), far_address()
    ring = [await world.node() for _ in range(6)]
    held: list[tuple[Node, list[Lease]]] = []
    for node in ring:
        bought, node.address = node.address, machine
        leases = await world.take(node, 2)
        if leases:
            held.append((node, leases))
        node.address = bought
        await world.take(node, 1)
        world.clock.ahead_ms += 20_000
    assert len(held) == PLAIN.nodes_per_prefix_max
    node, leases = held[0]
    await node.submit(world.doors.submissions, [node.report(each, Outcome.NOT_FOUND) for each in leases])
    ring[-1].address = machine
    assert len(await world.take(ring[-1], 2)) == 2


async def test_who_lets_most_of_its_leases_go_has_no_standing_until_it_answers_again(tmp_path: Path) -> None:
    world = world_of(
        tmp_path, TrustRules(young_leases_per_day=6, young_lease_share_ppm=0, probation_documents=0)
    )
    idler, worker = await world.node(), await world.node()
    taken = len(await world.take(idler, 5))
    world.clock.ahead_ms += 700_000
    with world.house.state.write() as connection:
        assert expire_leases(world.house, connection) == taken
    said = await idler.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    assert said["standing"] == ["activity_low"]
    assert (await worker.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["standing"] == []
    leases = idler.open_leases(said["leases"])
    while leases:  # one at a time, as far as the young get any
        await idler.submit(
            world.doors.submissions, [idler.contribution(each, words_of(1)) for each in leases]
        )
        leases = await world.take(idler, 1)
    world.clock.ahead_ms += DAY_MS
    assert (await idler.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["standing"] == []


async def test_the_attack_where_standing_is_not_asked_for(tmp_path: Path) -> None:
    world = world_of(tmp_path, TrustRules(canary_ppm=PPM, off=("earned_standing",)))
    await honest_crowd(world, 9)
    machine, ring = far_address(), [await world.node() for _ in range(8)]
    for node in ring:
        await challenged(world, node, machine)
        assert lacks(world, node, Answered(expired=100)) == ()


# --- nobody honest loses ---------------------------------------------------------------------------------------


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
