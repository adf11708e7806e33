"""Who is in the network: registers nodes, admits them to work, names validators and their operators.

    state     becomes                                                  may
    active    queued when its prefix is full after a silence or a move   everything
    queued    active when a place of its prefix is free                submit what it holds; no leases
    leaving   left (see verification/departures)                       submit what it holds; no leases
    left, revoked                                                      nothing

Rules: a node is counted where it speaks from: its prefix follows its address, and moving into a full or quarantined
neighbourhood means queueing there. Who moves away keeps its place while leases that it was given there are open, or
identities could take turns in one place and all work from it. Roles come from the operator's configuration at each
start and from nowhere else.

Does not: check signatures (`requests`), choose pages, or suspend.

Usage::

    standing = register(house, connection, caller_id, wish, peer, validators)
    member = known_member(connection, node_id)                   # refuses who left
    admit(house, connection, member, request.peer)               # before leases
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import sqlalchemy as sa

from aggregator.assignment.sybil import Admission, admission, quarantine_ends_ms
from aggregator.prefixes import address_prefix
from storage.house import House
from storage.prepared import Prepared
from storage.state import insert_once
from storage.tables.contributions import leases, nodes, verdicts
from storage.tables.trust import consequences, standings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    NODE_SEEN_STEP_MS,
    NODE_SILENT_MS,
    NODES_QUEUED_PER_PREFIX_MAX,
    SUBMISSION_GRACE_MS,
)
from windrow_protocol.merkle import checksum_address
from windrow_protocol.messages import LeaseRequest, Registration
from windrow_protocol.trust_rules import trust_label

GONE: Final = frozenset({"left", "revoked"})
# Made once: building a statement costs more than SQLite takes to run it.
_MEMBERS = Prepared(sa.select(nodes).where(nodes.c.node_id.in_(sa.bindparam("ids", expanding=True))))
_SUSPENDED = Prepared(sa.select(standings.c.suspended).where(standings.c.node_id == sa.bindparam("of_node")))


def enrol_validators(connection: sa.Connection, validators: Mapping[str, str]) -> None:
    """Give exactly the configured nodes the role of a validator; whoever is no longer named loses it."""
    dismissed = sa.and_(nodes.c.role == "validator", nodes.c.node_id.not_in(list(validators)))
    at_work = sa.case((nodes.c.state == "active", "queued"), else_=nodes.c.state)  # until it asks for a place
    connection.execute(
        sa.update(nodes).where(dismissed).values(role="contributor", operator="", state=at_work)
    )
    exempt = sa.case((nodes.c.state == "queued", "active"), else_=nodes.c.state)
    for node_id, operator in validators.items():
        named = sa.update(nodes).where(nodes.c.node_id == node_id)
        connection.execute(named.values(role="validator", operator=operator, state=exempt))


def operators_at_work(connection: sa.Connection) -> int:
    """Return how many operators have a registered validator."""
    at_work = (nodes.c.role == "validator", nodes.c.state == "active")
    counted = sa.select(sa.func.count(nodes.c.operator.distinct())).where(*at_work)
    return connection.execute(counted).scalar_one()


def every_operator_has_a_browser(connection: sa.Connection) -> bool:
    """Say whether each operator with a validator at work has one that renders pages."""
    rendering = sa.func.sum(sa.case((nodes.c.has_browser, 1), else_=0))
    at_work = (nodes.c.role == "validator", nodes.c.state == "active")
    found = (
        connection.execute(sa.select(rendering).where(*at_work).group_by(nodes.c.operator)).scalars().all()
    )
    return bool(found) and all(found)


def tells_news(member: Any, wish: LeaseRequest) -> bool:
    """Say whether a request for work tells that a validator (its row) has a browser now, or has none any more."""
    return bool(member.role == "validator" and member.has_browser != ("browser" in wish.render))


def note_browser(connection: sa.Connection, member: Any, wish: LeaseRequest) -> None:
    """Keep whether a validator renders pages, as its last request for work says."""
    if tells_news(member, wish):
        row = nodes.c.node_id == member.node_id
        connection.execute(sa.update(nodes).where(row).values(has_browser="browser" in wish.render))


def trust_of(house: House, connection: sa.Connection) -> str:
    """Return what every page says about who verifies here."""
    return trust_label(operators_at_work(connection), house.rules.operators_min)


def register(
    house: House,
    connection: sa.Connection,
    node_id: str,
    wish: Registration,
    peer: str,
    validators: Mapping[str, str],
) -> tuple[Any, Admission]:
    """Register a node, or greet one that is known, and return its row and whether it works or queues.

    Raises WindrowError `bad_payout_address`, `payout_fixed`, `node_left`, `node_suspended`, `prefix_quarantined` or
    `too_many_requests`.
    """
    payout, now, prefix = checksum_address(wish.payout_address), house.now_ms(), address_prefix(peer)
    is_new = _row_of(connection, node_id) is None
    if is_new:
        role = "validator" if node_id in validators else "contributor"
        if role == "contributor":
            _check_new_identity(house, connection, prefix, now)
        insert_once(
            connection,
            nodes,
            node_id=node_id,
            role=role,
            payout_address=payout,
            agent=wish.agent,
            region=wish.region,
            prefix=prefix,
            state="active" if role == "validator" else "queued",
            operator=validators.get(node_id, ""),
            registered_at_ms=now,
            seen_at_ms=now,
        )
    member = known_member(connection, node_id)
    # a wallet's delegation stands above the node's wish
    if member.payout_address != payout and not member.owner:
        raise WindrowError("payout_fixed", member.payout_address)
    check_not_suspended(house, connection, node_id)  # or it could carry its quarantine to another prefix
    return admit(house, connection, member, peer)


def known_member(connection: sa.Connection, node_id: str) -> Any:
    """Return a node's row. Raises WindrowError `unknown_node`, or `node_left` when it left or was revoked."""
    return check_not_gone(node_id, _row_of(connection, node_id))


