"""Finds out in which order the all-numeric dates of a file say day, month and year: by what makes all of them possible.

Rules: where more than one order fits, the file's own order decides, because its entries come one after the other as a
rule; where that says nothing either, the day stands first, as in most of the world.

Does not: read a date (see `wall_times`).

Usage: `order_of(["1/31/20", "2/1/20"])  # "mdy"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

Order = Literal["dmy", "mdy", "ymd"]  # a year of four digits at the beginning is seen without being told

NUMBER: Final = re.compile(r"\d+")
_THAI_YEARS: Final = 543  # by which Thailand's calendar is ahead
_DAYS_FOR_A_YEAR: Final = 4  # numbers that change so much more often than others are the days beside years


def plain_digits(text: str) -> str:
    """Return a text with the digits of every script as ASCII."""
    if text.isascii():
        return text
    return "".join(str(int(c)) if c.isdecimal() else c for c in text)


def whole_year(number: int) -> int:
    """Return the year that a date's number means: two digits, or of Thailand's calendar."""
    if number < 100:
        return number + (2000 if number < 70 else 1900)
    return number - _THAI_YEARS if number > 2400 else number


def order_of(texts: Iterable[str]) -> Order:
    """Return the order of these dates; what is no date of three numbers says nothing."""
    dates = [found for text in texts if len(found := _numbers(text)) == 3]
    if _begin_with_years(dates):
        return "ymd"
    return "dmy" if _begin_with_days(dates) else "mdy"


def _numbers(text: str) -> list[int]:
    return [int(each) for each in NUMBER.findall(plain_digits(text))[:3] if len(each) <= 4]


def _begin_with_years(dates: list[list[int]]) -> bool:
    """Say whether years of two digits stand first: those change less often than days, which then stand last."""
    possible = all(1 <= month <= 12 and 1 <= day <= 31 and year < 100 for year, month, day in dates)
    years, days = {first for first, _, _ in dates}, {last for _, _, last in dates}
    return bool(dates) and possible and len(years) * _DAYS_FOR_A_YEAR <= len(days)


def _begin_with_days(dates: list[list[int]]) -> bool:
    readable = {True: 0, False: 0}
    steps_back = {True: 0, False: 0}
    before = {True: 0, False: 0}
    rising = {True: 0, False: 0}
    for numbers in dates:
        if numbers[0] > 31:
            continue
        for first, (day, month) in ((True, numbers[:2]), (False, numbers[1::-1])):
            if month <= 12 and day <= 31:
                at = (whole_year(numbers[2]) * 100 + month) * 100 + day
                readable[first] += 1
                steps_back[first] += at < before[first]
                rising[first] += at > before[first] > 0
                before[first] = at
    if readable[True] != readable[False]:
        return readable[True] > readable[False]
    disorder = {first: min(steps_back[first], rising[first]) for first in (True, False)}
    return disorder[True] <= disorder[False]
