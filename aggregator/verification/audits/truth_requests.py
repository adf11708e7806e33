"""Truth requests: which validator is asked for a page again, and what became of it.

Rules: a request's life is the table `STEPS`. The truths of one audit come from as many operators as there are, and
those of one operator from as many of its validators. No node fetches the truth of its own work, nor of its owner's,
nor, where another validator can, of its neighbours' (/24, /48).
A validator that does not come for what it was asked is not waited for longer than `draw_wait_ms`. The lease looks
like any other: only these rows know what it is about.

Does not: draw, decide (`audits`), or sign leases (`assignment/leases`).

Usage::

    ask_first(house, connection, [FirstTruth(…)])                 # somebody is to fetch it
    ask(house, connection, contribution_id)                       # somebody else too
    ask(house, connection, contribution_id, voice="again")        # somebody of those again
    for truth in wanted(house, connection, validator, ["http"], 20): ...
    leased(connection, truth, lease_id, validator)
    answered(connection, lease, outcome)                          # or expired
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa

from aggregator.verification.drawing.audit_steps import STEPS as AUDIT_STEPS
from storage.house import House
from storage.tables.contributions import frontier, leases, nodes
from storage.tables.trust import audits, truth_requests
from windrow_protocol.messages import Outcome

# (state, event) → next state. An answer may turn out to be no truth (a block page): then it has failed after all.
STEPS: dict[tuple[str, str], str] = {
    ("wanted", "lease"): "leased",
    ("leased", "answer"): "answered",
    ("leased", "failure"): "failed",
    ("wanted", "give_up"): "failed",
    ("answered", "no_truth"): "failed",
}
_SHOWN_MAX: Final = (
    512  # of different hosts where there are so many: some of them may have no slot soon enough
)
# Waits after which an operator that has spoken may fetch the same page again, and one that has failed to fetch it.
_SAME_AGAIN: Final = 3
_ANYBODY: Final = 10
# Made once: building a statement costs more than SQLite takes to run it.
_AT_WORK = sa.select(nodes).where(nodes.c.role == "validator", nodes.c.state == "active")
_NODES = sa.select(nodes).where(nodes.c.node_id.in_(sa.bindparam("ids", expanding=True)))
_INSERT = sa.insert(truth_requests)


Voice = Literal["next", "fresh", "again"]


@dataclass(frozen=True, slots=True)
class WantedTruth:
    """A page that somebody is to fetch for an audit."""

    contribution_id: str
    ordinal: int
    url_id: str
    url: str
    render: str


@dataclass(frozen=True, slots=True)
class FirstTruth:
    """A contribution of a node that one operator is to be asked about, or two of them when it is `doubled`."""

    contribution_id: str
    node_id: str
    doubled: bool


class _Asked(NamedTuple):
    """Whom somebody was asked for a truth, and what became of it: what a choice looks at of a request."""

    operator: str
    state: str


def operator_of(validator: Any) -> str:
    """Return whose a validator is; one that nobody named is its own operator."""
    return str(validator.operator or validator.node_id[:8])


def operators(connection: sa.Connection) -> set[str]:
    """Return the operators of the validators that are at work."""
    return {operator_of(row) for row in _validators(connection)}


def ask(
    house: House,
    connection: sa.Connection,
    contribution_id: str,
    operator: str | None = None,
    *,
    voice: Voice = "next",
) -> None:
    """Ask an operator, or whoever comes next, for a truth.

    A `fresh` one comes from an operator that has not spoken yet, one `again` from those that have: so a friend of the
    contributor gets no further chance to be asked.
    """
    asked = _asked(connection, contribution_id)
    if operator is None:
        operator = _next_operator(house, connection, contribution_id, asked, voice)
    ordinal = 1 + max((row.ordinal for row in asked), default=0)
    connection.execute(sa.insert(truth_requests), _wanted_row(house, contribution_id, ordinal, operator))


def ask_first(house: House, connection: sa.Connection, wishes: Sequence[FirstTruth]) -> None:
    """Ask for the first truths of contributions that nobody was asked about yet, one operator or two for each.

    Where two are wished and there is no other operator, one is asked.
    """
    if not wishes:
        return
    validators, rows = _validators(connection), list[dict[str, Any]]()
    ids = list({wish.node_id for wish in wishes})
    known = {row.node_id: row for row in connection.execute(_NODES, {"ids": ids})}
    for wish in wishes:
        of = (house, wish.contribution_id, known[wish.node_id], validators)
        first = _chosen_operator(*of, [])
        rows.append(_wanted_row(house, wish.contribution_id, 1, first))
        if wish.doubled:
            second = _chosen_operator(*of, [_Asked(first, "wanted")], "fresh")
            if second and second != first:
                rows.append(_wanted_row(house, wish.contribution_id, 2, second))
    connection.execute(_INSERT, rows)


def ask_another(house: House, connection: sa.Connection, contribution_id: str) -> None:
    """Ask for one more truth, of an operator that was not asked yet; where there is none, nothing is asked."""
    asked = _asked(connection, contribution_id)
    operator = _next_operator(house, connection, contribution_id, asked, "fresh")
    if operator and operator not in {row.operator for row in asked}:
        ask(house, connection, contribution_id, operator)


def _wanted_row(house: House, contribution_id: str, ordinal: int, operator: str) -> dict[str, Any]:
    asked = {"contribution_id": contribution_id, "ordinal": ordinal, "operator": operator}
    return {**asked, "state": "wanted", "opened_at_ms": house.now_ms()}


def _asked(connection: sa.Connection, contribution_id: str) -> list[Any]:
    rows = sa.select(truth_requests).where(truth_requests.c.contribution_id == contribution_id)
    return list(connection.execute(rows))


def any_wanted() -> sa.ColumnElement[bool]:
    """Say in SQL whether any page at all is to be fetched for an audit."""
    return sa.exists().where(truth_requests.c.state == "wanted")


def wanted(
    house: House, connection: sa.Connection, validator: Any, renders: Sequence[str], count: int
) -> list[WantedTruth]:
    """Return what a validator (its row of `nodes`) may fetch: the oldest of each host, then the next of each.

    There are more than the `count` it has room for: a host that is paused must hold up no audit of another.
    """
    if count <= 0:
        return []
    oldest_first = audits.c.seq, truth_requests.c.ordinal
    turn = sa.func.row_number().over(partition_by=frontier.c.host_key, order_by=oldest_first)
    work, contributor = leases.alias("work"), nodes.alias("contributor")
    statement = (
        sa.select(
            truth_requests.c.contribution_id,
            truth_requests.c.ordinal,
            work.c.url_id,
            work.c.url,
            work.c.render,
        )
        .select_from(
            truth_requests.join(audits, audits.c.contribution_id == truth_requests.c.contribution_id)
            .join(work, work.c.lease_id == audits.c.lease_id)
            .join(contributor, contributor.c.node_id == audits.c.node_id)
            .outerjoin(frontier, frontier.c.url_id == work.c.url_id)
        )
        .where(truth_requests.c.state == "wanted", work.c.render.in_(renders))
        .where(_is_its_turn(house, validator), *_unrelated(validator, contributor))
        .order_by(turn, *oldest_first)
        .limit(max(count, _SHOWN_MAX))
    )
    return [WantedTruth(*row) for row in connection.execute(statement)]


def leased(connection: sa.Connection, truth: WantedTruth, lease_id: str, validator: Any) -> None:
    """Note that a validator has the lease for a truth; it is its operator's from now on."""
    _move(connection, truth.contribution_id, truth.ordinal, "lease", lease_id, operator_of(validator))


