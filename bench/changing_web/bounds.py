"""Exact confidence bounds of a share that was counted.

Rules: Clopper-Pearson, found by bisection on the binomial distribution itself.

Does not: assume that the counted things are alike; that is for whoever counts. Usage: `upper_bound(0, 2_000)`.

Source: Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial" (1934).
"""

from __future__ import annotations

import math

_STEPS = 60


def upper_bound(hits: int, trials: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound: the share at which so few hits or fewer have probability 1 − `confidence`."""
    if trials == 0 or hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _at_most(hits, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, trials: int, share: float) -> float:
    """P(X ≤ hits) for X ~ Binomial(trials, share)."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 0.0
    log_p, log_q = math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            + k * log_p + (trials - k) * log_q
        )
        for k in range(hits + 1)
    )  # fmt: skip
