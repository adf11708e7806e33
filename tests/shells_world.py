"""Worlds whose validators render pages or do not, for tests of pages that are empty without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aggregator_world import Validator, World
from real_house import Node, words_of

from storage.tables.contributions import frontier, verdicts
from windrow_protocol.messages import Lease, LeaseRequest, Submission
from windrow_protocol.trust_rules import TrustRules

BOTH: list[Any] = ["http", "browser"]


async def take(world: World, node: Node, count: int, render: list[Any] = BOTH) -> list[Lease]:
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=count, render=render))
    return node.open_leases(answer["leases"])


async def ready(home: Path, operators: int = 3, browsers: int = 3, rules: TrustRules | None = None) -> World:
    """Return a world whose first `browsers` validators render too."""
    world = World(home, operators=operators, rules=rules)
    await world.validators_ready()
    for number, validator in enumerate(world.validators):
        assert await take(world, validator, 5, BOTH if number < browsers else ["http"]) == []
    return world


def frame(lease: Lease) -> str:
    return f"{words_of(int(lease.url.rpartition('p')[2]), 12)} Menu Basket Imprint Delivery Contact"


def shown(lease: Lease) -> str:
    return frame(lease) + " " + words_of(9_000 + int(lease.url.rpartition("p")[2]), 200)


def truly(validator: Validator, lease: Lease) -> Submission:
    """A validator's answer: what it sees with the means that the lease names, and its own mark."""
    text = shown(lease) if lease.render == "browser" else frame(lease)
    return validator.contribution(lease, text, needs_browser=lease.render == "http")


async def settled(world: World) -> None:
    """Let validators that render answer what was drawn until nothing is left."""
    busy = 1
    while busy:
        busy = world._draw()
        for validator in world.validators:
            for lease in await take(world, validator, 50):
                await validator.submit(world.doors.submissions, [truly(validator, lease)])
                busy += 1
        busy += world.pipeline.step()


def verdicts_of(world: World, node: Node) -> list[tuple[str, str]]:
    with world.house.state.read() as connection:
        mine = sa.select(verdicts.c.verdict, verdicts.c.reason).where(verdicts.c.node_id == node.node_id)
        return [(row.verdict, row.reason) for row in connection.execute(mine.order_by(verdicts.c.seq))]


def pages(world: World) -> dict[str, tuple[str, str]]:
    with world.house.state.read() as connection:
        return {row.url: (row.state, row.render) for row in connection.execute(sa.select(frontier))}
