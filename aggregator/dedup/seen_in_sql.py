"""The index of seen texts in the house's database.

Rules: works inside the caller's transaction, so that a judgement and the cursor that led to it are committed together
or not at all; one writer. Passes the same contract test as the index in memory.

Does not: begin or commit transactions, or decide anything (see `seen`).

Usage::

    with state.write() as connection:
        SeenIndex(SqlSeenStore(connection, dedup_tables)).judge_all(texts)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from aggregator.dedup.minhash import Hashes, Sketch, band_keys, from_bytes, to_bytes
from aggregator.dedup.seen import Duplicate, SeenText
from aggregator.dedup.tables import DedupTables


class SqlSeenStore:
    """A `SeenStore` over one connection."""

    def __init__(self, connection: sa.Connection, tables: DedupTables) -> None:
        self._connection = connection
        self._texts = tables.texts.c
        self._bands = tables.bands.c
        self._given = tables.contributions.c
        self._tables = tables

    def judgement(self, contribution_id: str) -> Duplicate | None:
        """Return what was judged of this contribution before."""
        given = self._given
        columns = (
            given.kind,
            given.cluster_id,
            given.first_contribution_id,
            given.similarity,
            given.unique_bytes,
        )
        row = self._connection.execute(
            sa.select(*columns).where(given.contribution_id == contribution_id)
        ).one_or_none()
        return None if row is None else Duplicate(*row)

    def text_of_digest(self, text_sha256: str) -> SeenText | None:
        """Return the text with this digest."""
        row = self._connection.execute(
            self._select_text().where(self._texts.text_sha256 == text_sha256)
        ).one_or_none()
        return None if row is None else SeenText(*row)

    def candidates(
        self, keys: Sequence[int], shingles_min: int, shingles_max: int, limit: int
    ) -> list[SeenText]:
        """Return texts of that size which share a band key: most shared keys first, then the earliest."""
        texts, bands = self._texts, self._bands
        statement = (
            self._select_text()
            .join_from(self._tables.bands, self._tables.texts, texts.ordinal == bands.ordinal)
            .where(bands.band_key.in_(keys), texts.shingle_count.between(shingles_min, shingles_max))
            .group_by(texts.ordinal)
            .order_by(sa.func.count().desc(), texts.ordinal)
            .limit(limit)
        )
        return [SeenText(*row) for row in self._connection.execute(statement)]

    def shingles(self, ordinals: Sequence[int]) -> dict[int, Hashes]:
        """Return the kept shingle hashes of some texts."""
        texts = self._texts
        rows = self._connection.execute(
            sa.select(texts.ordinal, texts.shingles).where(texts.ordinal.in_(ordinals))
        )
        return {ordinal: from_bytes(stored) for ordinal, stored in rows}

    def first_contribution(self, ordinal: int) -> str:
        """Return the earliest contribution, still there, of a text. Raises KeyError when there is no such text."""
        given = self._given
        first = self._connection.execute(
            sa.select(given.contribution_id).where(given.ordinal == ordinal).order_by(given.position).limit(1)
        ).scalar()
        if first is None:
            raise KeyError(ordinal)
        return str(first)

    def add_text(self, cluster_id: str, seen: Sketch, keys: Sequence[int]) -> SeenText:
        """Append a text and give it the next ordinal."""
        text = SeenText(self._next(self._texts.ordinal), cluster_id, seen.shingle_count)
        self._connection.execute(
            sa.insert(self._tables.texts).values(
                ordinal=text.ordinal,
                text_sha256=seen.text_sha256,
                cluster_id=cluster_id,
                shingle_count=seen.shingle_count,
                shingles=to_bytes(seen.shingles),
            )
        )
        if keys:
            rows = [{"band_key": key, "ordinal": text.ordinal} for key in keys]
            self._connection.execute(sa.insert(self._tables.bands), rows)
        return text

    def record(self, contribution_id: str, ordinal: int, judgement: Duplicate) -> None:
        """Append a contribution of a text with its judgement."""
        self._connection.execute(
            sa.insert(self._tables.contributions).values(
                position=self._next(self._given.position),
                contribution_id=contribution_id,
                ordinal=ordinal,
                kind=judgement.kind,
                cluster_id=judgement.cluster_id,
                first_contribution_id=judgement.first_contribution_id,
                similarity=judgement.similarity,
                unique_bytes=judgement.unique_bytes,
            )
        )

    def remove(self, contribution_id: str) -> bool:
        """Forget a contribution, and its text with all that is known of it when nobody else gave the same."""
        given = self._given
        ordinal = self._connection.execute(
            sa.select(given.ordinal).where(given.contribution_id == contribution_id)
        ).scalar()
        if ordinal is None:
            return False
        self._connection.execute(
            sa.delete(self._tables.contributions).where(given.contribution_id == contribution_id)
        )
        others = sa.select(given.position).where(given.ordinal == ordinal).limit(1)
        if self._connection.execute(others).scalar() is None:
            self._forget_text(ordinal)
        return True

    def _forget_text(self, ordinal: int) -> None:
        texts, bands = self._texts, self._bands
        # The keys follow from the shingles, so no index from texts to bands has to be kept for erasures.
        keys = band_keys(self.shingles([ordinal])[ordinal])
        self._connection.execute(
            sa.delete(self._tables.bands).where(bands.band_key.in_(keys), bands.ordinal == ordinal)
        )
        self._connection.execute(sa.delete(self._tables.texts).where(texts.ordinal == ordinal))

    def _select_text(self) -> sa.Select[Any]:
        texts = self._texts
        return sa.select(texts.ordinal, texts.cluster_id, texts.shingle_count)

    def _next(self, column: sa.Column[int]) -> int:
        last: int | None = self._connection.execute(sa.select(sa.func.max(column))).scalar()
        return (last or 0) + 1
