"""Everything ever seen, and the judgement of a new text against it: unique, an exact copy, or a near-copy.

Rules: first seen wins, in the order in which texts are judged, so the same log gives the same clusters however it is
cut into batches. Exact means the same digest. Near means a band in common *and* a verified Jaccard similarity of at
least `NEAR_DUPLICATE_JACCARD_MIN`, so a false merge cannot happen. Of several candidates the most similar decides, the
earlier one when they are equally similar; the new text joins that one's cluster. Near-copies are remembered too, so
that a chain of edits stays one cluster. Judging a contribution again gives its first judgement again.

Does not: open transactions, persist anything itself (that is the store), pay, or drop documents.

Usage::

    with state.write() as connection:
        index = SeenIndex(SqlSeenStore(connection, dedup_tables))
        duplicate = index.judge(contribution_id, text)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from aggregator.dedup.minhash import Hashes, Sketch, band_keys, jaccard, sketch
from windrow_protocol.limits import NEAR_DUPLICATE_CANDIDATES_MAX, NEAR_DUPLICATE_JACCARD_MIN

Kind = Literal[
    "unique", "exact", "near", "hard"
]  # hard: of a host whose pages cannot be checked; never indexed


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The judgement of one contribution.

    `cluster_id` is the contribution that was first in the cluster; `first_contribution_id` the earliest contribution of
    the very text that this one copies (itself when unique); `similarity` is 0..1, and 0 when unique; `unique_bytes` are
    UTF-8 bytes of the normal form, and 0 for every copy.
    """

    kind: Kind
    cluster_id: str
    first_contribution_id: str
    similarity: float
    unique_bytes: int


@dataclass(frozen=True, slots=True)
class SeenText:
    """A text in the index. Ordinals grow in the order of first sight."""

    ordinal: int
    cluster_id: str
    shingle_count: int


class SeenStore(Protocol):
    """Where the index lies. Writes are visible to the same store at once; the caller owns the transaction."""

    def judgement(self, contribution_id: str) -> Duplicate | None:
        """Return what was judged of this contribution before."""

    def text_of_digest(self, text_sha256: str) -> SeenText | None:
        """Return the text with this digest."""

    def candidates(
        self, keys: Sequence[int], shingles_min: int, shingles_max: int, limit: int
    ) -> list[SeenText]:
        """Return texts of that size which share a band key: most shared keys first, then the earliest."""

    def shingles(self, ordinals: Sequence[int]) -> dict[int, Hashes]:
        """Return the kept shingle hashes of some texts."""

    def first_contribution(self, ordinal: int) -> str:
        """Return the earliest contribution, still there, of a text. Raises KeyError when there is no such text."""

    def add_text(self, cluster_id: str, seen: Sketch, keys: Sequence[int]) -> SeenText:
        """Append a text and give it the next ordinal."""

    def record(self, contribution_id: str, ordinal: int, judgement: Duplicate) -> None:
        """Append a contribution of a text with its judgement."""

    def remove(self, contribution_id: str) -> bool:
        """Forget a contribution, and its text with all that is known of it when nobody else gave the same."""


class SeenIndex:
    """The rules of novelty over one `SeenStore`; holds no state of its own, so it is made anew for each transaction."""

    def __init__(self, store: SeenStore, jaccard_min: float = NEAR_DUPLICATE_JACCARD_MIN) -> None:
        self._store = store
        self._jaccard_min = jaccard_min

    def judge(self, contribution_id: str, text: str) -> Duplicate:
        """Judge one text and remember it. `text` is in normal form, as ingest guarantees."""
        return self._store.judgement(contribution_id) or self._judge(contribution_id, sketch(text))

    def judge_sketch(self, contribution_id: str, seen: Sketch) -> Duplicate:
        """Judge a text by a sketch that was made elsewhere, for instance before the write transaction began."""
        return self._store.judgement(contribution_id) or self._judge(contribution_id, seen)

    def judge_all(self, texts: Iterable[tuple[str, str]]) -> list[Duplicate]:
        """Judge pairs of contribution id and text in the order given."""
        return [self.judge(contribution_id, text) for contribution_id, text in texts]

    def remove(self, contribution_id: str) -> bool:
        """Forget a contribution for an erasure; say whether it was known.

        The cluster keeps its name, and later copies of a text that others gave too are still recognised.
        """
        return self._store.remove(contribution_id)

    def _judge(self, contribution_id: str, seen: Sketch) -> Duplicate:
        copied = self._store.text_of_digest(seen.text_sha256)
        if copied is not None:
            judgement = self._copy_of("exact", copied, 1.0)
        else:
            judgement, copied = self._judge_new_text(contribution_id, seen)
        self._store.record(contribution_id, copied.ordinal, judgement)
        return judgement

    def _judge_new_text(self, contribution_id: str, seen: Sketch) -> tuple[Duplicate, SeenText]:
        keys = band_keys(seen.shingles)
        nearest = self._nearest(seen, keys)
        if nearest is None:
            judgement = Duplicate("unique", contribution_id, contribution_id, 0.0, seen.text_bytes)
        else:
            judgement = self._copy_of("near", *nearest)
        return judgement, self._store.add_text(judgement.cluster_id, seen, keys)

    def _nearest(self, seen: Sketch, keys: Sequence[int]) -> tuple[SeenText, float] | None:
        if not keys:
            return None
        # J(A, B) ≤ min(|A|, |B|) / max(|A|, |B|), so other sizes cannot pass and need not be loaded. Rounded outwards:
        # the verification that follows is what decides.
        smallest = math.floor(seen.shingle_count * self._jaccard_min)
        largest = math.ceil(seen.shingle_count / self._jaccard_min)
        candidates = self._store.candidates(keys, smallest, largest, NEAR_DUPLICATE_CANDIDATES_MAX)
        loaded = self._store.shingles([candidate.ordinal for candidate in candidates])
        scored = [(jaccard(seen.shingles, loaded[c.ordinal]), c) for c in candidates]
        similar = [(score, c) for score, c in scored if score >= self._jaccard_min]
        if not similar:
            return None
        score, nearest = max(similar, key=lambda pair: (pair[0], -pair[1].ordinal))
        return nearest, score

    def _copy_of(self, kind: Kind, copied: SeenText, similarity: float) -> Duplicate:
        first = self._store.first_contribution(copied.ordinal)
        return Duplicate(kind, copied.cluster_id, first, similarity, 0)
