"""The many audits of which nothing follows: counted together, with the same result as one by one.

Rules: held to `observe` by a test. Does not: decide which audits these are (`judging`).

Usage: `standing = with_quiet_matches(rules, standing, 12, honest_ppm, stood_for=300.0)`.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from aggregator.verification.standings.standing import Standing
from windrow_protocol.trust_rules import PPM, TrustRules


def is_quiet(standing: Standing) -> bool:
    """Say whether matches without excess only count up and let the suspicion fall."""
    return standing.escalation is None and standing.padding == 0.0


def with_quiet_matches(
    rules: TrustRules, standing: Standing, count: int, honest_ppm: int, stood_for: float
) -> Standing:
    """Return what `observe` makes of a quiet standing and so many matches without excess; see `Standing.stood_for`."""
    fall = 0.0
    if standing.suspicion:
        honest = honest_ppm / PPM
        cheat = min(0.99, honest * rules.mismatch_ratio)
        fall = math.log((1 - cheat) / (1 - honest))
    suspicion = max(0.0, standing.suspicion + count * fall)
    return replace(
        standing,
        audits=standing.audits + count,
        suspicion=suspicion,
        passed_in_a_row=standing.passed_in_a_row + count,
        doubt=max(0, standing.doubt - count),
        stood_for=standing.stood_for + stood_for,
    )