def answered(connection: sa.Connection, lease: Any, outcome: Outcome) -> None:
    """Note how a truth lease ended; an audit that waits for no other truth is then ready to be decided."""
    event = "answer" if outcome is Outcome.FETCHED else "failure"
    connection.execute(
        sa.update(truth_requests)
        .where(truth_requests.c.lease_id == lease.lease_id, truth_requests.c.state == "leased")
        .values(state=STEPS["leased", event])
    )
    _ready_if_last(connection, lease.audit_of)


def give_up(connection: sa.Connection, contribution_id: str, ordinal: int) -> None:
    """Ask nobody any more for a truth that nobody has come for."""
    connection.execute(
        sa.update(truth_requests)
        .where(truth_requests.c.contribution_id == contribution_id, truth_requests.c.ordinal == ordinal)
        .where(truth_requests.c.state == "wanted")
        .values(state=STEPS["wanted", "give_up"])
    )
    _ready_if_last(connection, contribution_id)


def was_given_up(connection: sa.Connection, contribution_id: str) -> bool:
    """Say whether a truth of this audit was given up before anybody had come for it."""
    nobodys = sa.exists().where(
        truth_requests.c.contribution_id == contribution_id,
        truth_requests.c.state == "failed",
        truth_requests.c.lease_id.is_(None),
    )
    return bool(connection.execute(sa.select(nobodys)).scalar_one())


def _ready_if_last(connection: sa.Connection, contribution_id: str) -> None:
    still = sa.exists().where(
        truth_requests.c.contribution_id == contribution_id, truth_requests.c.state.in_(("wanted", "leased"))
    )
    connection.execute(
        sa.update(audits)
        .where(audits.c.contribution_id == contribution_id, audits.c.state == "wanted", ~still)
        .values(state=AUDIT_STEPS["wanted", "answers"])
    )


