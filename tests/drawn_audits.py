"""Audits of pages whose text follows from their URL: what nodes hand in of them, and what became of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from aggregator_world import Validator, World
from real_house import Node, words_of

from aggregator.verification.audits.truth_requests import operator_of
from storage.tables.contributions import nodes, verdicts
from windrow_protocol.messages import Lease, Submission
from windrow_protocol.trust_rules import TrustRules

NO_PROBATION = TrustRules(probation_documents=0, audit_rate_max_ppm=200_000, doubled_ppm=0)


def rows(world: World, table: sa.Table) -> list[Any]:
    with world.house.state.read() as connection:
        return list(connection.execute(sa.select(table)))


def verdict_of(world: World, node: Node) -> list[tuple[str, str]]:
    with world.house.state.read() as connection:
        mine = sa.select(verdicts).where(verdicts.c.node_id == node.node_id).order_by(verdicts.c.seq)
        return [(row.verdict, row.reason) for row in connection.execute(mine)]


def page(lease: Lease) -> str:
    """Return what a page really holds."""
    return words_of(int(lease.url.rpartition("/p")[2]))


def honest(validator: Validator, lease: Lease) -> Submission:
    return validator.contribution(lease, page(lease))


def name_of(world: World, validator: Validator) -> str:
    """Return the operator that the house knows a validator by."""
    return next(operator_of(row) for row in rows(world, nodes) if row.node_id == validator.node_id)


async def work(world: World, node: Node, count: int, text: Any = page) -> list[Lease]:
    """Have a node take leases, a few at a time as hosts have slots, and hand in a text for each."""
    done: list[Lease] = []
    while len(done) < count:
        taken = await world.take(node, min(20, count - len(done)))
        await node.submit(world.doors.submissions, [node.contribution(lease, text(lease)) for lease in taken])
        done += taken
        world.clock.ahead_ms += 60_000
    return done


BLOCKED = "Just a moment... Checking your browser before accessing the site. Ray ID: 8a1f"
