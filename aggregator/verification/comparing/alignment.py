"""How much of a text another one has too: each piece as often as it stands there, and in the same order.

Sets of shingles do not see repetition or order: a page said five times, or with its sentences in another order, is like
the page. What is paid as confirmed is therefore counted here: the n-th time a shingle stands in one text goes with the
n-th time it stands in the other, and the longest run of such pairs that keeps the order of both is what they share.
That is never more than their longest common subsequence, and equal to it where no shingle is repeated.

Rules: pure; n log n in the number of shingles, so that no text can make it dear.

Does not: say whether texts are of one page (`comparison`), which a page that shuffles its lists must not decide.

Usage: `confirmed = share_in_order(shingles_in_order(contribution), shingles_in_order(truth))`.

Source: Fredman, "On computing the length of longest increasing subsequences" (1975).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence


def share_in_order(a: Sequence[int], b: Sequence[int]) -> float:
    """Return the share of A's shingles (0..1) that B has too, as often and in the same order; 0.0 for an empty A."""
    if not a:
        return 0.0
    if tuple(a) == tuple(b):
        return 1.0
    return _longest_rise(_places(a, b)) / len(a)


def _places(a: Sequence[int], b: Sequence[int]) -> Iterator[int]:
    """Yield where in B the shingles of A stand, each place once at most."""
    free: dict[int, list[int]] = {}
    for place in range(len(b) - 1, -1, -1):
        free.setdefault(b[place], []).append(place)
    for shingle in a:
        if places := free.get(shingle):
            yield places.pop()


def _longest_rise(places: Iterable[int]) -> int:
    """Return the length of the longest rising subsequence; `ends` holds the least end of one of each length."""
    ends: list[int] = []
    for place in places:
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
    return len(ends)
