"""Takes a mismatch back: folds its node's standing again without it, and undoes whatever no longer follows.

    void      nobody is to blame: the audit counts as if it had found nothing
    restore   the node was right: the audit counts as passed, and its document is paid as accepted

Rules: the whole standing is folded anew from `audit_outcomes`, so that what followed from the mismatch only in
company with others (a fine because the free strike was used up, a suspension) is undone with it. A second fold makes
nothing worse: it adds no fine, no suspension and no padding that was not there. Undone consequences keep their rows;
new rows name them. Doing it twice is the same as once.

Does not: judge whether it was wrong (`appeals`, `hosts`), or move money (`rewards` reads the rows).

Usage: `void(house, connection, contribution_id, epoch_id)` in a write transaction; the rows belong to that epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from aggregator.verification.consequences.consequence_log import (
    BEGUN_AGAIN,
    FOLDED,
    ConsequenceLog,
    in_force,
)
from aggregator.verification.standings.standing import AuditOutcome, Consequence, Standing, observe
from aggregator.verification.standings.standing_rows import count_in_region, keep_standing
from storage.house import House
from storage.tables.trust import audit_outcomes
from windrow_protocol.trust_rules import TrustRules

_MILD: Final = frozenset({"escalated", "cleared", "strike"})
_SUSPENSIONS: Final = frozenset({"suspended", "would_suspend"})
Followed = tuple[str, Consequence]  # a contribution, and what followed from it


def void(house: House, connection: sa.Connection, contribution_id: str, epoch_id: int) -> bool:
    """Blame nobody for a mismatch; say whether it was counted until now."""
    return _reconsider(house, connection, contribution_id, epoch_id, "voided")


def restore(house: House, connection: sa.Connection, contribution_id: str, epoch_id: int) -> bool:
    """Take a mismatch for a match after all, also one that was voided before; say whether anything changed."""
    return _reconsider(house, connection, contribution_id, epoch_id, "restored")


def folded_again(
    rules: TrustRules, outcomes: Sequence[tuple[str, str, AuditOutcome]]
) -> tuple[Standing, list[Followed]]:
    """Fold (contribution id, state, outcome) in their order: voided ones are left out, restored ones are matches."""
    standing, followed = Standing(), list[Followed]()
    for contribution_id, state, outcome in outcomes:
        if state == "voided":
            continue
        seen = replace(outcome, kind="match", excess=0.0) if state == "restored" else outcome
        standing, found = observe(rules, standing, seen)
        followed += [(contribution_id, each) for each in found if each.kind in FOLDED]
    return standing, followed


def _reconsider(
    house: House,
    connection: sa.Connection,
    contribution_id: str,
    epoch_id: int,
    state: Literal["voided", "restored"],
) -> bool:
    one = audit_outcomes.c.contribution_id == contribution_id
    row = connection.execute(sa.select(audit_outcomes).where(one)).one_or_none()
    if row is None or row.kind != "mismatch" or row.state in (state, "restored"):
        return False
    connection.execute(sa.update(audit_outcomes).where(one).values(state=state, pooled=0))
    count_in_region(connection, row.region, mismatches=-row.pooled)
    log = ConsequenceLog(house, connection, epoch_id)
    taken = _refold(house, connection, log, row.node_id)
    if state == "restored":
        _pay_after_all(connection, log, row)
    elif contribution_id not in taken:  # the node is told even where it had cost nothing
        log.note(row.node_id, state, contribution_id)
    return True


def _pay_after_all(connection: sa.Connection, log: ConsequenceLog, row: Any) -> None:
    for each in in_force(connection, row.node_id):
        if each.kind == "replaced" and each.contribution_id == row.contribution_id:
            log.take_back(each, "restored")
            return
    log.note(row.node_id, "restored", row.contribution_id)


def _refold(house: House, connection: sa.Connection, log: ConsequenceLog, node_id: str) -> set[str]:
    """Fold a node's standing again; return the contributions of which something was taken back."""
    standing, followed = folded_again(house.rules, _outcomes(connection, node_id))
    rows_in_force = in_force(connection, node_id)
    there = [row for row in rows_in_force if row.kind in FOLDED]
    follows = {(_of_a_kind(each.kind), contribution_id) for contribution_id, each in followed}
    gone = [row for row in there if (_of_a_kind(row.kind), row.contribution_id) not in follows]
    unfined = {row.contribution_id for row in gone if row.kind == "fined"}
    gone += [row for row in rows_in_force if row.kind == BEGUN_AGAIN and row.contribution_id in unfined]
    for row in gone:
        log.take_back(row)
    had = {(row.kind, row.contribution_id) for row in there}
    for contribution_id, each in followed:
        if each.kind in _MILD and (each.kind, contribution_id) not in had:
            log.append(node_id, [each], contribution_id)
    lasting = {row.kind for row in there if row not in gone}
    standing = replace(
        standing,
        suspended=standing.suspended and "suspended" in lasting,
        would_suspend=standing.would_suspend and "would_suspend" in lasting,
    )
    keep_standing(connection, node_id, standing, house.now_ms())
    return {row.contribution_id for row in gone}


def _outcomes(connection: sa.Connection, node_id: str) -> list[tuple[str, str, AuditOutcome]]:
    rows = connection.execute(
        sa.select(audit_outcomes)
        .where(audit_outcomes.c.node_id == node_id)
        .order_by(audit_outcomes.c.outcome_seq)
    )
    return [
        (row.contribution_id, row.state, msgspec.json.decode(row.outcome, type=AuditOutcome)) for row in rows
    ]


def _of_a_kind(kind: str) -> str:
    """A suspension in shadow mode and one in force are one consequence under two rules."""
    return "suspended" if kind in _SUSPENSIONS else kind
