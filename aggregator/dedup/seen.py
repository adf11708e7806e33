"""Everything ever seen, and the judgement of new texts against it: unique, an exact copy, or a near-copy.

Rules: first seen wins, in the order in which texts are judged, so the same log gives the same clusters however it is
cut into batches. Exact means the same digest of the normal form. Near means a band in common *and* a Jaccard
similarity of at least `NEAR_DUPLICATE_JACCARD_MIN`, computed on all shingles of the stored text, so a false merge
cannot happen. Of several candidates the most similar decides, the one received earlier when they are equally similar;
the new text joins that one's cluster. Near-copies are remembered too, so that a chain of edits stays one cluster;
exact copies are not, because their text is. A candidate whose text is gone was erased and counts no more.

Does not: keep texts or clusters (those lie where the caller stored them), write anything, pay, or drop documents.

Usage::

    judged = SeenIndex(postings).judge(incoming, stored)
    postings.append(judged.numbers, judged.keys, position)
    for document, duplicate in zip(incoming, judged.duplicates): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys, Shingles, Sketch, jaccard, shingles_of
from aggregator.dedup.postings_in_memory import MemoryPostings, Numbers, first_of_each
from aggregator.dedup.runs import Matches
from windrow_protocol.limits import (
    NEAR_DUPLICATE_CANDIDATES_MAX,
    NEAR_DUPLICATE_JACCARD_MIN,
    SHINGLES_HELD_MAX,
)

Kind = Literal[
    "unique", "exact", "near", "hard"
]  # hard: of a host whose pages cannot be checked; never indexed


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The judgement of one contribution.

    `cluster_id` is the contribution that was first in the cluster; `first_contribution_id` the earliest contribution of
    the very text that this one copies (itself when unique); `similarity` is 0..1, and 0 when unique; `unique_bytes` are
    UTF-8 bytes of the normal form, what the text itself repeats left out (`Sketch.unique_bytes`), and 0 for every copy.
    """

    kind: Kind
    cluster_id: str
    first_contribution_id: str
    similarity: float
    unique_bytes: int


class Incoming(NamedTuple):
    """A text to judge. `number` is its place in the house's log: unique, below 2^32, smaller when received earlier."""

    number: int
    contribution_id: str
    sketch: Sketch


class SeenDocument(NamedTuple):
    """What is known of a text that was judged before."""

    contribution_id: str
    cluster_id: str
    text_sha256: str


class SeenDocuments(Protocol):
    """Where judged texts lie. What was erased is not there."""

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        """Return what is known of some texts."""
        ...

    def text(self, number: int) -> str | None:
        """Return a text that `documents` was asked for."""
        ...


class Findable(Protocol):
    """An index that finds the texts which share a key."""

    def find(self, keys: Keys) -> Matches:
        """Return rows of (query, column, number)."""
        ...


class Judged(NamedTuple):
    """The judgements in the order of what came in, and what the index must hold from now on."""

    duplicates: list[Duplicate]
    numbers: Numbers
    keys: Keys


class SeenIndex:
    """The rules of novelty over an index; remembers nothing between two calls."""

    def __init__(self, postings: Findable, jaccard_min: float = NEAR_DUPLICATE_JACCARD_MIN) -> None:
        self._postings = postings
        self._jaccard_min = jaccard_min

    def judge(self, incoming: Sequence[Incoming], stored: SeenDocuments) -> Judged:
        """Judge texts in the order given, each against all before it. Numbers must not be in the index yet."""
        if not incoming:
            return Judged([], np.empty(0, np.uint32), np.empty((0, COLUMNS), np.uint32))
        keys = np.stack([each.sketch.keys for each in incoming])
        matches = self._postings.find(keys)
        known = stored.documents(np.unique(matches[:, 2]).tolist())
        batch = _Batch(incoming, stored, known, self._jaccard_min)
        batch.find_exact(matches)
        new = batch.new_texts()
        new_keys = keys[new]
        found = np.concatenate([_of_new(matches, new), _earlier_in_batch(incoming, new, new_keys)])
        candidates = _ranked(first_of_each(found))
        for place in range(len(incoming)):
            batch.judge(place, candidates.get(place, ()))
        numbers = np.array([incoming[place].number for place in new], np.uint32)
        return Judged([batch.duplicates[place] for place in range(len(incoming))], numbers, new_keys)


