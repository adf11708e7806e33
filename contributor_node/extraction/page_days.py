"""The day in a time as pages write it, in numbers or in the words of some fifteen languages.

Rules: year first, or day first with points or dashes between; a month in words on either side of the day. Numbers with
slashes that begin with no year may mean either order and are none. Days before 1990 are none.

Does not: look for a time in a page, or know what it is the time of.

Usage: `day_in("Freitag, 17. Mai 2024")`   # "2024-05-17"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

SAID_CHARS_MAX: Final = 300
_FIRST_DAY: Final = date(1990, 1, 1)
_Y, _M, _D = r"((?:19|20)\d\d)", r"(0?[1-9]|1[0-2])", r"(0?[1-9]|[12]\d|3[01])"
_DAY: Final = re.compile(
    rf"(?<!\d){_Y}(?:([-/. ]{{1,2}}){_M}\2{_D}|(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))(?!\d)"
)
_DAY_LAST: Final = re.compile(rf"(?<!\d){_D}(\.\s?|-){_M}\2{_Y}(?!\d)")
_DAY_NAMED: Final = re.compile(
    rf"(?<!\d){_D}(?:\.|st|nd|rd|th|er|º)?\s*(?:de\s+|of\s+|-)?([^\W\d_]{{3,12}})\.?,?\s*(?:de\s+|-)?{_Y}(?!\d)"
    rf"|([^\W\d_]{{3,12}})\.?\s+{_D}(?:st|nd|rd|th)?,?\s+{_Y}(?!\d)"
)
_DAY_EAST: Final = re.compile(rf"{_Y}\s?[年년]\s?{_M}\s?[月월]\s?{_D}\s?[日일]")
_MONTHS: Final = tuple(
    re.compile(begins, re.I)
    for begins in (
        "jan|jän|gen|ene|янв|led|sty|oca",
        "feb|fév|fev|фев|úno|lut|şub",
        "mar|mär|mrt|мар|bře|březn",
        "apr|avr|abr|апр|dub|kwi|nis",
        "ma[iyj]|mag|мая|май|kvě|maj",
        "jun|juin|giu|июн|čvn|cze|haz",
        "jul|juil|lug|июл|čvc|lip|tem",
        "aug|aoû|aou|ago|авг|srp|sie|ağu",
        "sep|set|сен|zář|wrz|eyl",
        "o[ck]t|ott|out|окт|říj|paź|eki",
        "nov|ноя|lis|kas",
        "de[cz]|dic|déc|дек|pro|gru|ara",
    )
)


def day_in(said: str) -> str:
    """Return the first day in a time as pages write it; empty where there is none that can be."""
    said = said[:SAID_CHARS_MAX]
    for year, month, day in _readings(said):
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            continue
        if found >= _FIRST_DAY:
            return found.isoformat()
    return ""


def _readings(said: str) -> Iterator[tuple[str, str, str]]:
    if found := _DAY.search(said):
        year, _, month, day, close_month, close_day = found.groups()
        yield year, month or close_month, day or close_day
    if found := _DAY_LAST.search(said):
        yield found[4], found[3], found[1]
    for named in _DAY_NAMED.finditer(said):
        day, name, year = (named[1], named[2], named[3]) if named[1] else (named[5], named[4], named[6])
        if month := _month(name):
            yield year, month, day
    if found := _DAY_EAST.search(said):
        yield found[1], found[2], found[3]


def _month(name: str) -> str:
    return next((str(number) for number, begins in enumerate(_MONTHS, 1) if begins.match(name)), "")
