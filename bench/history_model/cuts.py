"""Ways in which one person's month of history is cut into parts, to be given under several names.

Rules: seeded; every visit of the month is in exactly one part; the order of time is kept unless times are forged.

Does not: judge or pay what comes out.

Usage: `parts = CUTS["in_turn"](browse(Habits(seed=1)), 4)`.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from bench.history_model.people import DAY_MS, HOUR_MS
from rewards.personal.history_doubts import Moment

Months = list[list[Moment]]
_PAUSE_MS: Final = HOUR_MS // 2  # what lies between two sessions


def in_turn(moments: list[Moment], parts: int) -> Months:
    """Each visit to the next part."""
    return [moments[first::parts] for first in range(parts)]


def by_chance(moments: list[Moment], parts: int) -> Months:
    """Each visit to any part."""
    drawn = random.Random(1)
    return _sorted_into(moments, parts, lambda _: drawn.randrange(parts))


def by_host(moments: list[Moment], parts: int) -> Months:
    """All visits to a host in one part."""
    return _sorted_into(
        moments, parts, lambda at: zlib.crc32((urlsplit(at.url).hostname or "").encode()) % parts
    )


def by_session(moments: list[Moment], parts: int) -> Months:
    """Whole sessions to any part: no two parts are active at once."""
    drawn = random.Random(1)
    cut: Months = [[] for _ in range(parts)]
    for session in sessions_of(moments):
        cut[drawn.randrange(parts)] += session
    return cut


def by_hour_of_day(moments: list[Moment], parts: int) -> Months:
    """The mornings in one part, the evenings in another, each with as many visits."""
    hours = sorted(moment.at_ms % DAY_MS for moment in moments)
    bounds = [hours[len(hours) * i // parts] for i in range(1, parts)]
    return _sorted_into(moments, parts, lambda at: sum(at.at_ms % DAY_MS >= bound for bound in bounds))


def by_day(moments: list[Moment], parts: int) -> Months:
    """The first days in one part, the next in another."""
    first, last = moments[0].at_ms, moments[-1].at_ms + 1
    return _sorted_into(moments, parts, lambda at: (at.at_ms - first) * parts // (last - first))


def by_host_with_forged_times(moments: list[Moment], parts: int) -> Months:
    """By host, and each session moved by up to two hours: nothing that is looked at is common to two parts."""
    drawn = random.Random(1)
    return [
        sorted(
            (
                replace(moment, at_ms=moment.at_ms + by_ms)
                for session in sessions_of(part)
                for by_ms in (drawn.randint(-2 * HOUR_MS, 2 * HOUR_MS),)
                for moment in session
            ),
            key=lambda moment: moment.at_ms,
        )
        for part in by_host(moments, parts)
        if part
    ]


def sessions_of(moments: list[Moment]) -> Months:
    """Return a month's sessions: visits between which there is no half hour."""
    sessions = [[moments[0]]]
    for earlier, later in pairwise(moments):
        if later.at_ms - earlier.at_ms > _PAUSE_MS:
            sessions.append([])
        sessions[-1].append(later)
    return sessions


def _sorted_into(moments: list[Moment], parts: int, place: Callable[[Moment], int]) -> Months:
    cut: Months = [[] for _ in range(parts)]
    for moment in moments:
        cut[place(moment)].append(moment)
    return cut


CUTS: Final[dict[str, Callable[[list[Moment], int], Months]]] = {
    "in_turn": in_turn,
    "by_chance": by_chance,
    "by_host": by_host,
    "by_session": by_session,
    "by_hour_of_day": by_hour_of_day,
    "by_day": by_day,
    "by_host_with_forged_times": by_host_with_forged_times,
}
