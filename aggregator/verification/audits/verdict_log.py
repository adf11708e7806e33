"""Writes verdicts: one signed statement about each contribution, in the transaction of what it rests on.

Rules: one verdict for each contribution, never changed. It belongs to the audit epoch that is open when it is decided,
and is told to the node when that epoch is closed.

Does not: decide. Usage: `write_verdict(house, connection, audit, Ruling("unaudited", "not_drawn"))`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from aggregator.verification.comparing.weighing import Weighed
from storage.house import House
from storage.tables.contributions import contributions, verdicts
from storage.tables.trust import rested_on
from windrow_protocol.messages import Verdict
from windrow_protocol.trust_rules import PPM

_INSERT = sa.insert(verdicts)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a verdict says. `truth_sha256`: the texts it rests on, the one that replaces the contribution's first."""

    verdict: Literal["accepted", "unaudited", "rejected", "no_evidence"]
    reason: str
    similarity: float = 0.0
    confirmed_ppm: int = PPM
    truth_sha256: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verdict is about: a contribution, whose, and its place in the log."""

    contribution_id: str
    node_id: str
    seq: int


def write_verdict(
    house: House, connection: sa.Connection, subject: Subject, ruling: Ruling, epoch_id: int
) -> None:
    """Sign and log one verdict."""
    write_verdicts(house, connection, [(subject, ruling, epoch_id)])


def write_verdicts(
    house: House, connection: sa.Connection, decided: Sequence[tuple[Subject, Ruling, int]]
) -> None:
    """Sign and log verdicts in their order, each with its audit epoch."""
    if decided:
        connection.execute(_INSERT, [_row(house, *each) for each in decided])


def note_rested_upon(connection: sa.Connection, contribution_id: str, weighed: Weighed) -> None:
    """Keep which other texts the verdict on a contribution rests on."""
    for seq in {weighed.earlier_seq, weighed.neighbour_seq} - {None}:
        connection.execute(sa.insert(rested_on).values(seq=seq, contribution_id=contribution_id))


def rested_upon(
    connection: sa.Connection, contribution_ids: Collection[str], *conditions: sa.ColumnElement[bool]
) -> set[tuple[str, int]]:
    """Return which contributions other verdicts rest on, as earlier version or neighbour, and in which audit epochs.

    `conditions` choose among verdicts.
    """
    statement = (
        sa.select(contributions.c.contribution_id, verdicts.c.epoch_id)
        .join(rested_on, rested_on.c.seq == contributions.c.seq)
        .join(verdicts, verdicts.c.contribution_id == rested_on.c.contribution_id)
        .where(contributions.c.contribution_id.in_(contribution_ids), *conditions)
    )
    return {(row.contribution_id, row.epoch_id) for row in connection.execute(statement)}


def _row(house: House, subject: Subject, ruling: Ruling, epoch_id: int) -> dict[str, Any]:
    verdict = Verdict(
        contribution_id=subject.contribution_id,
        verdict=ruling.verdict,
        reason=ruling.reason,
        similarity=round(ruling.similarity, 6),
        truth_sha256=list(ruling.truth_sha256),
        decided_at_ms=house.now_ms(),
        confirmed_ppm=ruling.confirmed_ppm,
        epoch_id=epoch_id,
    )
    content = msgspec.to_builtins(verdict)
    return {
        **content,
        "truth_sha256": msgspec.json.encode(verdict.truth_sha256).decode(),
        "seq": subject.seq,
        "node_id": subject.node_id,
        "jws": house.sign("verdict", subject.node_id, content),
    }
