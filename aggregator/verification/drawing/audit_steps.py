"""The life of an audit, from the answer that opens it to its verdict: one table of states and events.

    drawing   validators may draw it         wanted   validators are to fetch it
    ready     all that was asked for came    decided  its verdict stands

Rules: nothing else moves an audit. Does not: know why (`opening`, `settling`, `truth_requests` and `audits` do).

Usage: `advance(connection, contribution_id, "drawing", "drawn")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from storage.tables.trust import audits

# (state, event) → next state
STEPS: Final[dict[tuple[str, str], str]] = {
    ("drawing", "not_drawn"): "decided",
    ("drawing", "drawn"): "wanted",
    ("wanted", "answers"): "ready",
    ("ready", "need_truth"): "wanted",
    ("ready", "verdict"): "decided",
}
UNDECIDED: Final = ("drawing", "wanted", "ready")
_MOVE = (
    sa.update(audits)
    .where(audits.c.contribution_id == sa.bindparam("of"), audits.c.state == sa.bindparam("before"))
    .values(state=sa.bindparam("after"))
)


def advance(connection: sa.Connection, contribution_id: str, state: str, event: str) -> None:
    """Move an audit that is in `state`; one that is elsewhere by now stays there. Raises KeyError for no such step."""
    advance_all(connection, [contribution_id], state, event)


def advance_all(connection: sa.Connection, contribution_ids: Sequence[str], state: str, event: str) -> None:
    """Move several audits as `advance` moves one."""
    moves = [{"of": each, "before": state, "after": STEPS[state, event]} for each in contribution_ids]
    if moves:
        connection.execute(_MOVE, moves)
