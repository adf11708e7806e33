"""A page that is empty without a browser goes to nodes that have one, once two nodes said so; a lie is found."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from aggregator_world import World
from real_house import Node, words_of

from aggregator.assignment.frontier import event_for
from storage.tables import frontier, verdicts
from windrow_protocol.limits import LEASE_ATTEMPTS_MAX
from windrow_protocol.messages import Lease, LeaseRequest, Outcome


def of_page(world: World) -> tuple[str, str]:
    with world.house.state.read() as connection:
        row = connection.execute(sa.select(frontier)).one()
    return row.state, row.render


async def take_anything(world: World, node: Node) -> list[Lease]:
    wish = LeaseRequest(count=1, render=["http", "browser"])
    return node.open_leases((await node.ask(world.doors.leases, "lease_request", wish))["leases"])


async def call_it_empty(world: World) -> Node:
    node = await world.node()
    (lease,) = await world.take(node, 1)
    await node.submit(world.doors.submissions, [node.report(lease, Outcome.NEEDS_BROWSER)])
    return node


async def test_two_nodes_send_a_page_to_browsers_and_one_does_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(1)
    await call_it_empty(world)
    assert of_page(world) == ("open", "http")
    await call_it_empty(world)
    assert of_page(world) == ("open", "browser")
    plain, shows = await world.node(), await world.node()
    assert await world.take(plain, 1) == []
    (lease,) = await take_anything(world, shows)
    assert lease.render == "browser"
    await shows.submit(world.doors.submissions, [shows.contribution(lease, words_of(3))])
    assert of_page(world) == ("done", "browser")


async def test_who_calls_a_page_empty_that_is_not_is_found(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(1)
    liar = await call_it_empty(world)
    await world.settle({"http://h0.example/p0": words_of(5)})
    with world.house.state.read() as connection:
        row = connection.execute(sa.select(verdicts).where(verdicts.c.node_id == liar.node_id)).one()
    assert (row.verdict, row.reason) == ("rejected", "refusal_differs")


async def test_who_says_so_truly_is_not_blamed(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(1)
    node = await call_it_empty(world)
    await world.settle(lambda validator, lease: validator.report(lease, Outcome.NEEDS_BROWSER))
    with world.house.state.read() as connection:
        row = connection.execute(sa.select(verdicts).where(verdicts.c.node_id == node.node_id)).one()
    assert (row.verdict, row.reason) == ("accepted", "refusal_agreed")


def test_an_empty_page_is_not_tried_for_ever() -> None:
    shell = Outcome.NEEDS_BROWSER
    assert event_for(shell, 1, "http", 1) == "retry"
    assert event_for(shell, LEASE_ATTEMPTS_MAX, "http", 1) == "exhausted"
    assert event_for(shell, 2, "browser", 2) == "answered"
