"""Looks at one month of a person's history for signs that a program made it up: its times, its places, its repetitions.

Rules: pure and deterministic; each check answers alone, with the figure it measured and the bound that was passed; a
short month is not judged, because chance looks like anything. A doubt keeps a month from being paid: it accuses nobody.

Does not: know who gave it, compare people (`history_fingerprints`), or set a price.

Source: burstiness, Goh and Barabási, EPL 81 (2008) 48002; that visits follow a power law and are mostly returns,
Tauscher and Greenberg, IJHCS 47 (1997) 97.

Usage: `for doubt in doubts_of(moments, now_ms=now): print(doubt.code, doubt.measured, doubt.bound)`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from windrow_protocol.limits import (
    CLOCK_SKEW_MS_MAX,
    HISTORY_BURSTINESS_MIN,
    HISTORY_COPIED_SHARE_MAX,
    HISTORY_HOST_EVENNESS_MAX,
    HISTORY_ITEMS_MIN,
    HISTORY_NEW_HOSTS_SHARE_MAX,
    HISTORY_NIGHT_SHARE_MAX,
    HISTORY_ROUND_SHARE_MAX,
    HISTORY_RUN_ITEMS,
    HISTORY_SAME_GAP_SHARE_MAX,
)

_HOUR_MS: Final = 3_600_000
_NIGHT_HOURS: Final = 5
_FIRST_MS: Final = 631_152_000_000  # 1990: before it nobody browsed
_DAYS_JUDGED_MIN: Final = 10  # a night shows in many days only
_VISITS_A_HOST_MIN: Final = 3  # fewer visits to each host say nothing about how even they are


@dataclass(frozen=True, slots=True)
class Moment:
    """One item of a history as far as it is judged: when, where, and whether its source tells parts of a second."""

    at_ms: int
    url: str
    has_fractions: bool = True


@dataclass(frozen=True, slots=True)
class Doubt:
    """One sign that a month was made up: what was measured, and the bound that it passed."""

    code: str
    measured: float
    bound: float


def doubts_of(moments: Sequence[Moment], *, now_ms: int) -> list[Doubt]:
    """Return the doubts about the items of one month, none for fewer than HISTORY_ITEMS_MIN of them but bad times."""
    ordered = sorted(moments, key=lambda moment: moment.at_ms)
    found = [impossible_times(ordered, now_ms)]
    if len(ordered) >= HISTORY_ITEMS_MIN:
        found += [check(ordered) for check in CHECKS]
    return [doubt for doubt in found if doubt is not None]


def impossible_times(ordered: Sequence[Moment], now_ms: int) -> Doubt | None:
    """Doubt a history with times before there was a web, or after now."""
    wrong = sum(not _FIRST_MS <= moment.at_ms <= now_ms + CLOCK_SKEW_MS_MAX for moment in ordered)
    return Doubt("impossible_times", float(wrong), 0.0) if wrong else None


def even_gaps(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt times that do not come in bursts: people do much at once and then nothing, programs draw or count.

    Burstiness is (σ − μ) / (σ + μ) of the gaps: −1 for a clock, 0 for times drawn at random, towards 1 for people.
    """
    gaps = [later.at_ms - earlier.at_ms for earlier, later in pairwise(ordered)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    burstiness = (spread - mean) / (spread + mean) if spread + mean else -1.0
    if burstiness >= HISTORY_BURSTINESS_MIN:
        return None
    return Doubt("even_gaps", round(burstiness, 4), HISTORY_BURSTINESS_MIN)


def same_gaps(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt gaps that are the same to the second too often: sessions made with a fixed step."""
    gaps = [(later.at_ms - earlier.at_ms) // 1_000 for earlier, later in pairwise(ordered)]
    longer = Counter(gap for gap in gaps if gap >= 3)  # redirects and reloads follow within a second or two
    share = max(longer.values(), default=0) / max(1, len(gaps))
    if share <= HISTORY_SAME_GAP_SHARE_MAX:
        return None
    return Doubt("same_gaps", round(share, 4), HISTORY_SAME_GAP_SHARE_MAX)


def no_night(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt a month without a night: the quietest five hours of the day, wherever they lie, hold too much.

    Hours in which there was anything are counted, not items, so that one long session is one session.
    """
    if ordered[-1].at_ms - ordered[0].at_ms < _DAYS_JUDGED_MIN * 24 * _HOUR_MS:
        return None
    awake = {moment.at_ms // _HOUR_MS for moment in ordered}
    hours = [0] * 24
    for hour in awake:
        hours[hour % 24] += 1
    quietest = min(sum(hours[(first + i) % 24] for i in range(_NIGHT_HOURS)) for first in range(24))
    share = quietest / len(awake)
    if share <= HISTORY_NIGHT_SHARE_MAX:
        return None
    return Doubt("no_night", round(share, 4), HISTORY_NIGHT_SHARE_MAX)


def round_times(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt whole seconds in a source that tells parts of them."""
    told = [moment for moment in ordered if moment.has_fractions]
    if len(told) < HISTORY_ITEMS_MIN:
        return None
    share = sum(moment.at_ms % 1_000 == 0 for moment in told) / len(told)
    if share <= HISTORY_ROUND_SHARE_MAX:
        return None
    return Doubt("round_times", round(share, 4), HISTORY_ROUND_SHARE_MAX)


def new_hosts(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt a history that hardly ever returns to a host: addresses drawn from a list, or made up."""
    hosts = [_host(moment.url) for moment in ordered]
    share = len(set(hosts)) / len(hosts)
    if share <= HISTORY_NEW_HOSTS_SHARE_MAX:
        return None
    return Doubt("new_hosts", round(share, 4), HISTORY_NEW_HOSTS_SHARE_MAX)


def even_hosts(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt visits spread evenly over hosts: people go to a few very often (evenness is entropy over its maximum)."""
    counts = Counter(_host(moment.url) for moment in ordered)
    if len(counts) < 2 or len(ordered) / len(counts) < _VISITS_A_HOST_MIN:
        return None
    shares = [count / len(ordered) for count in counts.values()]
    evenness = -sum(share * math.log(share) for share in shares) / math.log(len(counts))
    if evenness <= HISTORY_HOST_EVENNESS_MAX:
        return None
    return Doubt("even_hosts", round(evenness, 4), HISTORY_HOST_EVENNESS_MAX)


def copied_runs(ordered: Sequence[Moment]) -> Doubt | None:
    """Doubt a history in which long runs of addresses come again: a week written four times.

    A run of one address only is somebody reloading a page, so it does not count.
    """
    urls = [moment.url for moment in ordered]
    runs = Counter(
        run
        for run in zip(*(urls[i:] for i in range(HISTORY_RUN_ITEMS)), strict=False)
        if len(set(run)) > HISTORY_RUN_ITEMS // 2
    )
    total = runs.total()
    share = (total - len(runs)) / total if total else 0.0
    if share <= HISTORY_COPIED_SHARE_MAX:
        return None
    return Doubt("copied_runs", round(share, 4), HISTORY_COPIED_SHARE_MAX)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


CHECKS: Final[tuple[Callable[[Sequence[Moment]], Doubt | None], ...]] = (
    even_gaps,
    same_gaps,
    no_night,
    round_times,
    new_hosts,
    even_hosts,
    copied_runs,
)
