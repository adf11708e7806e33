"""The index of seen texts in the house's database.

Rules: works inside the caller's transaction, so that a judgement and the cursor that led to it are committed together
or not at all; one writer, and a store for each transaction. Statements are built once, because building them costs more
than running them. Passes the same contract test as the index in memory.

Does not: begin or commit transactions, or decide anything (see `seen`).

Usage::

    with state.write() as connection:
        SeenIndex(SqlSeenStore(connection, dedup_tables)).judge_all(texts)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import sqlalchemy as sa

from aggregator.dedup.minhash import Hashes, Sketch, band_keys, from_bytes, to_bytes
from aggregator.dedup.seen import Duplicate, SeenText
from aggregator.dedup.tables import DedupTables


class SqlSeenStore:
    """A `SeenStore` over one connection, for one transaction."""

    def __init__(self, connection: sa.Connection, tables: DedupTables) -> None:
        self._connection = connection
        self._sql = _statements(tables)
        self._ordinals: count[int] | None = None
        self._positions: count[int] | None = None

    def judgement(self, contribution_id: str) -> Duplicate | None:
        """Return what was judged of this contribution before."""
        row = self._one(self._sql.judgement, contribution_id=contribution_id)
        return None if row is None else Duplicate(*row)

    def text_of_digest(self, text_sha256: str) -> SeenText | None:
        """Return the text with this digest."""
        row = self._one(self._sql.text_of_digest, text_sha256=text_sha256)
        return None if row is None else SeenText(*row)

    def candidates(
        self, keys: Sequence[int], shingles_min: int, shingles_max: int, limit: int
    ) -> list[SeenText]:
        """Return texts of that size which share a band key: most shared keys first, then the earliest."""
        bounds = {"keys": keys, "shingles_min": shingles_min, "shingles_max": shingles_max, "limit": limit}
        rows: Sequence[Sequence[Any]] = self._connection.execute(self._sql.candidates, bounds).all()
        return [SeenText(*row) for row in rows]

    def shingles(self, ordinals: Sequence[int]) -> dict[int, Hashes]:
        """Return the kept shingle hashes of some texts."""
        if not ordinals:
            return {}
        rows = self._connection.execute(self._sql.shingles, {"ordinals": ordinals})
        return {ordinal: from_bytes(stored) for ordinal, stored in rows}

    def first_contribution(self, ordinal: int) -> str:
        """Return the earliest contribution, still there, of a text. Raises KeyError when there is no such text."""
        row = self._one(self._sql.first_contribution, of_ordinal=ordinal)
        if row is None:
            raise KeyError(ordinal)
        return str(row[0])

    def add_text(self, cluster_id: str, seen: Sketch, keys: Sequence[int]) -> SeenText:
        """Append a text and give it the next ordinal."""
        if self._ordinals is None:
            self._ordinals = self._after(self._sql.last_ordinal)
        text = SeenText(next(self._ordinals), cluster_id, seen.shingle_count)
        row = {
            "ordinal": text.ordinal,
            "text_sha256": seen.text_sha256,
            "cluster_id": cluster_id,
            "shingle_count": seen.shingle_count,
            "shingles": to_bytes(seen.shingles),
        }
        self._connection.execute(self._sql.add_text, row)
        if keys:
            rows = [{"band_key": key, "ordinal": text.ordinal} for key in keys]
            self._connection.execute(self._sql.add_bands, rows)
        return text

    def record(self, contribution_id: str, ordinal: int, judgement: Duplicate) -> None:
        """Append a contribution of a text with its judgement."""
        if self._positions is None:
            self._positions = self._after(self._sql.last_position)
        row = {
            "position": next(self._positions),
            "contribution_id": contribution_id,
            "ordinal": ordinal,
            "kind": judgement.kind,
            "cluster_id": judgement.cluster_id,
            "first_contribution_id": judgement.first_contribution_id,
            "similarity": judgement.similarity,
            "unique_bytes": judgement.unique_bytes,
        }
        self._connection.execute(self._sql.record, row)

    def remove(self, contribution_id: str) -> bool:
        """Forget a contribution, and its text with all that is known of it when nobody else gave the same."""
        row = self._one(self._sql.ordinal_of, contribution_id=contribution_id)
        if row is None:
            return False
        (ordinal,) = row
        self._connection.execute(self._sql.forget_contribution, {"contribution": contribution_id})
        if self._one(self._sql.first_contribution, of_ordinal=ordinal) is None:
            # The keys follow from the shingles, so no index from texts to bands has to be kept for erasures.
            keys = band_keys(self.shingles([ordinal])[ordinal])
            self._connection.execute(self._sql.forget_bands, {"keys": keys, "of_ordinal": ordinal})
            self._connection.execute(self._sql.forget_text, {"of_ordinal": ordinal})
        return True

    def _one(self, statement: sa.Select[Any], **values: Any) -> Sequence[Any] | None:
        return self._connection.execute(statement, values).one_or_none()

    def _after(self, statement: sa.Select[Any]) -> count[int]:
        last: int | None = self._connection.execute(statement).scalar()
        return count((last or 0) + 1)


class _Statements(NamedTuple):
    judgement: sa.Select[Any]
    text_of_digest: sa.Select[Any]
    candidates: sa.Select[Any]
    shingles: sa.Select[Any]
    first_contribution: sa.Select[Any]
    ordinal_of: sa.Select[Any]
    last_ordinal: sa.Select[Any]
    last_position: sa.Select[Any]
    add_text: sa.Insert
    add_bands: sa.Insert
    record: sa.Insert
    forget_contribution: sa.Delete
    forget_bands: sa.Delete
    forget_text: sa.Delete


@cache
def _statements(tables: DedupTables) -> _Statements:
    texts, bands, given = tables.texts.c, tables.bands.c, tables.contributions.c
    keys: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
    of_ordinal: sa.BindParameter[Any] = sa.bindparam("of_ordinal")
    text = sa.select(texts.ordinal, texts.cluster_id, texts.shingle_count)
    judgement = sa.select(
        given.kind, given.cluster_id, given.first_contribution_id, given.similarity, given.unique_bytes
    )
    return _Statements(
        judgement=judgement.where(given.contribution_id == sa.bindparam("contribution_id")),
        text_of_digest=text.where(texts.text_sha256 == sa.bindparam("text_sha256")),
        candidates=text.join_from(tables.bands, tables.texts, texts.ordinal == bands.ordinal)
        .where(bands.band_key.in_(keys))
        .where(texts.shingle_count.between(sa.bindparam("shingles_min"), sa.bindparam("shingles_max")))
        .group_by(texts.ordinal)
        .order_by(sa.func.count().desc(), texts.ordinal)
        .limit(sa.bindparam("limit")),
        shingles=sa.select(texts.ordinal, texts.shingles).where(
            texts.ordinal.in_(sa.bindparam("ordinals", expanding=True))
        ),
        first_contribution=sa.select(given.contribution_id)
        .where(given.ordinal == of_ordinal)
        .order_by(given.position)
        .limit(1),
        ordinal_of=sa.select(given.ordinal).where(given.contribution_id == sa.bindparam("contribution_id")),
        last_ordinal=sa.select(sa.func.max(texts.ordinal)),
        last_position=sa.select(sa.func.max(given.position)),
        add_text=sa.insert(tables.texts),
        add_bands=sa.insert(tables.bands),
        record=sa.insert(tables.contributions),
        forget_contribution=sa.delete(tables.contributions).where(
            given.contribution_id == sa.bindparam("contribution")
        ),
        forget_bands=sa.delete(tables.bands).where(bands.band_key.in_(keys), bands.ordinal == of_ordinal),
        forget_text=sa.delete(tables.texts).where(texts.ordinal == of_ordinal),
    )
