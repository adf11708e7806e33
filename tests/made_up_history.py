"""Ways in which a program makes a month of history up, from a real one or from nothing."""

from __future__ import annotations

import random
from dataclasses import replace

from history_world import BEGIN_MS, word

from extension_bridge.consent import DAY_MS
from rewards.personal.history_doubts import Moment


def drawn_times(moments: list[Moment]) -> list[Moment]:
    drawn = random.Random(1)
    return [replace(each, at_ms=BEGIN_MS + drawn.randrange(29 * DAY_MS)) for each in moments]


def counted_times(moments: list[Moment]) -> list[Moment]:
    step = 29 * DAY_MS // len(moments)
    return [replace(each, at_ms=BEGIN_MS + i * step + i % 7) for i, each in enumerate(moments)]


def stepped_sessions(moments: list[Moment]) -> list[Moment]:
    drawn, at_ms, made = random.Random(1), BEGIN_MS, []
    for i, each in enumerate(moments):
        at_ms += drawn.randint(4, 9) * 3_600_000 if i % 20 == 0 else 30_000 + drawn.randint(0, 400)
        made.append(replace(each, at_ms=at_ms))
    return made


def sleepless(moments: list[Moment]) -> list[Moment]:
    """Sessions as they were, each begun at any hour of its day."""
    begun = {
        each.at_ms // 3_600_000: random.Random(each.at_ms // 3_600_000).randrange(24) for each in moments
    }
    return [
        replace(each, at_ms=each.at_ms + (begun[each.at_ms // 3_600_000] - 12) * 3_600_000)
        for each in moments
        if each.at_ms > BEGIN_MS + DAY_MS
    ]


def whole_seconds(moments: list[Moment]) -> list[Moment]:
    return [replace(each, at_ms=each.at_ms // 1_000 * 1_000) for each in moments]


def invented_hosts(moments: list[Moment]) -> list[Moment]:
    return [replace(each, url=f"https://h{i}.example/") for i, each in enumerate(moments)]


def even_choice(moments: list[Moment]) -> list[Moment]:
    drawn = random.Random(1)
    return [replace(each, url=f"https://h{drawn.randrange(40)}.example/{word(drawn)}") for each in moments]


def one_week_four_times(moments: list[Moment]) -> list[Moment]:
    week = [each for each in moments if each.at_ms < BEGIN_MS + 7 * DAY_MS]
    drawn = random.Random(1)
    return [
        replace(each, at_ms=each.at_ms + copy * 7 * DAY_MS + drawn.randint(0, 900))
        for copy in range(4)
        for each in week
    ]
