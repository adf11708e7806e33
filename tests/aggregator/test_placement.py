"""Placement: pages come back to nobody who had them, and nobody chooses what they get."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given, settings
from hypothesis import strategies as st
from real_house import Node

from aggregator.assignment.closing import expire_leases
from aggregator.assignment.frontier import add_urls
from aggregator.assignment.placement import candidates, day_seed, in_turns, keyed_place, seed_commitment
from storage.tables.contributions import leases, nodes
from windrow_protocol.limits import LEASE_ATTEMPTS_MAX
from windrow_protocol.messages import Outcome, Registration
from windrow_protocol.trust_rules import TrustRules

PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


async def node_at(world: World, address: str) -> Node:
    node = Node(world.house, address=address)
    await node.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    return node


async def fail_all(world: World, node: Node) -> list[str]:
    """Have a node take what it gets, report a transient failure for each, and return the URLs."""
    taken = await world.take(node, 50)
    reports = [node.report(lease, Outcome.TIMEOUT) for lease in taken]
    if reports:
        await node.submit(world.doors.submissions, reports)
    world.clock.ahead_ms += 301_000  # the hosts have backed off
    return [lease.url for lease in taken]


def own(world: World, *owned: Node) -> None:
    with world.house.state.write() as connection:
        connection.execute(
            sa.update(nodes)
            .where(nodes.c.node_id.in_([node.node_id for node in owned]))
            .values(owner="0x" + "ab" * 20)
        )


async def test_a_page_never_comes_back_to_its_node_its_prefix_or_its_owner(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(2)
    cheat = await node_at(world, "127.80.1.1")
    neighbour = await node_at(world, "127.80.1.200")
    brother = await node_at(world, "127.81.1.1")
    stranger = await node_at(world, "127.82.1.1")
    own(world, cheat, brother)
    assert len(await fail_all(world, cheat)) == 2
    assert await fail_all(world, cheat) == []
    assert await fail_all(world, neighbour) == []
    assert await fail_all(world, brother) == []
    assert len(await fail_all(world, stranger)) == 2


async def test_moving_to_another_address_brings_no_page_back_to_the_old_neighbourhood(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(2)
    cheat, neighbour = await node_at(world, "127.80.1.1"), await node_at(world, "127.80.1.2")
    assert len(await fail_all(world, cheat)) == 2
    cheat.address = "127.90.1.1"
    assert await fail_all(world, cheat) == []
    assert await fail_all(world, neighbour) == []  # where the lease was worked on is what counts


async def test_without_placement_a_cheat_gets_its_own_page_again(tmp_path: Path) -> None:
    """The attack, so that the defence is known to be one."""
    world = World(tmp_path, rules=TrustRules(off=("placement",)))
    world.seed(2)
    cheat = await world.node()
    assert [len(await fail_all(world, cheat)) for _ in range(LEASE_ATTEMPTS_MAX + 1)] == [2, 2, 2, 2, 0]


@settings(max_examples=8)
@given(script=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=4, max_size=20))
async def test_no_order_of_requests_brings_a_page_back(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[int, bool]]
) -> None:
    """Six nodes, two in each of three neighbourhoods, two of one owner; each asks, then fails or falls silent."""
    world = World(tmp_path_factory.mktemp("placement"), rules=TrustRules(off=("lease_limits",)))
    world.seed(6)
    crowd = [await node_at(world, f"127.9{number // 2}.1.{number + 1}") for number in range(6)]
    own(world, crowd[0], crowd[5])
    for number, silent in script:
        if silent:
            await world.take(crowd[number], 50)
            world.clock.ahead_ms += 700_000
            with world.house.state.write() as connection:
                expire_leases(world.house, connection)
        else:
            await fail_all(world, crowd[number])
    with world.house.state.read() as connection:
        given = connection.execute(sa.select(leases.c.url_id, leases.c.node_id, leases.c.prefix)).all()
    number_of = {node.node_id: number for number, node in enumerate(crowd)}
    for page in {row.url_id for row in given}:
        had = [row for row in given if row.url_id == page]
        assert len({row.prefix for row in had}) == len(had)
        assert not {0, 5} <= {number_of[row.node_id] for row in had}
        assert len(had) <= LEASE_ATTEMPTS_MAX


async def test_the_order_follows_from_seed_node_and_minute_and_from_no_wish(tmp_path: Path) -> None:
    world = World(tmp_path)
    urls = [(f"http://h{n % 40}.example/p{n}", "http") for n in range(200)]
    with world.house.state.write() as connection:
        add_urls(connection, urls, world.house.now_ms())
    one, two = await world.node(), await world.node()
    with world.house.state.read() as connection:
        rows = {row.node_id: row for row in connection.execute(sa.select(nodes))}
        now = world.house.now_ms()

        def order(node: Node, at_ms: int = now) -> list[str]:
            return [
                page.url for page in candidates(world.house, connection, rows[node.node_id], ["http"], at_ms)
            ]

        assert order(one) == order(one)  # anybody with the seed and the tables gets the same
        assert sorted(order(one)) == sorted(order(two))
        assert order(one) != order(two)
        # Two minutes may begin in the same gap between hosts; all of an hour never do.
        assert any(order(one) != order(one, now + 60_000 * minute) for minute in range(1, 30))
        assert len({url.split("/")[2] for url in order(one)[:40]}) == 40  # each host once before any twice


async def test_the_day_s_seed_is_committed_to_and_published_when_the_day_is_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await world.node()
    today = (await node.ask(world.doors.network, "register", {}))["assignment"]
    world.clock.ahead_ms += 86_400_000
    tomorrow = (await node.ask(world.doors.network, "register", {}))["assignment"]
    assert tomorrow["day"] == today["day"] + 1
    assert seed_commitment(bytes.fromhex(tomorrow["seed_of_day_before"])) == today["seed_sha256"]
    assert bytes.fromhex(tomorrow["seed_of_day_before"]) == day_seed(world.house, today["day"])
    assert tomorrow["seed_sha256"] != today["seed_sha256"]


@given(seed=st.binary(min_size=32, max_size=32), words=st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_a_keyed_place_needs_the_seed(seed: bytes, words: list[str]) -> None:
    place = keyed_place(seed, *words)
    assert len(place) == 64
    assert place != keyed_place(bytes([seed[0] ^ 1]) + seed[1:], *words)


@given(pools=st.lists(st.lists(st.integers(), max_size=6), max_size=6))
def test_taking_turns_loses_nothing_and_lets_nobody_be_second_before_all_were_first(
    pools: list[list[int]],
) -> None:
    tagged = [[(number, place) for place in range(len(pool))] for number, pool in enumerate(pools)]
    taken = list(in_turns([iter(pool) for pool in tagged]))  # type: ignore[arg-type]
    assert sorted(taken) == sorted(each for pool in tagged for each in pool)
    assert [place for _, place in taken] == sorted(place for _, place in taken)
