"""How much of a full month one month of history is, and whether two people's months are parts of one stream.

    breadth   visits that count, at most 80 a day, over 2,000: what a month is paid by, at most 1
    spans     which ten minutes of the month held a visit, as bits of one number

Rules: pure. Breadth adds up under any cut whatever times or addresses are forged: parts of a month bring no more than
the visits that they hold, so that cutting pays only what lies beyond a full month. Two months are one stream when they
are active in the same ten minutes far more often than on any other two days, which leaves out what people share by
habit: hours of work, evenings, week-ends. A doubt of that kind costs nobody who together give one month or less.

Does not: know persons, keep spans, or pay. Does not see parts that are never active in the same ten minutes.

Source: coincidence against a shifted surrogate, Grün and Rotter, Analysis of Parallel Spike Trains (2010), ch. 17;
docs/adr/0060-parts-of-one-month.md.

Usage: `share = breadth_ppm(moments)`; `if same_stream(spans_of(a, "2026-03"), spans_of(b, "2026-03"), "2026-03"): …`.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rewards.personal.history_doubts import Moment
from windrow_protocol.limits import (
    HISTORY_DAY_VISITS_MAX,
    HISTORY_MONTH_VISITS,
    HISTORY_SPAN_MS,
    HISTORY_STREAM_LIFT_MIN,
    HISTORY_STREAM_OVERLAP_MIN,
    HISTORY_STREAM_SIGMAS_MIN,
)
from windrow_protocol.trust_rules import PPM

_DAY_MS: Final = 86_400_000
_SPANS_A_DAY: Final = _DAY_MS // HISTORY_SPAN_MS
_BYTES: Final = 31 * _SPANS_A_DAY // 8


def breadth_ppm(moments: Iterable[Moment]) -> int:
    """Return which part of a full month some visits of one month are, in millionths, at most a million."""
    days = Counter(moment.at_ms // _DAY_MS for moment in moments)
    counted = sum(min(visits, HISTORY_DAY_VISITS_MAX) for visits in days.values())
    return min(PPM, counted * PPM // HISTORY_MONTH_VISITS)


def spans_of(moments: Iterable[Moment], month: str) -> int:
    """Return the ten-minute spans of a month (`2026-03`, UTC) that hold a visit, the first as the lowest bit."""
    begin_ms, days = _month(month)
    spans = 0
    for moment in moments:
        place = (moment.at_ms - begin_ms) // HISTORY_SPAN_MS
        if 0 <= place < days * _SPANS_A_DAY:
            spans |= 1 << place
    return spans


def pack_spans(spans: int) -> bytes:
    """Return spans as 558 bytes, whatever the month."""
    return spans.to_bytes(_BYTES, "little")


def unpack_spans(packed: bytes) -> int:
    """Return what `pack_spans` packed."""
    return int.from_bytes(packed, "little")


def same_stream(one: int, other: int, month: str) -> bool:
    """Say whether two months' spans coincide as only parts of one person's do.

    `lift` is how much oftener they coincide than with one of them moved by whole days, `overlap` which part it is of
    what could coincide beyond that; the first shows thin parts, the second dense ones, of which lift says little.
    """
    together = (one & other).bit_count()
    if together < HISTORY_STREAM_SIGMAS_MIN:
        return False
    by_habit = _by_habit(one, other, _month(month)[1])
    beyond = together - by_habit
    possible = min(one.bit_count(), other.bit_count()) - by_habit
    if possible > 0 and beyond / possible >= HISTORY_STREAM_OVERLAP_MIN:
        return True
    floor = max(by_habit, 1.0)
    return together / floor >= HISTORY_STREAM_LIFT_MIN and beyond / floor**0.5 >= HISTORY_STREAM_SIGMAS_MIN


def _by_habit(one: int, other: int, days: int) -> float:
    """Return in how many spans two months coincide on average when one is moved by whole days, round the month."""
    spans = days * _SPANS_A_DAY
    mask = (1 << spans) - 1
    twice = other | other << spans
    found = sum((one & (twice >> day * _SPANS_A_DAY) & mask).bit_count() for day in range(1, days))
    return found / (days - 1)


def _month(month: str) -> tuple[int, int]:
    """Return when a month begins in ms since 1970, and how many days it has."""
    year, number = (int(part) for part in month.split("-"))
    begin = datetime(year, number, 1, tzinfo=UTC)
    return int(begin.timestamp()) * 1_000, monthrange(year, number)[1]
