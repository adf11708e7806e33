"""How much work a node may hold at once: two hours of the pace it has shown, less for what it let expire.

    shown      = answers of the last two hours, per time it was at work in them (at least one lease's life)
    reliable   = answered / (answered + expired), over a day
    allowance  = clip(two hours of `shown` · reliable², 1, LEASES_OUTSTANDING_MAX)

    forgiven   = LEASES_NEWCOMER_MAX + answered of a day / ANSWERS_PER_LAPSE_UNHEARD

Rules: a lease that lapses and of which its node never heard counts neither way, as far as that is forgiven; but who
heard nothing since gets one at a time until it says that it hears. A node nobody knows yet holds
`LEASES_NEWCOMER_MAX`; one that only lets leases expire ends at a single lease, so that it can come back by answering.

Does not: count anything (`leases`), or know sybils (`sybil`).

Usage: `lease_allowance(Answered(recent=40, recent_ms=3_600_000, day=40, expired=0))`.

Source: docs/protocol.md, "Lease" (outstanding work per node at most 2 h of its pace).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from windrow_protocol.limits import (
    ANSWERS_PER_LAPSE_UNHEARD,
    LEASE_LIFE_MS,
    LEASES_NEWCOMER_MAX,
    LEASES_OUTSTANDING_MAX,
    PACE_MEMORY_MS,
)

_PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Answered:
    """What a node made of its leases: answers of two hours and the time at work in them, and answers of a day.

    `deaf`: leases lapsed of which it never heard, and it has heard of none since.
    """

    recent: int = 0
    recent_ms: int = 0
    day: int = 0
    expired: int = 0
    deaf: bool = False


def lapses_held_against(unheard: int, answered: int) -> int:
    """Return how many of a day's leases that lapsed unheard count as abandoned after so many answers of that day."""
    return max(0, unheard - LEASES_NEWCOMER_MAX - answered // ANSWERS_PER_LAPSE_UNHEARD)


def lease_allowance(answered: Answered) -> int:
    """Return how many leases a node may hold at once."""
    if answered.deaf:
        return 1
    if not answered.day and not answered.expired:
        return LEASES_NEWCOMER_MAX
    at_work_ms = min(max(answered.recent_ms, LEASE_LIFE_MS), PACE_MEMORY_MS)
    shown = answered.recent * PACE_MEMORY_MS // at_work_ms
    if not answered.recent:  # it has been away, and comes back like a newcomer
        shown = LEASES_NEWCOMER_MAX
    reliable_ppm = (answered.day + 1) * _PPM // (answered.day + answered.expired + 1)
    wanted = shown * reliable_ppm * reliable_ppm // _PPM**2
    return min(max(wanted, 1), LEASES_OUTSTANDING_MAX)
