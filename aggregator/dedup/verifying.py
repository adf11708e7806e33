"""Which candidate a text resembles most: exact Jaccard similarity, all pairs of a batch in a few compiled calls.

Rules: a candidate's shingles are computed from its stored text, all of them, whatever its size. Of several the most
similar counts, of equally similar ones the earliest; a text that is wholly alike ends the search, because candidates
come in the order of shared bands and then of receipt. First the first few candidates of every text are compared, then
the others, of texts that still look for one. What is held at once is bounded, and what is found does not depend on it.

Does not: find candidates, or say what follows.

Usage::

    verification = Verification(sketches, places, stored, known, at_least=0.8)
    verification.compare(pairs)                      # rows of (place, number), ranked for each place
    verification.similarity[place], verification.number[place]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.beside import both
from aggregator.dedup.minhash import SECRET, Sketch, shingle_hashes_of
from windrow_protocol.limits import VERIFIED_BYTES_MAX

Pairs = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

_FIRST_RANKS: Final = 4  # most copies are found among so few; the others are read only where they are not
_BESIDE_TEXTS_MIN: Final = 64  # in each half, or two threads cost more than they save
_BESIDE_PAIRS_MIN: Final = 128


class SeenDocument(NamedTuple):
    """What is known of a text that was judged before."""

    contribution_id: str
    cluster_id: str
    text_sha256: str
    text_bytes: int


class SeenDocuments(Protocol):
    """Where judged texts lie. What was erased is not there."""

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        """Return what is known of some texts."""
        ...

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return texts that `documents` was asked for; those that are gone are left out."""
        ...


class Verification:
    """The best candidate of each text of a batch so far: `similarity` is 0 where there is none."""

    def __init__(
        self,
        sketches: Sequence[Sketch],
        places: Mapping[int, int],
        stored: SeenDocuments,
        known: Mapping[int, SeenDocument],
        at_least: float,
    ) -> None:
        self._sketches = sketches
        self._places = places  # of numbers that are of this batch
        self._stored = stored
        self._known = known
        self._at_least = at_least
        self.similarity = np.zeros(len(sketches), np.float64)
        self.number = np.full(len(sketches), -1, np.int64)

    def compare(self, pairs: Pairs) -> None:
        """Compare (place, number), grouped by place and ranked in each group."""
        rank = np.arange(pairs.shape[0]) - np.searchsorted(pairs[:, 0], pairs[:, 0])
        for chosen in (pairs[rank < _FIRST_RANKS], pairs[rank >= _FIRST_RANKS]):
            for part in self._parts(chosen[self.similarity[chosen[:, 0]] < 1.0]):
                self._compare_part(part)

    def _parts(self, pairs: Pairs) -> Iterator[Pairs]:
        """Cut pairs into parts of texts that may be held together; one text is never too much."""
        start, held_bytes = 0, 0
        held: set[int] = set()
        for end, number in enumerate(pairs[:, 1].tolist()):
            if number in held:
                continue
            size = self._size_of(number)
            if held_bytes + size > VERIFIED_BYTES_MAX and end > start:
                yield pairs[start:end]
                start, held_bytes = end, 0
                held.clear()
            held.add(number)
            held_bytes += size
        yield pairs[start:]

    def _size_of(self, number: int) -> int:
        place = self._places.get(number)
        if place is not None:
            return self._sketches[place].text_bytes
        return self._known[number].text_bytes if number in self._known else 0

    def _compare_part(self, pairs: Pairs) -> None:
        numbers = np.unique(pairs[:, 1])
        in_batch = np.array([number in self._places for number in numbers.tolist()], bool)
        wanted = [number for number in numbers[~in_batch].tolist() if number in self._known]
        texts = self._stored.texts(wanted)
        hashes = [self._sketches[self._places[number]].hashes for number in numbers[in_batch].tolist()]
        hashes += _hashes_of(list(texts.values()))
        row_of = {number: row for row, number in enumerate([*numbers[in_batch].tolist(), *texts])}
        rows = np.array([row_of.get(number, -1) for number in pairs[:, 1].tolist()], np.int64)
        pairs, rows = pairs[rows >= 0], rows[rows >= 0]
        if not rows.size:
            return
        # a text's candidates stay together
        middle = int(np.searchsorted(pairs[:, 0], pairs[pairs.shape[0] // 2, 0]))
        if middle < _BESIDE_PAIRS_MIN:
            self._compare_some(pairs, rows, hashes)
            return
        both(
            lambda: self._compare_some(pairs[:middle], rows[:middle], hashes),
            lambda: self._compare_some(pairs[middle:], rows[middle:], hashes),
        )

    def _compare_some(self, pairs: Pairs, rows: Rows, hashes: Sequence[Hashes]) -> None:
        """Compare texts with candidates, whose hashes are in these rows; two threads may, each with its own texts."""
        places, own = np.unique(pairs[:, 0], return_inverse=True)
        used, others = np.unique(rows, return_inverse=True)
        _shingle_kernels().best_candidates(
            *_joined([self._sketches[place].hashes for place in places.tolist()]),
            *_joined([hashes[row] for row in used.tolist()]),
            np.stack([own.astype(np.int64), others.astype(np.int64), pairs[:, 0], pairs[:, 1]], axis=1),
            self._at_least,
            SECRET,
            self.similarity,
            self.number,
        )


def _hashes_of(texts: list[str]) -> list[Hashes]:
    half = len(texts) // 2
    if half < _BESIDE_TEXTS_MIN:
        return shingle_hashes_of(texts)
    first, second = both(lambda: shingle_hashes_of(texts[:half]), lambda: shingle_hashes_of(texts[half:]))
    return first + second


def _joined(hashes: Sequence[Hashes]) -> tuple[Hashes, NDArray[np.int64]]:
    """Return all hashes in one array, and where each text's end."""
    ends = np.cumsum([each.size for each in hashes], dtype=np.int64)
    return np.concatenate([*hashes, np.empty(0, np.uint64)]), ends


@cache
def _shingle_kernels() -> Any:
    from aggregator.dedup import shingle_kernels

    return shingle_kernels
