"""The truth for a set of documents: how similar each one is to the most similar document before it.

Rules: exact Jaccard of distinct five-word shingles as the protocol makes them, found by prefix filtering: two sets at
Jaccard J ≥ t share at least one of the rarest |A| − ⌈t·|A|⌉ + 1 shingles of A. Nothing is sampled; no bands take part.

Does not: know any system's answer.

Usage: `best = best_earlier(texts, similar_from=0.5)`.

Source: Chaudhuri, Ganti and Kaushik, "A Primitive Operator for Similarity Joins in Data Cleaning" (2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import shingles_of
from windrow_protocol.content import normalise_text


def best_earlier(texts: Sequence[str], similar_from: float) -> NDArray[np.float64]:
    """Return for each text the similarity of the most similar one before it, or 0 when it is below `similar_from`."""
    sets = [shingles_of(normalise_text(text)).hashes for text in texts]
    ends = np.cumsum([each.size for each in sets])
    values, flat, often = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    rank = np.empty(values.size, np.int64)
    rank[np.argsort(often, kind="stable")] = np.arange(values.size)
    ranks = rank[flat]
    start = 0
    for end in ends:
        ranks[start:end].sort()
        start = end
    by_rank = np.sort(often, kind="stable")
    found: NDArray[np.float64] = _join(ranks, ends, by_rank, similar_from)
    return found


@numba.njit(cache=True)
def _join(ranks: Any, ends: Any, often: Any, similar_from: float) -> Any:
    first = np.zeros(often.size + 1, np.int64)
    for rank in range(often.size):
        first[rank + 1] = first[rank] + (often[rank] if often[rank] > 1 else 0)
    lists, used = np.empty(first[-1], np.int32), np.zeros(often.size, np.int32)
    looked = np.full(ends.size, -1, np.int64)
    best = np.zeros(ends.size, np.float64)
    for text in range(ends.size):
        start, end = (ends[text - 1] if text else 0), ends[text]
        size = end - start
        prefix = size - int(np.ceil(similar_from * size)) + 1 if size else 0
        for place in range(start, start + min(prefix, size)):
            rank = ranks[place]
            if often[rank] < 2:
                continue
            for entry in range(first[rank], first[rank] + used[rank]):
                other = lists[entry]
                if looked[other] == text:
                    continue
                looked[other] = text
                i, j = start, (ends[other - 1] if other else 0)
                other_end = ends[other]
                other_size, shared = other_end - j, 0
                if min(size, other_size) < best[text] * max(size, other_size):
                    continue
                while i < end and j < other_end:
                    x, y = ranks[i], ranks[j]
                    shared += x == y
                    i += x <= y
                    j += y <= x
                similarity = shared / (size + other_size - shared)
                if similarity >= similar_from:
                    best[text] = max(best[text], similarity)
            lists[first[rank] + used[rank]] = text
            used[rank] += 1
    return best
