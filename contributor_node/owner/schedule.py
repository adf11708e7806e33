"""The weekly hours in which the owner lets the node work, in this machine's local time.

Rules: `mon-fri 22:00-07:00; sat,sun 00:00-24:00`: spans joined by semicolons, each with days and hours; without days it
is every day. An end at or before its start is on the following day. Nothing at all means always.

Does not: read a clock: it is given a local weekday and minute.

Usage: `Schedule.parse("mon-fri 22:00-07:00").is_open(datetime.now())`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN
SCHEDULE_CHARS_MAX = 500
_SPAN = re.compile(r"(?:(?P<days>[a-z,-]+)\s+)?(?P<start>\d{1,2}:\d\d)-(?P<end>\d{1,2}:\d\d)")
_EXAMPLE = "write it as `mon-fri 22:00-07:00; sat,sun 00:00-24:00`"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Spans (first, last + 1) in minutes from Monday 00:00, none beyond the week; no span means always."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read a schedule. Raises ValueError, saying what is wrong with it."""
        if len(text) > SCHEDULE_CHARS_MAX:
            raise ValueError(f"a schedule has at most {SCHEDULE_CHARS_MAX} characters")
        spans: list[tuple[int, int]] = []
        for part in (part.strip().lower() for part in text.split(";")):
            if part:
                spans += _spans(part)
        return cls(tuple(spans))

    def is_open(self, moment: datetime) -> bool:
        """Say whether work may be done at a local time."""
        minute = moment.weekday() * DAY_MIN + moment.hour * 60 + moment.minute
        return not self.spans or any(start <= minute < end for start, end in self.spans)

    def next_opening(self, moment: datetime) -> datetime | None:
        """Return the local time at which it is open next (now, where it is); None where it never is."""
        minute = moment.replace(second=0, microsecond=0)
        if self.is_open(moment):
            return minute
        now = moment.weekday() * DAY_MIN + moment.hour * 60 + moment.minute
        waits = [(start - now) % WEEK_MIN for start, end in self.spans if start < end]
        return minute + timedelta(minutes=min(waits)) if waits else None


def _spans(part: str) -> list[tuple[int, int]]:
    found = _SPAN.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is no span of a schedule; {_EXAMPLE}")
    start, end = _minute(found["start"]), _minute(found["end"])
    length = (end - start) % DAY_MIN or DAY_MIN
    spans = []
    for day in _days(found["days"] or "mon-sun"):
        first = day * DAY_MIN + start
        spans.append((first, min(first + length, WEEK_MIN)))
        if first + length > WEEK_MIN:  # Sunday night goes on on Monday
            spans.append((0, first + length - WEEK_MIN))
    return spans


def _minute(text: str) -> int:
    hour, minute = (int(number) for number in text.split(":"))
    if minute > 59 or hour * 60 + minute > DAY_MIN:
        raise ValueError(f"{text} is no time of a day; {_EXAMPLE}")
    return hour * 60 + minute


def _days(text: str) -> list[int]:
    days: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in DAYS or last not in DAYS:
            raise ValueError(f"{part!r} is no day; the days are {', '.join(DAYS)}")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 + 1
        days |= dict.fromkeys((start + step) % 7 for step in range(length))
    return list(days)
