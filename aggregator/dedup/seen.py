"""Everything ever seen, and the judgement of new texts against it: unique, an exact copy, or a near-copy.

Rules: first seen wins, in the order in which texts are judged, so the same log gives the same clusters however it is
cut into batches. Exact means the same digest of the normal form. Near means a band in common *and* a Jaccard
similarity of at least `NEAR_DUPLICATE_JACCARD_MIN`, computed on all shingles of the stored text, so a false merge
cannot happen. Of several candidates the most similar decides, the one received earlier when they are equally similar;
the new text joins that one's cluster. Near-copies are remembered too, so that a chain of edits stays one cluster;
exact copies are not, because their text is. A candidate whose text is gone was erased and counts no more; a text that
was erased and comes again is unique once more, and brings no bytes, because they were new once.

Does not: keep texts or clusters (those lie where the caller stored them), write anything, pay, or drop documents.

Usage::

    judged = SeenIndex(postings).judge(incoming, stored)
    postings.append(judged.numbers, judged.keys, position)
    for document, duplicate in zip(incoming, judged.duplicates): ...
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys, Sketch
from aggregator.dedup.postings_in_memory import MemoryPostings, Numbers, first_of_each
from aggregator.dedup.runs import Matches
from aggregator.dedup.verifying import Pairs, SeenDocument, SeenDocuments, Verification
from windrow_protocol.limits import NEAR_DUPLICATE_CANDIDATES_MAX, NEAR_DUPLICATE_JACCARD_MIN

Kind = Literal[
    "unique", "exact", "near", "hard"
]  # hard: of a host whose pages cannot be checked; never indexed


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The judgement of one contribution.

    `cluster_id` is the contribution that was first in the cluster; `first_contribution_id` the earliest contribution of
    the very text that this one copies (itself when unique); `similarity` is 0..1, and 0 when unique; `unique_bytes` are
    UTF-8 bytes of the normal form, what the text itself repeats left out (`Sketch.unique_bytes`), and 0 for every copy
    and for a text that was erased before.
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

    def judge(
        self, incoming: Sequence[Incoming], stored: SeenDocuments, erased: Collection[str] = ()
    ) -> Judged:
        """Judge texts in the order given, each against all before it. Numbers must not be in the index yet.

        `erased` are digests of texts that were new once, and of which nothing else is left.
        """
        if not incoming:
            return Judged([], np.empty(0, np.uint32), np.empty((0, COLUMNS), np.uint32))
        keys = np.stack([each.sketch.keys for each in incoming])
        matches = self._postings.find(keys)
        batch = _Batch(incoming, {}, erased)
        of_digest = matches[matches[:, 1] == 0]
        batch.find_exact(of_digest, stored.documents(np.unique(of_digest[:, 2]).tolist()))
        new = batch.new_texts()
        new_keys = keys[new]
        found = np.concatenate([_of_new(matches, new), _earlier_in_batch(incoming, new, new_keys)])
        pairs = ranked(first_of_each(found))
        others = [number for number in np.unique(pairs[:, 1]).tolist() if number not in batch.places]
        batch.known = stored.documents(others)
        sketches = [each.sketch for each in incoming]
        verification = Verification(sketches, batch.places, stored, batch.known, self._jaccard_min)
        verification.compare(pairs)
        batch.judge_all(verification.similarity.tolist(), verification.number.tolist())
        numbers = np.array([incoming[place].number for place in new], np.uint32)
        return Judged(batch.duplicates, numbers, new_keys)


@dataclass(slots=True)
class _Batch:
    """The texts judged together. Places count them; numbers are those of the log."""

    incoming: Sequence[Incoming]
    known: dict[int, SeenDocument]
    erased: Collection[str]
    duplicates: list[Duplicate] = field(default_factory=list)
    copies: dict[int, SeenDocument | int] = field(default_factory=dict)  # place → what it copies exactly
    places: dict[int, int] = field(default_factory=dict)  # number → place, of texts that are new

    def find_exact(self, matches: Matches, known: dict[int, SeenDocument]) -> None:
        """Find which texts are copies of one that was seen before, or of an earlier one of this batch."""
        for query, _, number in matches.tolist():
            document = known.get(number)
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

    def judge_all(self, similarities: Sequence[float], numbers: Sequence[int]) -> None:
        """Judge the texts, one after the other, by what each resembles most; similarity is 0 where nothing is."""
        for place, each in enumerate(self.incoming):
            copied, own_id = self.copies.get(place), each.contribution_id
            if copied is not None:
                duplicate = self._copy_of("exact", copied, 1.0)
            elif similarities[place]:
                of = numbers[place]
                duplicate = self._copy_of(
                    "near", self.places.get(of, self.known.get(of)), similarities[place]
                )
            else:
                new = 0 if each.sketch.text_sha256 in self.erased else each.sketch.unique_bytes()
                duplicate = Duplicate("unique", own_id, own_id, 0.0, new)
            self.duplicates.append(duplicate)

    def _copy_of(self, kind: Kind, copied: SeenDocument | int | None, similarity: float) -> Duplicate:
        assert copied is not None, "candidates are of this batch or known"
        if isinstance(copied, int):
            cluster_id = self.duplicates[copied].cluster_id
            return Duplicate(kind, cluster_id, self.incoming[copied].contribution_id, similarity, 0)
        return Duplicate(kind, copied.cluster_id, copied.contribution_id, similarity, 0)


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


def ranked(matches: Matches) -> Pairs:
    """Return rows (place, number) of candidates, those that share most bands first, and of them the earliest."""
    pairs, shared = np.unique((matches[:, 0] << 32) | matches[:, 2], return_counts=True)
    places, numbers = pairs >> 32, pairs & 0xFFFFFFFF
    order = np.lexsort((numbers, -shared, places))
    places, numbers = places[order], numbers[order]
    rank = np.arange(places.size) - np.searchsorted(places, places)
    ranked: Pairs = np.stack([places, numbers], axis=1)[rank < NEAR_DUPLICATE_CANDIDATES_MAX]
    return ranked
