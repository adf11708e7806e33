"""Identities behind many addresses that are one machine, and leases that are taken and let go, earn no standing."""

from __future__ import annotations

from pathlib import Path

from egress_world import (
    PLAIN,
    challenged,
    far_address,
    honest_crowd,
    lacks,
    neighbours,
    world_of,
)
from real_house import Node, words_of

from aggregator.assignment.allowance import Answered
from aggregator.assignment.closing import expire_leases
from aggregator.verification.audits.egress_challenges import note_fetch
from windrow_protocol.messages import Lease, LeaseRequest, Outcome
from windrow_protocol.trust_rules import DAY_MS, PPM, TrustRules


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
