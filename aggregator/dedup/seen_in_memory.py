"""The index of seen texts in memory, for one batch run that keeps nothing, such as judging an export's rows.

Rules: passes the same contract test as the index in tables.

Does not: persist anything, or decide anything (see `seen`).

Usage::

    kinds = [judgement.kind for judgement in SeenIndex(MemorySeenStore()).judge_all(texts)]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from aggregator.dedup.minhash import Hashes, Sketch
from aggregator.dedup.seen import Duplicate, SeenText


@dataclass(slots=True)
class _Kept:
    text: SeenText
    digest: str
    shingles: Hashes
    keys: Sequence[int]
    contributions: dict[str, Duplicate] = field(default_factory=dict)  # in the order of receipt


class MemorySeenStore:
    """A `SeenStore` of dictionaries."""

    def __init__(self) -> None:
        self._texts: dict[int, _Kept] = {}
        self._ordinals: dict[str, int] = {}  # by digest
        self._bands: defaultdict[int, set[int]] = defaultdict(set)
        self._owners: dict[str, int] = {}  # contribution id → ordinal

    def judgement(self, contribution_id: str) -> Duplicate | None:
        """Return what was judged of this contribution before."""
        ordinal = self._owners.get(contribution_id)
        return None if ordinal is None else self._texts[ordinal].contributions[contribution_id]

    def text_of_digest(self, text_sha256: str) -> SeenText | None:
        """Return the text with this digest."""
        ordinal = self._ordinals.get(text_sha256)
        return None if ordinal is None else self._texts[ordinal].text

    def candidates(
        self, keys: Sequence[int], shingles_min: int, shingles_max: int, limit: int
    ) -> list[SeenText]:
        """Return texts of that size which share a band key: most shared keys first, then the earliest."""
        shared = Counter(ordinal for key in keys for ordinal in self._bands.get(key, ()))
        ranked = sorted(shared, key=lambda ordinal: (-shared[ordinal], ordinal))
        texts = (self._texts[ordinal].text for ordinal in ranked)
        return [text for text in texts if shingles_min <= text.shingle_count <= shingles_max][:limit]

    def shingles(self, ordinals: Sequence[int]) -> dict[int, Hashes]:
        """Return the kept shingle hashes of some texts."""
        return {ordinal: self._texts[ordinal].shingles for ordinal in ordinals}

    def first_contribution(self, ordinal: int) -> str:
        """Return the earliest contribution, still there, of a text. Raises KeyError when there is no such text."""
        return next(iter(self._texts[ordinal].contributions))

    def add_text(self, cluster_id: str, seen: Sketch, keys: Sequence[int]) -> SeenText:
        """Append a text and give it the next ordinal."""
        text = SeenText(next(reversed(self._texts), 0) + 1, cluster_id, seen.shingle_count)
        self._texts[text.ordinal] = _Kept(text, seen.text_sha256, seen.shingles, keys)
        self._ordinals[seen.text_sha256] = text.ordinal
        for key in keys:
            self._bands[key].add(text.ordinal)
        return text

    def record(self, contribution_id: str, ordinal: int, judgement: Duplicate) -> None:
        """Append a contribution of a text with its judgement."""
        self._texts[ordinal].contributions[contribution_id] = judgement
        self._owners[contribution_id] = ordinal

    def remove(self, contribution_id: str) -> bool:
        """Forget a contribution, and its text with all that is known of it when nobody else gave the same."""
        ordinal = self._owners.pop(contribution_id, None)
        if ordinal is None:
            return False
        kept = self._texts[ordinal]
        del kept.contributions[contribution_id]
        if not kept.contributions:
            for key in kept.keys:
                self._bands[key].discard(ordinal)
            del self._ordinals[kept.digest], self._texts[ordinal]
        return True
