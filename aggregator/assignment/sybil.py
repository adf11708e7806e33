"""Sybil limits: how many nodes of one neighbourhood work at once, and what identities nobody knows yet may take.

    neighbourhood   at most nodes_per_prefix_max nodes of a /24 or /48 are active; the others queue, in the order of
                    their registration. A place is free again when its node left, was silent for a day, or moved
                    away and has answered what it was leased there.
    quarantine      while a suspension in a prefix is younger than prefix_quarantine_ms, no new identity is taken there,
                    and no young one moves in.
    the young       identities whose bond is not complete share max(young_leases_per_day, young_lease_share_ppm of the
                    day's leases) a day. When more prefixes ask than that can serve, a lottery keyed by day and
                    prefix says which; one prefix gets at most twice what one bond takes.

Rules: a shared address is no guilt: who queues is told the place and is served later. The lottery's seed is published
when its day is over, so that anyone can draw it again. Validators, which the operator named, are not counted.

Does not: decide what a suspension is (`verification/consequences`), or register nodes (`roster`).

Usage::

    admission(rules, active=2, ahead=0)                     # Admission("active", 0)
    young_leases_left(rules, Day(given=10_000, young=100), "203.0.113.0/24", rivals, seed)

Source: docs/protocol.md, "Sybil limits"; Douceur, "The Sybil Attack" (IPTPS 2002).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from aggregator.assignment.placement import keyed_place
from windrow_protocol.trust_rules import PPM, TrustRules

BONDS_PER_PREFIX: Final = 2  # of leases a day, because not every lease ends in a document


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a node works or queues; `position` counts from 1 in the queue and is 0 for a node at work."""

    state: Literal["active", "queued"]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """Leases given on a day: to all, to young identities, and to those of the prefix that is asked about."""

    given: int = 0
    young: int = 0
    young_of_prefix: int = 0


def admission(rules: TrustRules, active: int, ahead: int) -> Admission:
    """Say whether a node may work beside `active` others of its prefix with `ahead` queued before it."""
    free = rules.nodes_per_prefix_max - active
    if not rules.on("sybil_limits") or ahead < free:
        return Admission("active")
    return Admission("queued", ahead + 1 - max(free, 0))


def quarantine_ends_ms(rules: TrustRules, suspended_at_ms: int | None, now_ms: int) -> int:
    """Return until when a prefix takes no new identity, given its last suspension; 0 when it takes them."""
    if suspended_at_ms is None or not rules.on("sybil_limits"):
        return 0
    ends_ms = suspended_at_ms + rules.prefix_quarantine_ms
    return ends_ms if ends_ms > now_ms else 0


def young_budget(rules: TrustRules, given: int) -> int:
    """Return how many of a day's leases young identities may have together."""
    return max(rules.young_leases_per_day, given * rules.young_lease_share_ppm // PPM)


def prefix_quota(rules: TrustRules) -> int:
    """Return how many of a day's leases the young identities of one prefix may have."""
    return max(1, BONDS_PER_PREFIX * rules.probation_documents)


def lottery(seed: bytes, prefixes: Collection[str]) -> list[str]:
    """Return prefixes in the order in which a day's lottery draws them."""
    return sorted(prefixes, key=lambda prefix: keyed_place(seed, "young", prefix))


def young_leases_left(rules: TrustRules, day: Day, prefix: str, rivals: Collection[str], seed: bytes) -> int:
    """Return how many leases young identities of a prefix may still get on a day.

    `rivals` are the other prefixes whose young identities ask at the same time and have quota left.
    """
    left, quota = young_budget(rules, day.given) - day.young, prefix_quota(rules)
    own = min(left, quota - day.young_of_prefix)
    if own <= 0:
        return 0
    winners = -(-left // quota)
    return own if prefix in lottery(seed, {*rivals, prefix})[:winners] else 0