def check_not_gone(node_id: str, row: Any) -> Any:
    """Return a node's row as `known_member` does, given what was found of it."""
    if row is None:
        raise WindrowError("unknown_node", node_id[:16])
    if row.state in GONE:
        raise WindrowError("node_left", row.state)
    return row


def check_not_suspended(house: House, connection: sa.Connection, node_id: str) -> None:
    """Refuse work to a suspended node. Raises WindrowError `node_suspended`."""
    check_suspended(house, node_id, bool(_SUSPENDED.value(connection, of_node=node_id)))


def check_suspended(house: House, node_id: str, suspended: bool) -> None:
    """Refuse work to a node as `check_not_suspended` does, given what was found of it."""
    if suspended and house.rules.on("suspension"):
        raise WindrowError("node_suspended", node_id[:16])


def stays_where_it_was(member: Any, peer: str, now_ms: int) -> bool:
    """Say whether `admit` would change nothing but when a node was heard, and that it was heard lately."""
    lately = now_ms - member.seen_at_ms < NODE_SEEN_STEP_MS
    return lately and member.state in ("active", "leaving") and member.prefix == address_prefix(peer)


def admit(house: House, connection: sa.Connection, member: Any, peer: str) -> tuple[Any, Admission]:
    """Note that a node spoke from an address and return its row and whether it works or queues there."""
    now, prefix = house.now_ms(), address_prefix(peer)
    stays = prefix == member.prefix and now - member.seen_at_ms < NODE_SILENT_MS
    if member.role == "validator" or member.state == "leaving":
        admitted, state = Admission("active"), member.state
    elif member.state == "active" and stays:
        admitted, state = Admission("active"), "active"
    else:
        admitted = _admission(house, connection, member, prefix, now)
        state = admitted.state
    row = nodes.c.node_id == member.node_id
    connection.execute(sa.update(nodes).where(row).values(prefix=prefix, state=state, seen_at_ms=now))
    return _row_of(connection, member.node_id), admitted


