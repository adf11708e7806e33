"""Second looks: three more truths for a contribution whose audit is over, because somebody asked or is leaving.

    state      event     next
    fetching   result    decided

Rules: the truths are asked for like any other (`truth_requests`), so a validator cannot tell; of three operators where
there are three, and again of one that failed, up to a bound. A look ends when as many have spoken, or at
`give_up_at_ms` with what is there. The same contribution is looked at once for each purpose.

Does not: say what a result means (`appeals`, `departures`).

Usage::

    look_again(house, connection, contribution_id, node_id, "appeal", rate_ppm, house.now_ms() + SECOND_LOOK_MS)
    complete, asked = completed(house, segments, "appeal")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from aggregator.ingest import read_text
from aggregator.verification.audits.truth_requests import ask, operators
from aggregator.verification.audits.truths import Answer, answers_of, earlier_text, is_everywhere
from aggregator.verification.comparing.weighing import Weighed
from storage.house import House
from storage.segments import Segments
from storage.tables.contributions import leases
from storage.tables.trust import audits, second_looks, truth_requests
from windrow_protocol.limits import SECOND_LOOK_TRUTHS_ASKED_MAX, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Outcome

STEPS: dict[tuple[str, str], str] = {("fetching", "result"): "decided"}
Purpose = Literal["appeal", "leave"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A look that is complete. `claimed` is None for a refusal; `fresh` and `stored` are (operator, text) of truths.

    `refused` counts the fresh answers that were refused the page, too; `asked` the truths asked for so far.
    """

    row: Any
    claimed: str | None
    stored: list[tuple[str, str]]
    fresh: list[tuple[str, str]]
    refused: int
    asked: int
    earlier: str | None
    neighbour: str | None
    operators: int


def look_again(
    house: House,
    connection: sa.Connection,
    contribution_id: str,
    node_id: str,
    purpose: Purpose,
    rate_ppm: int,
    give_up_at_ms: int,
) -> None:
    """Ask for fresh truths of a contribution, within the caller's write transaction."""
    last = sa.select(sa.func.coalesce(sa.func.max(truth_requests.c.ordinal), 0))
    asked = connection.execute(last.where(truth_requests.c.contribution_id == contribution_id)).scalar_one()
    connection.execute(
        sa.insert(second_looks).values(
            contribution_id=contribution_id,
            purpose=purpose,
            node_id=node_id,
            state="fetching",
            first_ordinal=asked + 1,
            rate_ppm=rate_ppm,
            opened_at_ms=house.now_ms(),
            give_up_at_ms=give_up_at_ms,
        )
    )
    names = _in_turn(house, connection, contribution_id)
    for number in range(TRUTHS_PER_AUDIT_MAX):
        ask(house, connection, contribution_id, names[number % len(names)] if names else None)


def completed(house: House, segments: Segments, purpose: Purpose, batch: int = 20) -> tuple[list[Seen], int]:
    """Return looks that have all they will get, and for how many others another truth was asked for instead."""
    with house.state.read() as connection:
        rows = list(connection.execute(_ripe(house, purpose, batch)))
        found = [_seen(connection, segments, row) for row in rows]
    lacking = [seen for seen in found if _needs_more(house, seen)]
    if lacking:
        with house.state.write() as connection:
            for seen in lacking:
                _ask_silent(house, connection, seen)
    return [seen for seen in found if seen not in lacking], len(lacking)


def conclude(connection: sa.Connection, seen: Seen, result: str) -> None:
    """Note what a look ended with."""
    connection.execute(
        sa.update(second_looks)
        .where(
            second_looks.c.contribution_id == seen.row.contribution_id,
            second_looks.c.purpose == seen.row.purpose,
        )
        .values(state=STEPS[seen.row.state, "result"], result=result)
    )


