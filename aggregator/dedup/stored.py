"""The texts that were judged, where the house keeps them: rows in its database, bodies in its segments.

Rules: nothing is stored a second time for the index's sake. A number is the place of a contribution in the log; its
text is read back from its segment, its cluster from its judgement. What an erasure took away is simply not there.

Does not: judge, write, or keep anything beyond one transaction.

Usage: `SeenIndex(postings).judge(incoming, StoredDocuments(connection, segments))`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aggregator.dedup.verifying import SeenDocument
from storage.segments import Place, Segments
from storage.tables.contributions import contributions, duplicates, submissions
from storage.tables.lake import erasures
from windrow_protocol.messages import Contribution

_NUMBERS_A_STATEMENT: Final = 500  # SQLite of long ago allowed 999 parameters
_NUMBERS: sa.BindParameter[int] = sa.bindparam("numbers", expanding=True)
_AUDITED = contributions.alias("audited")
_IS_THERE = ~sa.exists().where(erasures.c.seq == contributions.c.seq)
_DOCUMENTS = (
    sa.select(
        contributions.c.seq,
        contributions.c.contribution_id,
        duplicates.c.cluster_id,
        contributions.c.text_sha256,
        contributions.c.text_bytes,
        submissions.c.segment,
        submissions.c.offset,
        submissions.c.length,
    )
    .join(duplicates, duplicates.c.seq == contributions.c.seq)
    .join(submissions, submissions.c.seq == contributions.c.seq)
    .where(contributions.c.seq.in_(_NUMBERS), _IS_THERE)
)


class StoredDocuments:
    """Judged texts as one transaction sees them."""

    def __init__(self, connection: sa.Connection, segments: Segments) -> None:
        self._connection = connection
        self._segments = segments
        self._places: dict[int, Place] = {}

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        """Return what is known of some texts."""
        found: dict[int, SeenDocument] = {}
        for start in range(0, len(numbers), _NUMBERS_A_STATEMENT):
            wanted = {"numbers": list(numbers[start : start + _NUMBERS_A_STATEMENT])}
            for row in self._connection.execute(_DOCUMENTS, wanted):
                found[row.seq] = SeenDocument(
                    row.contribution_id, row.cluster_id, row.text_sha256, row.text_bytes
                )
                self._places[row.seq] = Place(row.segment, row.offset, row.length)
        return found

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return texts that `documents` was asked for. Raises OSError when a segment is not there whole."""
        known = [number for number in numbers if number in self._places]
        known.sort(key=lambda number: (self._places[number].segment, self._places[number].offset))
        return {number: self._text_at(self._places[number]) for number in known}

    def _text_at(self, place: Place) -> str:
        return msgspec.json.decode(self._segments.read(place), type=Contribution).text


def erased_among(connection: sa.Connection, digests: Collection[str]) -> set[str]:
    """Return those digests whose text was judged once, and then erased; what was only kept (`hard`) does not count."""
    found: set[str] = set()
    wanted = sorted(digests)
    for start in range(0, len(wanted), _NUMBERS_A_STATEMENT):
        statement = (
            sa.select(erasures.c.text_sha256)
            .join(duplicates, duplicates.c.seq == erasures.c.seq)
            .where(erasures.c.text_sha256.in_(wanted[start : start + _NUMBERS_A_STATEMENT]))
            .where(duplicates.c.kind != "hard")
        )
        found.update(connection.execute(statement).scalars())
    return found


def judged_after(
    connection: sa.Connection, reached: int, committed: int, limit: int
) -> list[tuple[int, int]]:
    """Return (place, number) of texts that an index must hold, for places of the log after `reached` to `committed`.

    A truth that was judged in the place of a rejected contribution has that one's place and a number of its own. Exact
    copies are left out, because the text that they copy is there; where it was erased, the first copy stands for it.
    """
    place = sa.func.coalesce(_AUDITED.c.seq, contributions.c.seq)
    statement = (
        sa.select(place.label("place"), contributions.c.seq)
        .join(duplicates, duplicates.c.seq == contributions.c.seq)
        .join(_AUDITED, _AUDITED.c.contribution_id == contributions.c.audit_of, isouter=True)
        .where(sa.or_(duplicates.c.kind.in_(("unique", "near")), _stands_for_an_erased_one()))
        .where(place > reached, place <= committed, _IS_THERE)
        .order_by(place, contributions.c.seq)
        .limit(limit)
    )
    return [(row.place, row.seq) for row in connection.execute(statement)]


def _stands_for_an_erased_one() -> sa.ColumnElement[bool]:
    """An exact copy of a text that was erased, and no earlier contribution of that text is there."""
    earlier, judged = contributions.alias("earlier"), duplicates.alias("judged")
    is_original_gone = sa.exists().where(erasures.c.contribution_id == duplicates.c.first_contribution_id)
    has_earlier = sa.exists().where(
        earlier.c.text_sha256 == contributions.c.text_sha256,
        earlier.c.seq < contributions.c.seq,
        judged.c.seq == earlier.c.seq,
        judged.c.kind != "hard",
        ~sa.exists().where(erasures.c.seq == earlier.c.seq),
    )
    return sa.and_(duplicates.c.kind == "exact", is_original_gone, ~has_earlier)


def heir_of(connection: sa.Connection, number: int, going: Collection[int]) -> int | None:
    """Return who is to stand for a text in the index once `going` are erased, or None when nobody has to."""
    digest = sa.select(contributions.c.text_sha256).where(contributions.c.seq == number).scalar_subquery()
    is_copy = duplicates.c.kind == "exact"
    statement = (
        sa.select(contributions.c.seq)
        .join(duplicates, duplicates.c.seq == contributions.c.seq)
        .where(contributions.c.text_sha256 == digest, duplicates.c.kind != "hard", _IS_THERE)
        .order_by(is_copy, contributions.c.seq)
    )
    owners = [row.seq for row in connection.execute(statement)]
    if not owners or owners[0] not in going:
        return None
    return next((owner for owner in owners if owner not in going), None)
