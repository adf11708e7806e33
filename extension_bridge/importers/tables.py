"""Tables as CSV, whoever wrote them: commas, semicolons or tabs, titles before the heading, quotes over several lines.

Rules: the heading is the first of the first rows that names what a format needs; a row is bounded; a short row reads as
one whose last cells are empty.

Does not: know what the columns mean.

Usage::

    heading = heading_of(member, {"date"}, {"amount", "debit"})
    for row in rows_of(member, heading): row["date"]
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.formats import encoding_of, text_in, text_of_head
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TEXT_BYTES_MAX

_SEPARATORS: Final = ",;\t|"
_PREAMBLE_ROWS_MAX: Final = 60
_COLUMNS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Heading:
    """Where a table begins and what its columns are called, in plain lower-case words."""

    separator: str
    row: int
    columns: tuple[str, ...]


def plain_name(name: str) -> str:
    """Return a column's name in lower case, without accents, signs and what stands in brackets."""
    without = re.sub(r"\(.*?\)|\[.*?\]", "", unicodedata.normalize("NFKC", name))
    letters = unicodedata.normalize("NFKD", without).lower().replace("ß", "ss")
    return " ".join(re.findall(r"[^\W_]+", "".join(c for c in letters if not unicodedata.combining(c))))


def first_rows(member: Member) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """Yield (separator, rows) of a table's head, read with each separator that it holds; a broken row ends the rows."""
    head = text_of_head(member)
    for separator in _SEPARATORS:
        if separator in head[:8_192]:
            yield separator, _whole_rows(head, separator)


def _whole_rows(head: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from islice(csv.reader(io.StringIO(head, newline=""), delimiter=separator), _PREAMBLE_ROWS_MAX)
    except csv.Error:
        return


def headings_of(member: Member) -> Iterator[Heading]:
    """Yield what may be the heading of a table: its first rows, read with each separator that they hold."""
    for separator, rows in first_rows(member):
        for number, row in enumerate(rows):
            if len(row) > 1:
                yield Heading(separator, number, tuple(map(plain_name, row[:_COLUMNS_MAX])))


def heading_of(member: Member, *needs: frozenset[str]) -> Heading | None:
    """Return the heading that has a column of each of these sets of names, None when no row has."""
    return next((each for each in headings_of(member) if all(need & {*each.columns} for need in needs)), None)


def rows_of(member: Member, heading: Heading) -> Iterator[dict[str, str]]:
    """Yield the rows below a heading by column. Raises WindrowError `export_damaged` for a cell without end."""
    csv.field_size_limit(TEXT_BYTES_MAX)
    with member.open() as stream:
        text = text_in(stream, encoding_of(member.head))
        try:
            for number, row in enumerate(csv.reader(text, delimiter=heading.separator)):
                if number > heading.row and any(cell.strip() for cell in row):
                    cells = [cell.strip() for cell in row[: len(heading.columns)]]
                    cells += [""] * (len(heading.columns) - len(cells))
                    by_name = dict(zip(reversed(heading.columns), reversed(cells), strict=True))
                    yield {
                        name: by_name[name] for name in heading.columns
                    }  # the first of two, in the row's order
        except csv.Error as error:
            raise WindrowError("export_damaged", str(error)[:120]) from error
        finally:
            text.detach()


def first_of(row: dict[str, str], names: frozenset[str] | tuple[str, ...]) -> str:
    """Return the first cell that is not empty among columns of these names, in the row's order or the tuple's."""
    order = names if isinstance(names, tuple) else tuple(name for name in row if name in names)
    return next((row[name] for name in order if row.get(name)), "")
