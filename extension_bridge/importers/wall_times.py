"""Reads dates and times as people write them, in any language whose months the CLDR knows: `31 janv. 2018, 22:54:50`.

Rules: a time without a zone stays a `local` one; of two numbers that could both be the month, the order that the
caller found elsewhere in the file decides, else the day stands first, as in most of the world.

Does not: guess a language, or read words such as "yesterday".

Usage: `wall_moment("Jan 31, 2018, 10:54:50 PM PST")`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

from babel import Locale

from extension_bridge.importers.clocks import UNKNOWN, Moment, from_day, from_parts
from extension_bridge.importers.date_orders import NUMBER, Order, plain_digits, whole_year

_CHARS_MAX: Final = 120
_TIME: Final = re.compile(r"(?<![\d:])(\d{1,2}):(\d\d)(?::(\d\d))?(?:[.,](\d{3}))?(?![\d:])")
_DOTTED_TIME: Final = re.compile(r"(?<![\d.])(\d{1,2})\.(\d\d)(?:\.(\d\d))?(?![\d.])")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_INNER_DOT: Final = re.compile(r"(?<=[^\W\d_])\.(?=[^\W\d_])")
_OFFSET: Final = re.compile(r"(?:GMT|UTC|UT)?\s*([+-]\d{1,2})(?::?(\d\d))?\s*$")
_ZONE_BEFORE: Final = re.compile(r"(?:GMT|UTC)[+-]\d{1,2}(?::\d\d)?\s*$")  # as Google's pages in Chinese
_CHINA: Final = 480  # what CST means in a Chinese date

# Those in which the large services write exports. All of the CLDR would take 130 MB.
_LANGUAGES: Final = (
    *("af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "da", "de", "el", "en", "es", "et"),
    *("eu", "fa", "fi", "fil", "fr", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja"),
    *("ka", "kk", "km", "kn", "ko", "ky", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "nb"),
    *("ne", "nl", "pa", "pl", "pt", "ro", "ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te"),
    *("th", "tr", "uk", "ur", "uz", "vi", "zh", "zu"),
)
_ENGLISH_MONTHS: Final[dict[str, int]] = {  # looked up first: the others take a second to gather
    name: number
    for locale in (Locale("en"), Locale("en", "GB"))
    for names in locale.months["format"].values()
    for number, name in ((n, each.lower()) for n, each in names.items())
    if len(name) >= 3
}

# Minutes from UTC of the abbreviations that mean one zone; others (IST, CST in Asia) stay local times.
_ZONES: Final[dict[str, int]] = {
    name: minutes
    for minutes, names in (
        (0, "UTC GMT Z WET UCT"),
        (60, "CET MEZ WEST BST"),
        (120, "CEST MESZ EET OEZ SAST CAT"),
        (180, "EEST OESZ MSK EAT TRT"),
        (300, "PKT"),
        (420, "WIB ICT"),
        (480, "HKT SGT AWST PHT"),
        (540, "JST KST"),
        (600, "AEST"),
        (660, "AEDT"),
        (720, "NZST"),
        (780, "NZDT"),
        (-180, "BRT ART ADT"),
        (-240, "AST EDT"),
        (-300, "EST CDT"),
        (-360, "CST MDT"),
        (-420, "MST PDT"),
        (-480, "PST AKDT"),
        (-540, "AKST"),
        (-600, "HST"),
    )
    for name in names.split()
}


@lru_cache(maxsize=4_096)
def wall_moment(text: str, *, order: Order | None = None) -> Moment:
    """Return the moment that a line says; `order` is that of an all-numeric date where it is ambiguous."""
    if len(text) > _CHARS_MAX or not any(map(str.isdigit, text)):
        return UNKNOWN
    plain = plain_digits(unicodedata.normalize("NFKC", text)).replace("\u200e", "").replace("\u200f", "")
    time = _TIME.search(plain) or _dotted_behind_a_month(plain)
    rest = f"{plain[: time.start()]} {_OFFSET.sub('', plain[time.end() :])}" if time else plain
    day = _date_in(rest, order)
    if not time and day:
        dotted = [
            each for each in _DOTTED_TIME.finditer(plain) if int(each[1]) < 24 and each.start() >= day[3]
        ]
        time = dotted[-1] if dotted else None
    if not day:
        return UNKNOWN
    if not time:
        return from_day(*day[:3])
    hour = _hour(int(time[1]), plain[: time.start()], plain[time.end() :])
    milli = int(time[4] or 0) if time.re is _TIME else 0
    offset = _CHINA if "年" in plain and "CST" in plain else _offset_in(plain[time.end() :])
    if offset is None and (before := _ZONE_BEFORE.search(plain[: time.start()])):
        offset = _offset_in(before[0])
    return from_parts(*day[:3], hour, int(time[2]), int(time[3] or 0), milli, offset)


def _dotted_behind_a_month(text: str) -> re.Match[str] | None:
    """Return a time such as `19.20.11`, which alone may be a date, behind the name of a month."""
    found = next(filter(lambda each: each[3] and int(each[1]) < 24, _DOTTED_TIME.finditer(text)), None)
    return found if found and _month_in(text[: found.start()]) else None


def _date_in(text: str, order: Order | None) -> tuple[int, int, int, int] | None:
    """Return (year, month, day, where the date ends) of a line whose time of day was taken out."""
    found = list(NUMBER.finditer(text))[:3]
    numbers = [int(each.group()) for each in found if len(each.group()) <= 4]
    if len(numbers) < 2:
        return None
    month = _month_in(text) if len(numbers) == 2 else 0
    end = found[-1].end()
    if month:
        year, day = sorted(numbers[:2], reverse=True)
        if year < 32:  # both are short: the year stands last, as in "31 Jan 18"
            day, year = numbers[:2]
        return whole_year(year), month, day, max(end, 0)
    if len(numbers) < 3:
        return None
    first, second, third = numbers
    if first > 31 or (order == "ymd" and second <= 12):
        return whole_year(first), second, third, end
    if second > 12 or (order == "mdy" and first <= 12):
        return whole_year(third), first, second, end
    return whole_year(third), second, first, end


def _month_in(text: str) -> int:
    words = [word.lower() for word in _words(text) if word not in _ZONES]
    named = next((_ENGLISH_MONTHS[word] for word in words if word in _ENGLISH_MONTHS), 0)
    return named or next((_months()[word] for word in words if word in _months()), 0) if words else 0


def _words(text: str) -> list[str]:
    """Return the words of a text; dots between the letters of an abbreviation are left out."""
    return _WORD.findall(_INNER_DOT.sub("", text))


def _hour(hour: int, before: str, after: str) -> int:
    """Return the hour of the day, by the half of the day that is named right beside it."""
    if hour > 12:
        return hour
    left, right = _words(before.lower())[-2:], _words(after.lower())[:2]
    beside = {*left[-1:], *right[:1], "".join(left), "".join(right)} - {""}
    if not beside or beside & {"am", "pm"}:  # nothing, or English: the other languages take a while to gather
        return (hour % 12 + (12 if "pm" in beside else 0)) if beside else hour
    for words, named in ((_halves()[1], hour % 12 + 12), (_halves()[0], hour % 12)):
        if beside & words or any(map(_ends_in(words), beside)):
            return named
    return hour


def _ends_in(words: frozenset[str]) -> Callable[[str], bool]:
    """Return whether a word ends in one of these; only in writing that sets no blanks, as in `31日下午`."""
    unspaced = tuple(word for word in words if word > "\u2e80")
    return lambda word: word.endswith(unspaced)


def _offset_in(after: str) -> int | None:
    """Return the minutes from UTC that the words after a time name, None when they name no zone."""
    offset = _OFFSET.search(after)
    if offset:
        hours, minutes = int(offset[1]), int(offset[2] or 0)
        return hours * 60 + (minutes if hours >= 0 else -minutes)
    return next((_ZONES[word] for word in reversed(_WORD.findall(after)) if word in _ZONES), None)


@cache
def _languages() -> list[Locale]:
    return [Locale.parse(name) for name in _LANGUAGES]


@cache
def _months() -> dict[str, int]:
    """Return every name of a month that means one month only, in lower case, without dots."""
    names: dict[str, set[int]] = {}
    for locale in _languages():
        for context in ("format", "stand-alone"):
            for width in ("abbreviated", "wide"):
                for number, name in locale.months.get(context, {}).get(width, {}).items():
                    for word in _words(unicodedata.normalize("NFKC", name).lower()):
                        if len(word) >= 2:
                            names.setdefault(word, set()).add(number)
    return {name: numbers.pop() for name, numbers in names.items() if len(numbers) == 1}


@cache
def _halves() -> tuple[frozenset[str], frozenset[str]]:
    """Return the words for before and after noon, without blanks."""
    found: tuple[set[str], set[str]] = ({"am", "ص"}, {"pm", "م"})  # Arabic has one letter each
    for locale in _languages():
        for widths in locale.day_periods.values():
            for names in widths.values():
                for i, half in enumerate(("am", "pm")):
                    word = re.sub(r"[\s.]", "", names.get(half, "")).lower()
                    if len(word) >= 2:
                        found[i].add(word)
    return frozenset(found[0] - found[1]), frozenset(found[1] - found[0])