def no_truth(connection: sa.Connection, contribution_id: str, ordinals: Collection[int]) -> None:
    """Note that these answers cannot serve as truth."""
    connection.execute(
        sa.update(truth_requests)
        .where(truth_requests.c.contribution_id == contribution_id, truth_requests.c.ordinal.in_(ordinals))
        .where(truth_requests.c.state == "answered")
        .values(state=STEPS["answered", "no_truth"])
    )


def _move(
    connection: sa.Connection, contribution_id: str, ordinal: int, event: str, lease_id: str, operator: str
) -> None:
    (before,) = (state for state, name in STEPS if name == event)
    connection.execute(
        sa.update(truth_requests)
        .where(truth_requests.c.contribution_id == contribution_id, truth_requests.c.ordinal == ordinal)
        .where(truth_requests.c.state == before)
        .values(state=STEPS[before, event], lease_id=lease_id, operator=operator)
    )


def _is_its_turn(house: House, validator: Any) -> sa.ColumnElement[bool]:
    """It was asked; or whoever was asked is nobody or does not come, and it is the next best.

    That is at first who has not spoken about this page yet, then who has not failed to fetch it, at last anybody. Of
    an operator's validators those go first that were not sent there before.
    """
    operator = operator_of(validator)
    other = truth_requests.alias("other")
    own = sa.and_(
        other.c.contribution_id == truth_requests.c.contribution_id,
        other.c.ordinal != truth_requests.c.ordinal,
        other.c.operator == operator,
    )
    waits = (house.now_ms() - truth_requests.c.opened_at_ms) / sa.literal(max(1, house.rules.draw_wait_ms))
    nobodys = sa.or_(truth_requests.c.operator == "", waits >= 1)
    was_there = sa.exists().where(
        own, leases.c.lease_id == other.c.lease_id, leases.c.node_id == validator.node_id
    )
    return sa.or_(
        sa.and_(
            truth_requests.c.operator == operator, sa.or_(waits >= 1, ~was_there, ~_has_colleagues(validator))
        ),
        sa.and_(nobodys, ~sa.exists().where(own)),
        sa.and_(waits >= _SAME_AGAIN, ~sa.exists().where(own, other.c.state == "failed")),
        waits >= _ANYBODY,
    )


def _has_colleagues(validator: Any) -> sa.ColumnElement[bool]:
    colleague = nodes.alias("colleague")
    return sa.exists().where(
        colleague.c.role == "validator",
        colleague.c.state == "active",
        colleague.c.operator == validator.operator,
        colleague.c.operator != "",
        colleague.c.node_id != validator.node_id,
    )


def _unrelated(validator: Any, contributor: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    elsewhere = nodes.alias("elsewhere")
    somebody_else_can = sa.exists().where(
        elsewhere.c.role == "validator",
        elsewhere.c.state == "active",
        elsewhere.c.prefix != contributor.c.prefix,
    )
    return [
        contributor.c.node_id != validator.node_id,
        sa.or_(contributor.c.owner == "", contributor.c.owner != validator.owner),
        sa.or_(contributor.c.prefix != validator.prefix, ~somebody_else_can),
    ]


def _validators(connection: sa.Connection) -> list[Any]:
    return list(connection.execute(_AT_WORK))


def _next_operator(
    house: House, connection: sa.Connection, contribution_id: str, asked: Sequence[Any], voice: Voice
) -> str:
    about = (
        sa.select(nodes.c.node_id, nodes.c.prefix, nodes.c.owner)
        .join(audits, audits.c.node_id == nodes.c.node_id)
        .where(audits.c.contribution_id == contribution_id)
    )
    contributor = connection.execute(about).one()
    validators = _validators(connection)
    return _chosen_operator(house, contribution_id, contributor, validators, asked, voice)


def _chosen_operator(
    house: House,
    contribution_id: str,
    contributor: Any,
    validators: Sequence[Any],
    asked: Sequence[Any],
    voice: Voice = "next",
) -> str:
    """Choose who is asked, by a keyed lot; empty for anybody.

    Before the lot: no neighbour of the contributor where another can, who has failed least, and for a second truth
    another operator than the first. A third that is to confirm two others may be anyone's, or a friend of the
    contributor would always be asked; one that is to break a tie is `fresh`, and one after three is asked `again`.
    """
    only_neighbours: dict[str, bool] = {}
    for row in validators:
        if row.node_id != contributor.node_id and (not row.owner or row.owner != contributor.owner):
            name, near = operator_of(row), row.prefix == contributor.prefix
            only_neighbours[name] = only_neighbours.get(name, True) and near
    failed = [row.operator for row in asked if row.state == "failed"]
    speaking = {row.operator for row in asked if row.state != "failed"}
    return min(
        only_neighbours,
        key=lambda name: (
            only_neighbours[name],
            voice == "again" and name not in speaking,
            failed.count(name),
            (voice == "fresh" or len(speaking) < 2) and name in speaking,
            house.keyed("truth", contribution_id, str(len(asked)), name),
        ),
        default="",
    )
