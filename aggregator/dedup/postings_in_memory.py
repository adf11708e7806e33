"""Which texts share a key, in memory: a few sorted runs that end with the process.

Rules: every run is at least twice as large as the next, so that a look-up asks few of them whatever the appends' sizes.
Of texts that share one key only the first `NEAR_DUPLICATE_POSTINGS_MAX` are found, those with the smallest numbers, in
however many runs they lie: what is found follows from the texts and never from how they were cut into batches.

Does not: persist anything (see `postings`), judge, or hold texts.

Usage::

    postings = MemoryPostings()
    postings.append(numbers, keys)
    matches = postings.find(other_keys)      # rows of (query, column, number)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import Keys
from aggregator.dedup.runs import Matches, MemoryRun, Run
from windrow_protocol.limits import NEAR_DUPLICATE_POSTINGS_MAX

Numbers = NDArray[np.uint32]


class MemoryPostings:
    """Postings that nobody keeps."""

    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []

    @property
    def texts(self) -> int:
        """How many texts there are."""
        return sum(run.texts for run in self.runs)

    def find(self, keys: Keys) -> Matches:
        """Return rows of (query, column, number) of the texts that share a key, the first of each key only."""
        return find_first(self.runs, keys, np.empty(0, np.uint64))

    def append(self, numbers: Numbers, keys: Keys, position: int = 0) -> None:
        """Add texts; the position means nothing here."""
        if not numbers.size:
            return
        self.runs.append(MemoryRun.of(numbers, keys))
        while len(self.runs) > 1 and 2 * self.runs[-1].texts >= self.runs[-2].texts:
            self.runs[-2:] = [MemoryRun.merged(self.runs[-2:])]

    def erase(self, numbers: Sequence[int]) -> None:
        """Forget texts."""
        erased = np.array(sorted(numbers), np.uint64)
        self.runs = [left for run in self.runs if (left := run.without(erased)).texts]


def find_first(runs: Sequence[Run], keys: Keys, erased: NDArray[np.uint64]) -> Matches:
    """Return what shares a key with a query in any of the runs, the first of each key and none of the erased."""
    found = [run.find(keys, NEAR_DUPLICATE_POSTINGS_MAX + erased.size) for run in runs]
    matches = np.concatenate(found) if found else np.empty((0, 3), np.int64)
    if erased.size:
        matches = matches[~np.isin(matches[:, 2], erased.astype(np.int64))]
    return first_of_each(matches)


def first_of_each(matches: Matches) -> Matches:
    """Return, for each query and column, the `NEAR_DUPLICATE_POSTINGS_MAX` matches with the smallest numbers."""
    limit = NEAR_DUPLICATE_POSTINGS_MAX
    if matches.shape[0] <= limit:
        return matches
    # One number for each row, because sorting rows takes ten times as long.
    groups = (matches[:, 0] << 4) | matches[:, 1]
    order = np.argsort((groups << 32) | matches[:, 2])
    matches, groups = matches[order], groups[order]
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    rank = np.arange(groups.size) - np.repeat(starts, np.diff(np.append(starts, groups.size)))
    first: Matches = matches[rank < limit]
    return first
