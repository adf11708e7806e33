"""What a view is: a name, a meaning, and columns with their DuckDB types and where they come from.

Rules: the kinds are those that `loading` can carry. Does not: name any view (`views`, `trust_views`).

Usage: `View("nodes", "every node", (Column("node_id", TEXT, "its key", nodes.c.node_id),), nodes)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

TEXT, WHOLE, REAL, YESNO, TIME, WEI = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "DECIMAL(38,0)"


@dataclass(frozen=True)
class Column:
    """One column: its name, DuckDB type, meaning, and where it comes from.

    `source` is a column of the state, or an expression of DuckDB over the view's other columns.
    """

    name: str
    kind: str
    meaning: str
    source: sa.ColumnElement[Any] | str


@dataclass(frozen=True)
class Growth:
    """How a view grows: by the key in whose order its rows become final, and when they are.

    `judged` rows are final once the judgement has passed their place of the log, `appended` rows at once.
    """

    key: sa.ColumnElement[int]
    final: Literal["judged", "appended"]


@dataclass(frozen=True)
class View:
    """One view over the state."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    source: sa.FromClause
    where: sa.ColumnElement[bool] | None = None
    grows: Growth | None = None

    @property
    def is_computed(self) -> bool:
        """Whether a column follows from others, so that the state's rows alone are not the view."""
        return any(isinstance(each.source, str) for each in self.columns)

    @property
    def stored(self) -> tuple[tuple[str, str], ...]:
        """Names and kinds of the columns that the state has; the others follow from them."""
        return tuple((each.name, each.kind) for each in self.columns if not isinstance(each.source, str))

    @property
    def select(self) -> sa.Select[Any]:
        """The query over the state that fills the columns of `stored`."""
        sources = ((each.name, each.source) for each in self.columns)
        columns = [source.label(name) for name, source in sources if not isinstance(source, str)]
        query = sa.select(*columns).select_from(self.source)
        return query if self.where is None else query.where(self.where)

    @property
    def shown(self) -> str:
        """What DuckDB selects from a table of the columns of `stored`: every column, in order."""
        return ", ".join(
            f"{each.source} AS {each.name}" if isinstance(each.source, str) else f'"{each.name}"'
            for each in self.columns
        )