@dataclass(slots=True)
class _Batch:
    """The texts judged together. Places count them; numbers are those of the log."""

    incoming: Sequence[Incoming]
    stored: SeenDocuments
    known: dict[int, SeenDocument]
    jaccard_min: float
    duplicates: dict[int, Duplicate] = field(default_factory=dict)
    copies: dict[int, SeenDocument | int] = field(default_factory=dict)  # place → what it copies exactly
    places: dict[int, int] = field(default_factory=dict)  # number → place, of texts that are new
    shingles: dict[int, Shingles] = field(default_factory=dict)  # by number
    shingles_held: int = 0

    def find_exact(self, matches: Matches) -> None:
        """Find which texts are copies of one that was seen before, or of an earlier one of this batch."""
        for query, _, number in matches[matches[:, 1] == 0].tolist():
            document = self.known.get(number)
            if document is not None and document.text_sha256 == self.incoming[query].sketch.text_sha256:
                self.copies[query] = document
        first: dict[str, int] = {}
        for place, each in enumerate(self.incoming):
            if place not in self.copies:
                earlier = first.setdefault(each.sketch.text_sha256, place)
                if earlier != place:
                    self.copies[place] = earlier
                else:
                    self.places[each.number] = place

    def new_texts(self) -> NDArray[np.int64]:
        """Return the places of the texts that are no exact copies."""
        return np.array(list(self.places.values()), np.int64)

    def judge(self, place: int, candidates: Sequence[int]) -> None:
        """Judge one text; those before it are judged."""
        each = self.incoming[place]
        copied = self.copies.get(place)
        if copied is not None:
            self.duplicates[place] = self._copy_of("exact", copied, 1.0)
            return
        best, of = 0.0, -1
        for number in candidates:
            similarity = self._similarity(each, number, max(best, self.jaccard_min))
            if similarity > best or (similarity == best > 0 and number < of):
                best, of = similarity, number
            if similarity == 1.0:  # it shares every band, and of those that do the earliest comes first
                break
        if best >= self.jaccard_min:
            self.duplicates[place] = self._copy_of("near", self.places.get(of, self.known.get(of)), best)
        else:
            own_id = each.contribution_id
            self.duplicates[place] = Duplicate("unique", own_id, own_id, 0.0, each.sketch.unique_bytes())

    def _copy_of(self, kind: Kind, copied: SeenDocument | int | None, similarity: float) -> Duplicate:
        assert copied is not None, "candidates are of this batch or known"
        if isinstance(copied, int):
            cluster_id = self.duplicates[copied].cluster_id
            return Duplicate(kind, cluster_id, self.incoming[copied].contribution_id, similarity, 0)
        return Duplicate(kind, copied.cluster_id, copied.contribution_id, similarity, 0)

    def _similarity(self, each: Incoming, number: int, at_least: float) -> float:
        other = self._shingles(number)
        return 0.0 if other is None else jaccard(self._shingles_of_new(each), other, at_least)

    def _shingles_of_new(self, each: Incoming) -> Shingles:
        if each.number not in self.shingles:
            self._hold(each.number, each.sketch.shingles())
        return self.shingles[each.number]

    def _shingles(self, number: int) -> Shingles | None:
        found = self.shingles.get(number)
        if found is not None:
            return found
        place = self.places.get(number)
        if place is not None:
            return self._shingles_of_new(self.incoming[place])
        text = self.stored.text(number) if number in self.known else None
        return None if text is None else self._hold(number, shingles_of(text))

    def _hold(self, number: int, shingles: Shingles) -> Shingles:
        if self.shingles_held > SHINGLES_HELD_MAX:
            self.shingles.clear()
            self.shingles_held = 0
        self.shingles[number] = shingles
        self.shingles_held += shingles.slots.size
        return shingles


def _of_new(matches: Matches, new: NDArray[np.int64]) -> Matches:
    """Return the rows (place, band, number) of new texts."""
    of_bands = matches[matches[:, 1] > 0]
    return of_bands[np.isin(of_bands[:, 0], new)]


def _earlier_in_batch(incoming: Sequence[Incoming], new: NDArray[np.int64], keys: Keys) -> Matches:
    """Return rows (place, band, number) of new texts that share a band with earlier ones of the same batch."""
    postings = MemoryPostings()
    postings.append(np.arange(new.size, dtype=np.uint32), keys)
    found = postings.find(keys)
    found = found[(found[:, 2] < found[:, 0]) & (found[:, 1] > 0)]
    numbers = np.array([each.number for each in incoming], np.int64)
    return np.stack([new[found[:, 0]], found[:, 1], numbers[new[found[:, 2]]]], axis=1)


def _ranked(matches: Matches) -> dict[int, list[int]]:
    """Return the candidates of each place: those that share most bands first, then those received earlier."""
    pairs, shared = np.unique((matches[:, 0] << 32) | matches[:, 2], return_counts=True)
    places, numbers = pairs >> 32, pairs & 0xFFFFFFFF
    order = np.lexsort((numbers, -shared, places))
    candidates: dict[int, list[int]] = {}
    for place, number in zip(places[order].tolist(), numbers[order].tolist(), strict=True):
        listed = candidates.setdefault(place, [])
        if len(listed) < NEAR_DUPLICATE_CANDIDATES_MAX:
            listed.append(number)
    return candidates