def stored_evidence(
    connection: sa.Connection, segments: Segments, contribution_id: str
) -> tuple[str | None, list[tuple[str, str]], str | None]:
    """Return what was said (None: a refusal), the truths (operator, text) so far, and an earlier text of the page."""
    audit = connection.execute(
        sa.select(audits, leases.c.url_id, leases.c.issued_at_ms)
        .join(leases, leases.c.lease_id == audits.c.lease_id)
        .where(audits.c.contribution_id == contribution_id)
    ).one()
    fetched = audit.outcome == Outcome.FETCHED.value
    answers = answers_of(connection, segments, contribution_id)
    return (
        read_text(connection, segments, audit.seq) if fetched else None,
        _truths(connection, segments, answers),
        earlier_text(connection, segments, audit) if fetched else None,
    )


def neighbour_looked_at(connection: sa.Connection, segments: Segments, contribution_id: str) -> str | None:
    """Return the text of another page of the host that the audit looked at, if it did."""
    rested_on = sa.select(audits.c.weighed).where(audits.c.contribution_id == contribution_id)
    weighed = connection.execute(rested_on).scalar()
    seq = None if weighed is None else msgspec.json.decode(weighed, type=Weighed).neighbour_seq
    return None if seq is None else read_text(connection, segments, seq)


def _ripe(house: House, purpose: Purpose, batch: int) -> sa.Select[Any]:
    still_open = sa.exists().where(
        truth_requests.c.contribution_id == second_looks.c.contribution_id,
        truth_requests.c.ordinal >= second_looks.c.first_ordinal,
        truth_requests.c.state.in_(("wanted", "leased")),
    )
    over = second_looks.c.give_up_at_ms <= house.now_ms()
    return (
        sa.select(second_looks)
        .where(second_looks.c.purpose == purpose, second_looks.c.state == "fetching")
        .where(sa.or_(over, ~still_open))
        .order_by(second_looks.c.opened_at_ms, second_looks.c.contribution_id)
        .limit(batch)
    )


def _seen(connection: sa.Connection, segments: Segments, row: Any) -> Seen:
    claimed, _, earlier = stored_evidence(connection, segments, row.contribution_id)
    answers = answers_of(connection, segments, row.contribution_id)
    before = [each for each in answers if each.ordinal < row.first_ordinal]
    after = [each for each in answers if each.ordinal >= row.first_ordinal]
    return Seen(
        row=row,
        claimed=claimed,
        stored=_truths(connection, segments, before),
        fresh=_truths(connection, segments, after),
        refused=sum(each.outcome not in (Outcome.FETCHED, Outcome.EXPIRED, None) for each in after),
        asked=len(after),
        earlier=earlier,
        neighbour=neighbour_looked_at(connection, segments, row.contribution_id),
        operators=len(operators(connection)),
    )


def _truths(
    connection: sa.Connection, segments: Segments, answers: Sequence[Answer]
) -> list[tuple[str, str]]:
    return [
        (each.operator, each.text)
        for each in answers
        if each.is_truth and not is_everywhere(connection, segments, each)
    ]


def _needs_more(house: House, seen: Seen) -> bool:
    """Whether an operator that could speak has not, and there is time and room to ask again."""
    voices = {operator for operator, _ in seen.fresh}
    return (
        len(voices) < min(TRUTHS_PER_AUDIT_MAX, seen.operators)
        and seen.asked < SECOND_LOOK_TRUTHS_ASKED_MAX
        and house.now_ms() < seen.row.give_up_at_ms
        and not (seen.claimed is None and seen.refused)
    )


def _ask_silent(house: House, connection: sa.Connection, seen: Seen) -> None:
    """Ask an operator that has said nothing yet; who was asked least often comes first."""
    spoken = {operator for operator, _ in seen.fresh}
    names = _in_turn(house, connection, seen.row.contribution_id)
    silent = [name for name in names if name not in spoken]
    if silent:
        ask(house, connection, seen.row.contribution_id, silent[seen.asked % len(silent)])


def _in_turn(house: House, connection: sa.Connection, contribution_id: str) -> list[str]:
    """Return the operators at work in an order that nobody could foresee."""
    found = operators(connection)
    return sorted(found, key=lambda name: house.keyed("second look", contribution_id, name))
