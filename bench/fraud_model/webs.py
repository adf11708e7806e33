"""Three webs that pages may come from: how much two honest fetches of one page differ, and how often audits fail.

A fetch of a page carries a share of text that no other fetch of it has (rotating blocks, adverts, times): `noise` is
its mean over a host's fetches, exponentially distributed. `moves` is how often the whole page is another one
by the time it is audited, so that all truths agree and an honest node differs from them.

Rules: values only; hosts are drawn from the seed. Popularity falls with the rank to the power of -0.6.

Does not: fetch anything, or know who cheats.

Usage: `hosts = hosts_of(WEBS["assumed"], np.random.default_rng(1))`.

Source: docs/calibration.md; mean, 95th and 99th percentile of the excess are near those measured there for the webs
of the same names, on sets of shingles (calm: 0.2, 0 and 6 %; assumed: 1.8, 10 and 33 %; pessimistic: 6.6, 30 and
64 %). In order it is `IN_ORDER` times as much (assumed: 2.3, 12 and 41 %; measured 2.1, 12.9 and 39.9 %). How often
pages move and truths fail is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOSTS: Final = 5_000
OWN_DOMAINS: Final = 400  # beside them, which nobody is led to but by a strategy of their owner
IN_ORDER: Final = 1.25  # a page's own excess where order counts, over that of sets; sets decide what is alike
_POPULARITY: Final = 0.6


@dataclass(frozen=True, slots=True)
class HostKind:
    """One kind of host. `share` of all hosts; `noise` and `moves` as in the module's text."""

    share: float
    noise: float
    moves: float


@dataclass(frozen=True, slots=True)
class Web:
    """One web. `truth_failures`: share of truth fetches that fail; `stale`: share of archived pages that changed."""

    name: str
    kinds: tuple[HostKind, ...]
    truth_failures: float
    stale: float


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts of one run, by index: those of the web, then the ring's own domains, which are as still as can be.

    `weight_sums` is the cumulated popularity, ending at 1.
    """

    noise: NDArray[np.float32]
    moves: NDArray[np.float32]
    weight_sums: NDArray[np.float64]


WEBS: Final = {
    "calm": Web(
        "calm",
        (HostKind(0.97, 0.0003, 0.0001), HostKind(0.03, 0.05, 0.0007)),
        truth_failures=0.005,
        stale=0.35,
    ),
    "assumed": Web(
        "assumed",
        (
            HostKind(0.75, 0.001, 0.0003),
            HostKind(0.15, 0.02, 0.0005),
            HostKind(0.08, 0.115, 0.001),
            HostKind(0.02, 0.25, 0.002),
        ),
        truth_failures=0.01,
        stale=0.5,
    ),
    "pessimistic": Web(
        "pessimistic",
        (
            HostKind(0.45, 0.01, 0.001),
            HostKind(0.32, 0.05, 0.003),
            HostKind(0.18, 0.17, 0.006),
            HostKind(0.05, 0.30, 0.01),
        ),
        truth_failures=0.03,
        stale=0.65,
    ),
}


def hosts_of(web: Web, rng: np.random.Generator) -> Hosts:
    """Draw the hosts of a run."""
    weights = np.arange(1, HOSTS + 1) ** -_POPULARITY
    kinds = rng.choice(len(web.kinds), HOSTS, p=[kind.share for kind in web.kinds])
    noise = np.array([kind.noise for kind in web.kinds], np.float32)[kinds]
    moves = np.array([kind.moves for kind in web.kinds], np.float32)[kinds]
    own = np.zeros(OWN_DOMAINS, np.float32)
    sums = np.concatenate([np.cumsum(weights / weights.sum()), np.ones(OWN_DOMAINS)])
    return Hosts(np.concatenate([noise, own]), np.concatenate([moves, own]), sums)
