"""Statements that run for every request: compiled once, then given to the driver as they are.

Rules: a statement is one of SQLAlchemy Core, and what it says, its types and its dialects are SQLAlchemy's; only its
way to the driver is shorter, since compiling, looking up and wrapping a statement costs ten times what SQLite takes
to run it. It runs within the transaction of its connection, which it begins where none was, as `execute` does. Values
are bound by name, never written into the text. A list is bound where the statement says `expanding=True`.

Does not: build statements, or return what the database made up (keys, defaults of its own).

Usage::

    OF_NODES = Prepared(sa.select(leases).where(leases.c.node_id.in_(sa.bindparam("ids", expanding=True))))
    for row in OF_NODES.rows(connection, ids=["a", "b"]):
        row.lease_id
    Prepared(sa.insert(leases)).run(connection, rows)
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

_TEXTS_MAX: Final = (
    256  # of one statement: one for each dialect, set of columns and number of values in its lists
)
Values = Mapping[str, Any]
Processor = Callable[[Any], Any]


class Prepared:
    """One statement; its texts are made when they are first needed."""

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete) -> None:
        """Take a statement whose values are named by `sa.bindparam`, or by its columns where it inserts."""
        self._statement = statement
        bound = [each for each in sa.sql.visitors.iterate(statement) if isinstance(each, sa.BindParameter)]
        self._lists = [each.key for each in bound if each.expanding and each.required]
        self._texts: OrderedDict[tuple[Any, ...], _Text] = OrderedDict()
        self._of_rows: dict[str, Callable[[Sequence[Any]], Any]] = {}
        columns = statement.selected_columns if isinstance(statement, sa.Select) else ()
        self._types = [column.type for column in columns]
        self._row: Any = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]

    def rows(self, connection: sa.Connection, **values: Any) -> list[Any]:
        """Return what a query finds: rows with its columns by name and in its order."""
        text = self._text_for(connection, values)
        cursor = _cursor(connection)
        try:
            cursor.execute(text.sql, text.bound(values))
            made = self._of_rows.get(connection.dialect.name) or self._learn(connection.dialect, cursor)
            return [made(row) for row in cursor.fetchall()]
        except connection.dialect.loaded_dbapi.Error as error:
            raise _sqlalchemys(connection, text.sql, error) from error
        finally:
            cursor.close()

    def value(self, connection: sa.Connection, **values: Any) -> Any:
        """Return the first column of the first row that a query finds, None if it finds none."""
        rows = self.rows(connection, **values)
        return rows[0][0] if rows else None

    def run(self, connection: sa.Connection, rows: Sequence[Values]) -> int:
        """Run for each row, all of which name the same values; return how many rows of the table it changed."""
        if not rows:
            return 0
        text = self._text_for(connection, rows[0])
        cursor = _cursor(connection)
        try:
            if len(rows) == 1:
                cursor.execute(text.sql, text.bound(rows[0]))
            else:
                cursor.executemany(text.sql, [text.bound(row) for row in rows])
            return int(cursor.rowcount)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _sqlalchemys(connection, text.sql, error) from error
        finally:
            cursor.close()

    def _text_for(self, connection: sa.Connection, values: Values) -> _Text:
        dialect = connection.dialect
        key = (dialect.name, *values, *(len(values[name]) for name in self._lists))
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= _TEXTS_MAX:
                self._texts.popitem(last=False)
            text = self._texts[key] = _compiled(self._statement, dialect, values)
        return text

    def _learn(self, dialect: sa.Dialect, cursor: Any) -> Callable[[Sequence[Any]], Any]:
        """Return how the driver's rows become ours; which types it has is only known once there is an answer."""
        codes = [column[1] for column in cursor.description]
        of_columns = [
            kind.dialect_impl(dialect).result_processor(dialect, code)
            for kind, code in zip(self._types, codes, strict=True)
        ]
        made = self._of_rows[dialect.name] = _row_maker(self._row._make, of_columns)
        return made


@dataclass(frozen=True, slots=True)
class _Text:
    """What one statement is in a dialect: `places` are the values in the driver's order, each how it is had."""

    sql: str
    positional: bool
    places: list[tuple[str, Callable[[Values], Any]]]
    together: Callable[[Values], Any] | None  # had in one call, where each is what its name says

    def bound(self, values: Values) -> Any:
        """Return the values as the driver takes them. Raises KeyError for a value that is missing."""
        if self.together is not None:
            return self.together(values)
        if self.positional:
            return [had(values) for _, had in self.places]
        return {name: had(values) for name, had in self.places}


def _cursor(connection: sa.Connection) -> Any:
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.cursor()


def _sqlalchemys(connection: sa.Connection, sql: str, error: Exception) -> BaseException:
    """Return what the driver raised as the error that SQLAlchemy would have raised."""
    dialect = connection.dialect
    return sa.exc.DBAPIError.instance(sql, None, error, dialect.loaded_dbapi.Error, dialect=dialect)


def _row_maker(
    make: Callable[[Sequence[Any]], Any], of_columns: Sequence[Processor | None]
) -> Callable[[Sequence[Any]], Any]:
    if not any(of_columns):
        return make
    processed = [(place, each) for place, each in enumerate(of_columns) if each]

    def made(row: Sequence[Any]) -> Any:
        values = list(row)
        for place, each in processed:
            values[place] = each(values[place])
        return make(values)

    return made


def _compiled(statement: Any, dialect: sa.Dialect, values: Values) -> _Text:
    writes = isinstance(statement, sa.Insert | sa.Update)
    named = {"column_keys": list(values), "for_executemany": True} if writes else {}
    compiled: SQLCompiler = statement.compile(dialect=dialect, **named)
    fixed = {
        column.key: column.default.arg
        for column in compiled.insert_prefetch
        if isinstance(column.default, sa.ColumnDefault) and column.default.is_scalar
    }
    assert len(fixed) == len(compiled.prefetch), "a default that is computed must be given"
    state = compiled.construct_expanded_state({**compiled.params, **fixed, **values})
    several = {
        part: (name, n) for name, parts in state.parameter_expansion.items() for n, part in enumerate(parts)
    }
    types = {name: bound.type.dialect_impl(dialect) for bound, name in compiled.bind_names.items()}

    def place(name: str) -> tuple[str, Callable[[Values], Any]]:
        part = several.get(name)
        processor = types[part[0] if part else name].bind_processor(dialect)
        return name, _had(name, part, values, state.parameters, processor)

    order = state.positiontup if compiled.positional else list(state.parameters)
    places = [place(name) for name in order or ()]
    return _Text(
        state.statement, bool(compiled.positional), places, _together(places, bool(compiled.positional))
    )


def _together(
    places: Sequence[tuple[str, Callable[[Values], Any]]], positional: bool
) -> Callable[[Values], Any] | None:
    """Return how all values are had in one call, if that can be."""
    plain = positional and len(places) > 1 and all(isinstance(had, itemgetter) for _, had in places)
    return itemgetter(*(name for name, _ in places)) if plain else None


def _had(
    name: str,
    part: tuple[str, int] | None,
    values: Values,
    parameters: Values,
    processor: Any,
) -> Callable[[Values], Any]:
    """Return how one bound value is had of what a caller gives: by its name, from a list, or always the same."""
    if part is not None and part[0] in values:
        given, number = part
        if processor is None:
            return lambda said: said[given][number]
        return lambda said: processor(said[given][number])
    if name in values:
        return itemgetter(name) if processor is None else lambda said: processor(said[name])
    always = parameters[name] if processor is None else processor(parameters[name])
    return lambda _said: always
