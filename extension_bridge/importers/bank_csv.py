"""Bank statements as CSV, which every bank writes in its own way: a date, what it was for, and an amount.

Rules: columns are found by what they are called (`bank_columns`), or by what is in them where nothing is; one amount,
with its sign or a column that says it, or one column for what came in and one for what went out; the order of day and
month is what makes all dates of the file possible.

Does not: read account numbers and balances: columns it does not know are dropped.

Usage: `FORMATS` of the registry's `bank_statement`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.bank_columns import (
    AMOUNT,
    CURRENCY,
    DATE,
    DIRECTION,
    IN,
    MORE,
    OUT,
    STATE,
    WENT_OUT,
    WHAT,
    column_name,
)
from extension_bridge.importers.bank_unheaded import unheaded
from extension_bridge.importers.clocks import UNKNOWN, Moment, from_iso
from extension_bridge.importers.date_orders import Order, order_of
from extension_bridge.importers.formats import Answer, Format, answered
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.tables import Heading, first_of, headings_of, rows_of
from extension_bridge.importers.wall_times import wall_moment

_NOT_BOOKED: Final = frozenset({"declined", "failed", "reverted", "cancelled", "canceled", "rejected"})
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*-?")
_WENT_OUT_BEHIND: Final = re.compile(r"\d\s*(?:DR|D|S)\.?$", re.I)
_DATES_LOOKED_AT: Final = 5_000


def _heading(member: Member) -> Heading | None:
    found = [replace(each, columns=tuple(map(column_name, each.columns))) for each in headings_of(member)]
    whats = (frozenset(WHAT), AMOUNT), (frozenset((*WHAT, *MORE)), AMOUNT | OUT | IN)
    for what, money in whats:
        for each in found:
            names = {*each.columns}
            if names & DATE and names & what and names & money:
                return each
    return unheaded(member)


def _answer(row: dict[str, str], order: Order) -> Answer:
    at = _day(_date_of(row), order)
    if not at[0]:
        return "no_date"
    if first_of(row, STATE).lower() in _NOT_BOOKED:
        return "declined"
    amount = _amount(row)
    words = [row[name] for name in (*WHAT, *MORE) if row.get(name)]
    if amount is None:
        return "malformed"
    title, more = (words[0], [each for each in words if each != words[0]]) if words else ("", [])
    money = f"{amount} {first_of(row, tuple(n for n in CURRENCY if not _looks_like_date(row.get(n, ''))))}"
    return Draft("transaction", at[0], at[1], title, "\n".join(dict.fromkeys(more)), amount=money.strip())


def _date_of(row: dict[str, str]) -> str:
    """Return the first cell of a row's columns of dates that may be one: Valuta also means currency."""
    return next((row[name] for name in row if name in DATE and _looks_like_date(row[name])), "")


def _looks_like_date(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _amount(row: dict[str, str]) -> str | None:
    """Return what went in or out as it is written, a minus before what went out of a column of its own."""
    plain = first_of(row, AMOUNT)
    if plain:
        number = _number(plain)
        is_bare = number is not None and number[0].isdigit()
        return f"-{number}" if is_bare and _went_out(row) else number
    out, into = _number(first_of(row, OUT)), _number(first_of(row, IN))
    if out and out.strip("0.,"):
        return out if out.startswith("-") else f"-{out}"
    return into or out


def _went_out(row: dict[str, str]) -> bool:
    return any(row.get(name, "").lower() in WENT_OUT for name in DIRECTION)


def _number(cell: str) -> str | None:
    """Return the number in a cell, without the sign of a currency; brackets and a minus behind it mean minus."""
    minus = bool(_WENT_OUT_BEHIND.search(cell))
    bare = re.sub(r"[^\d.,'+\-\u2212() \u00a0\u202f]", "", cell).strip().replace("\u2212", "-")
    minus = minus or bare.startswith("(") or bare.endswith("-")
    found = _NUMBER.search(bare)
    if not found:
        return None
    number = re.sub(r"[ \u00a0\u202f']", "", found.group()).rstrip("-")
    return f"-{number}" if minus and not number.startswith("-") else number


def _day(cell: str, order: Order) -> Moment:
    found = from_iso(cell)
    if found[0]:
        return found
    if re.fullmatch(r"\d{8}", cell):
        return from_iso(f"{cell[:4]}-{cell[4:6]}-{cell[6:]}")
    return wall_moment(cell, order=order) if cell else UNKNOWN


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    heading = _heading(member)
    if heading is None:
        return
    dates = (_date_of(row) for row in rows_of(member, heading))
    order = order_of(islice(dates, _DATES_LOOKED_AT))
    for row in rows_of(member, heading):
        yield from answered(_answer(row, order), tally)


FORMATS: Final = (
    Format(
        "bank_csv", frozenset({".csv", ".tsv", ".txt"}), lambda member: _heading(member) is not None, _reads
    ),
)
