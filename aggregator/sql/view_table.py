"""What a view is: a name, a meaning, and columns with their DuckDB types and where they come from.

Rules: the kinds are those that `loading` can carry. Does not: name any view (`views`, `trust_views`).

Usage: `View("nodes", "every node", (Column("node_id", TEXT, "its key", nodes.c.node_id),), nodes)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

TEXT, WHOLE, REAL, YESNO, TIME, WEI = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "DECIMAL(38,0)"


@dataclass(frozen=True)
class Column:
    """One column: its name, DuckDB type, meaning, and where it comes from."""

    name: str
    kind: str
    meaning: str
    source: sa.ColumnElement[Any]


@dataclass(frozen=True)
class View:
    """One view over the state."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    source: sa.FromClause
    where: sa.ColumnElement[bool] | None = None

    @property
    def select(self) -> sa.Select[Any]:
        """The query that fills it."""
        query = sa.select(*(column.source.label(column.name) for column in self.columns)).select_from(
            self.source
        )
        return query if self.where is None else query.where(self.where)
