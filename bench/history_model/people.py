"""Makes months of people's browsing for measuring what pays: alone, in a household, in an office, at one computer.

Rules: seeded; a person has hours of the day, sessions, gaps of all lengths, hosts that follow a power law, and comes
back to what they saw for half of their visits (Tauscher and Greenberg, IJHCS 47 (1997) 97: 58 % are returns). Members
of a household or office share absences, hours, meetings and pages as far as `Circle` says.

Does not: replace real histories, which nobody can publish. What a figure rests on it is worth as much as this model.

Usage: `moments = browse(Habits(seed=1, visits_a_day=60))`; `a, b = together(1, OFFICE, visits_a_day=60)`.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from rewards.personal.history_doubts import Moment

DAY_MS: Final = 86_400_000
BEGIN_MS: Final = 1_772_323_200_000  # 2026-03-01
DAYS: Final = 31
HOUR_MS: Final = 3_600_000
COMMON_HOSTS: Final = tuple(f"https://common{i}.example" for i in range(12))
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
# How much is done in each hour of a day, from midnight on, by people who sleep at night.
_HOURS: Final = (0, 0, 0, 0, 0, 0, 0.3, 1, 2, 3, 3, 2, 2, 3, 3, 3, 2, 2, 3, 4, 5, 5, 3, 0.7)
_OFFICE_HOURS: Final = (0,) * 8 + (2, 5, 5, 4, 1, 4, 5, 5, 4, 1, 0, 0.5, 0.5, 0.5, 0, 0)


@dataclass(frozen=True)
class Circle:
    """What people who live or work together have in common."""

    away_days: int = 0  # of the month, the same for all of them
    shared_places: int = 0
    shared_share: float = 0.0  # of visits that go to these
    pauses_a_day: int = 0  # hours in which none of them browses, at times that differ by day
    evening_share: float = 0.0  # of evenings on which all begin within some minutes of each other
    one_computer: bool = False  # while one is there, the other is not
    office: bool = False


ALONE: Final = Circle()
HOUSEHOLD: Final = Circle(away_days=5, shared_places=25, shared_share=0.10, pauses_a_day=1, evening_share=0.6)
OFFICE: Final = Circle(away_days=9, shared_places=60, shared_share=0.40, pauses_a_day=2, office=True)
ONE_COMPUTER: Final = Circle(away_days=5, shared_places=25, shared_share=0.10, one_computer=True)


@dataclass(frozen=True)
class Habits:
    """One person. `calendar` is what the circle's members have in common by chance; None for somebody alone."""

    seed: int
    visits_a_day: float = 45.0
    visits_a_session: float = 12.0
    return_share: float = 0.5
    shift_hours: int = 0
    circle: Circle = ALONE
    calendar: int | None = None
    busy: tuple[tuple[int, int], ...] = ()  # spans of time at which somebody else sits there


def browse(habits: Habits) -> list[Moment]:
    """Return a month of a person's visits in order of time."""
    drawn = random.Random(f"person {habits.seed}")
    where = _places(habits, drawn)
    moments = []
    for start_ms in _starts(habits, drawn):
        at_ms = start_ms
        for _ in range(1 + int(drawn.expovariate(1 / (habits.visits_a_session - 0.5)))):
            if any(begin <= at_ms < end for begin, end in habits.busy):
                break
            moments.append(Moment(at_ms, next(where)))
            at_ms += int(drawn.lognormvariate(3.0, 1.4) * 1_000) + drawn.randint(0, 999)
    return sorted(moments, key=lambda moment: moment.at_ms)


def together(seed: int, circle: Circle, *, visits_a_day: float = 45.0) -> tuple[list[Moment], list[Moment]]:
    """Return the months of two people of one circle."""
    first = Habits(seed * 2, visits_a_day, circle=circle, calendar=seed)
    a = browse(first)
    busy = _spans(a) if circle.one_computer else ()
    return a, browse(replace(first, seed=seed * 2 + 1, busy=busy))


def _spans(moments: list[Moment]) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for moment in moments:
        if spans and moment.at_ms - spans[-1][1] < 10 * 60_000:
            spans[-1] = (spans[-1][0], moment.at_ms + 60_000)
        else:
            spans.append((moment.at_ms, moment.at_ms + 60_000))
    return tuple(spans)


def _starts(habits: Habits, drawn: random.Random) -> list[int]:
    circle = habits.circle
    shared = random.Random(f"circle {habits.calendar}")
    away = set(shared.sample(range(DAYS), circle.away_days))
    weights = _OFFICE_HOURS if circle.office else _HOURS
    starts = []
    for day in range(DAYS):
        pauses = set(shared.choices(range(9, 21), k=circle.pauses_a_day))
        evening_ms = int((shared.uniform(18.5, 21.5)) * HOUR_MS)
        if day in away:
            continue
        sessions = _poisson(habits.visits_a_day / habits.visits_a_session, drawn)
        hours = [hour for hour in drawn.choices(range(24), weights, k=sessions) if hour not in pauses]
        times = [int((hour + drawn.random()) * HOUR_MS) for hour in hours]
        if drawn.random() < circle.evening_share:
            times.append(evening_ms + drawn.randint(-8, 8) * 60_000)
        starts += [BEGIN_MS + day * DAY_MS + at + habits.shift_hours * HOUR_MS for at in times]
    return sorted(starts)


def _poisson(mean: float, drawn: random.Random) -> int:
    count, left = 0, drawn.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + drawn.expovariate(1.0)
    return count


def _places(habits: Habits, drawn: random.Random) -> Iterator[str]:
    own = [f"https://own{habits.seed}-{i}.example" for i in range(200)]
    hosts = [*COMMON_HOSTS, *own]
    sums = list(accumulate(1 / (i + 1) for i in range(len(hosts))))
    ours = [f"https://ours{habits.calendar}.example/{_word(i)}" for i in range(habits.circle.shared_places)]
    our_sums = list(accumulate(1 / (i + 1) for i in range(len(ours))))
    seen: list[str] = []
    while True:
        if ours and drawn.random() < habits.circle.shared_share:
            yield ours[bisect(our_sums, drawn.random() * our_sums[-1])]
            continue
        if seen and drawn.random() < habits.return_share:
            url = seen[_back(len(seen), drawn)]
        else:
            host = hosts[bisect(sums, drawn.random() * sums[-1])]
            page = "" if drawn.random() < 0.15 else f"/{''.join(drawn.choices(_LETTERS, k=8))}"
            url = host + page
        seen.append(url)
        yield url


def _back(seen: int, drawn: random.Random) -> int:
    """Return which visit somebody returns to: mostly one of the last, sometimes any."""
    if drawn.random() < 0.7:
        return seen - 1 - int(min(drawn.expovariate(1 / 8), seen - 1))
    return drawn.randrange(seen)


def _word(number: int) -> str:
    return "".join(_LETTERS[number // 26**i % 26] for i in range(3))
