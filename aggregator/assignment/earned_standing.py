"""Standing: what a node earns by answering its leases, and by fetching from where there is a place for it.

    lacks            when
    activity_low     of its leases of a day that are over, it answered less than `activity_ppm_min`
    egress_crowded   most of its egress challenges came from elsewhere, and that place is full

Rules: who has no standing counts as young, however old it is: it shares the leases that the young have, and its work is
judged and paid like anybody's. A node stands where it speaks (`roster`) and where it fetches: at most
`nodes_per_prefix_max` in one /24 or /48, those that speak from there first, then in the order of their registration.
So one whose traffic leaves by another way than its words keeps its standing, and a hundred that are one machine do not.
What a node does not say that it asked for was a stranger's fetch. A place where more than half of all challenged nodes
are seen is a proxy before our own control hosts: it says nothing.

Does not: see fetches (`egress_challenges`), count leases (`leases`), or fine anybody.

Usage: `lacking(house, connection, member, answered)` is empty for a node that has its standing.

Source: docs/protocol.md, "Standing".
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from aggregator.assignment.allowance import Answered
from storage.house import House
from storage.tables.contributions import leases, nodes
from storage.tables.trust import egress_challenges as seen_fetches
from windrow_protocol.limits import NODE_SILENT_MS
from windrow_protocol.messages import Outcome
from windrow_protocol.trust_rules import PPM, TrustRules

# Of a challenge: its node says that the page, or its host's refusal, is what it was given.
_WAS_ASKED_FOR = sa.exists().where(
    leases.c.lease_id == seen_fetches.c.lease_id,
    leases.c.state == "answered",
    leases.c.outcome.in_(
        each.value
        for each in (
            Outcome.FETCHED,
            Outcome.UNCHANGED,
            Outcome.NOT_FOUND,
            Outcome.BLOCKED,
            Outcome.TOO_LARGE,
        )
    ),
)


def lacking(house: House, connection: sa.Connection, member: Any, answered: Answered) -> tuple[str, ...]:
    """Return why a contributor (its row of `nodes`) has no standing now; nothing when it has."""
    if not house.rules.on("earned_standing"):
        return ()
    lacks = [] if is_active(house.rules, answered) else ["activity_low"]
    place = _elsewhere(house, connection, member)
    if place and not _has_place(house, connection, member, place):
        lacks.append("egress_crowded")
    return tuple(lacks)


def is_active(rules: TrustRules, answered: Answered) -> bool:
    """Say whether a node answers enough of its leases; one that is over is forgiven."""
    over = answered.day + answered.expired + 1
    return (answered.day + 1) * PPM >= rules.activity_ppm_min * over


def _elsewhere(house: House, connection: sa.Connection, member: Any) -> str:
    """Return the prefix that a node's fetches mostly come from, where it is not the one it speaks from."""
    if not house.canary_hosts:
        return ""
    shown = (
        sa.select(seen_fetches.c.seen, seen_fetches.c.seen_from, sa.func.count())
        .where(seen_fetches.c.node_id == member.node_id, *_of_window(house))
        .where(sa.or_(seen_fetches.c.seen == "here", _WAS_ASKED_FOR))
        .group_by(seen_fetches.c.seen, seen_fetches.c.seen_from)
    )
    here, elsewhere = 0, Counter[str]()
    for seen, seen_from, count in connection.execute(shown):
        if seen == "here" or seen_from == member.prefix:
            here += count
        elif seen == "elsewhere":
            elsewhere[seen_from] += count
    if elsewhere.total() <= max(here, house.rules.egress_elsewhere_min - 1):
        return ""
    return min(elsewhere, key=lambda prefix: (-elsewhere[prefix], prefix))


def _has_place(house: House, connection: sa.Connection, member: Any, place: str) -> bool:
    """Say whether there is room for a node in a prefix that it fetches from."""
    nobody = sa.func.count(seen_fetches.c.node_id.distinct())
    challenged = connection.execute(sa.select(nobody).where(*_of_window(house))).scalar_one()
    seen_there = seen_fetches.c.seen_from == place
    there = connection.execute(sa.select(nobody).where(seen_there, *_of_window(house))).scalar_one()
    if 2 * there > challenged:
        return True
    active = (nodes.c.role != "validator", nodes.c.state == "active")
    awake = nodes.c.seen_at_ms > house.now_ms() - NODE_SILENT_MS
    speaking = sa.select(sa.func.count()).select_from(nodes).where(nodes.c.prefix == place, *active, awake)
    before = sa.tuple_(nodes.c.registered_at_ms, nodes.c.node_id) < (member.registered_at_ms, member.node_id)
    ahead = (
        sa.select(nobody)
        .join(nodes, nodes.c.node_id == seen_fetches.c.node_id)
        .where(seen_there, seen_fetches.c.seen == "elsewhere", *_of_window(house), _WAS_ASKED_FOR)
        .where(nodes.c.prefix != place, *active, awake, before)
    )
    taken = connection.execute(speaking).scalar_one() + connection.execute(ahead).scalar_one()
    return bool(taken < house.rules.nodes_per_prefix_max)


def _of_window(house: House) -> tuple[sa.ColumnElement[bool], ...]:
    now_ms, rules = house.now_ms(), house.rules
    at_ms = seen_fetches.c.seen_at_ms
    return at_ms > now_ms - rules.egress_window_ms, at_ms <= now_ms - rules.egress_told_after_ms
