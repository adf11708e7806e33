"""Statements as CSV whose columns have no names: which is the date, the amount and the text is told by what is in them.

Rules: all of the first rows have to agree: as many cells each, in one column a date, in one a sum with two decimals
that is negative somewhere, in one words. What is less than that is no statement.

Does not: read rows (see `bank_csv`).

Usage: `heading = unheaded(member)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.bank_columns import AMOUNT, DATE, WHAT
from extension_bridge.importers.tables import Heading, first_rows

_ROWS_LOOKED_AT: Final = 20
_COLUMNS_MIN: Final = 3
_DATE: Final = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([./-])\d\d?\2\d\d?")
_AMOUNT: Final = re.compile(r"[+-]?\d[\d.,' ]*[.,]\d\d")
_WORDS: Final = re.compile(r"[^\W\d_]{2}")
_NAMES: Final = (min(DATE), min(AMOUNT), min(WHAT))  # any names that `bank_csv` looks for


def unheaded(member: Member) -> Heading | None:
    """Return a heading for a statement that has none, None when it does not look like one."""
    for separator, rows in first_rows(member):
        cells = [[cell.strip() for cell in row] for row in islice(filter(any, rows), _ROWS_LOOKED_AT)]
        found = _columns(cells) if len({len(row) for row in cells}) == 1 else None
        if found:
            names = dict(zip(found, _NAMES, strict=True))
            return Heading(separator, -1, tuple(names.get(i, "") for i in range(len(cells[0]))))
    return None


def _columns(rows: list[list[str]]) -> tuple[int, int, int] | None:
    """Return the columns of date, amount and words in rows that are as long as each other."""
    columns = list(zip(*rows, strict=True))
    if len(columns) < _COLUMNS_MIN:
        return None
    date = _first(columns, lambda cells: all(map(_DATE.fullmatch, cells)))
    amount = _first(
        columns,
        lambda cells: all(map(_AMOUNT.fullmatch, cells)) and any(cell.startswith("-") for cell in cells),
    )
    words = _first(columns, lambda cells: all(map(_WORDS.search, cells)))
    return (date, amount, words) if date is not None and amount is not None and words is not None else None


def _first(columns: list[tuple[str, ...]], fits: Callable[[tuple[str, ...]], bool]) -> int | None:
    return next((i for i, cells in enumerate(columns) if fits(cells)), None)