def is_young(house: House, connection: sa.Connection, node_id: str) -> bool:
    """Whether a node's bond is not complete: it has fewer documents that stand than its probation takes."""
    wanted = house.rules.probation_documents
    if not house.rules.on("probation") or not wanted:
        return False
    stand = (
        sa.select(sa.literal(1))
        .where(verdicts.c.node_id == node_id, verdicts.c.verdict.in_(("accepted", "unaudited")))
        .limit(wanted)
    )
    counted = connection.execute(sa.select(sa.func.count()).select_from(stand.subquery())).scalar_one()
    return bool(counted < wanted)


def moved_from(prefix: str, now_ms: int) -> sa.ColumnElement[bool]:
    """Say in SQL whether a node speaks from elsewhere by now and still holds leases that it was given in a prefix."""
    still_open = sa.select(leases.c.node_id).where(
        leases.c.prefix == prefix,
        leases.c.state == sa.literal_column("'leased'"),  # as the index `leases_held_at` has it
        leases.c.expires_at_ms > now_ms - SUBMISSION_GRACE_MS,
    )
    at_work = nodes.c.state.in_(("active", "queued"))
    return sa.and_(nodes.c.node_id.in_(still_open), nodes.c.prefix != prefix, at_work)


def _admission(house: House, connection: sa.Connection, member: Any, prefix: str, now_ms: int) -> Admission:
    others = (nodes.c.role != "validator", nodes.c.node_id != member.node_id)
    here = (*others, nodes.c.prefix == prefix)
    awake = nodes.c.seen_at_ms > now_ms - NODE_SILENT_MS
    active = _count(connection, *here, awake, nodes.c.state == "active")
    active += _count(connection, *others, moved_from(prefix, now_ms))
    before = sa.tuple_(nodes.c.registered_at_ms, nodes.c.node_id) < (member.registered_at_ms, member.node_id)
    ahead = _count(connection, *here, awake, nodes.c.state == "queued", before)
    admitted = admission(house.rules, active, ahead)
    moved_in = prefix != member.prefix and is_young(house, connection, member.node_id)
    if moved_in and _quarantine_ends_ms(house, connection, prefix, now_ms):
        return Admission("queued", max(1, admitted.position))
    return admitted


def _check_new_identity(house: House, connection: sa.Connection, prefix: str, now_ms: int) -> None:
    if ends_ms := _quarantine_ends_ms(house, connection, prefix, now_ms):
        raise WindrowError("prefix_quarantined", f"until {ends_ms}", until_ms=ends_ms)
    if not house.rules.on("sybil_limits"):
        return
    queued = _count(
        connection,
        nodes.c.prefix == prefix,
        nodes.c.state == "queued",
        nodes.c.seen_at_ms > now_ms - NODE_SILENT_MS,
    )
    if queued >= NODES_QUEUED_PER_PREFIX_MAX:
        raise WindrowError("too_many_requests", f"{queued} nodes of {prefix} wait for a place already")


def _quarantine_ends_ms(house: House, connection: sa.Connection, prefix: str, now_ms: int) -> int:
    undoing = consequences.alias("undoing")
    suspended = (
        sa.select(sa.func.max(consequences.c.created_at_ms))
        .join(nodes, nodes.c.node_id == consequences.c.node_id)
        .where(nodes.c.prefix == prefix, consequences.c.kind == "suspended")
        .where(~sa.exists().where(undoing.c.undoes == consequences.c.consequence_id))
    )
    return quarantine_ends_ms(house.rules, connection.execute(suspended).scalar(), now_ms)


def rows_of(connection: sa.Connection, node_ids: Collection[str]) -> dict[str, Any]:
    """Return the rows of those nodes that are registered, by their ids."""
    return {row.node_id: row for row in _MEMBERS.rows(connection, ids=list(node_ids))}


def _row_of(connection: sa.Connection, node_id: str) -> Any:
    return rows_of(connection, [node_id]).get(node_id)


def _count(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(nodes).where(*where)).scalar_one()
