"""An index of seen texts together with the texts that were judged, kept as a house keeps them: apart from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aggregator.dedup import (
    Duplicate,
    Incoming,
    MemoryPostings,
    Postings,
    SeenDocument,
    SeenIndex,
    sketch,
)


def page(first: int, last: int) -> str:
    return " ".join(f"w{i}" for i in range(first, last))


@dataclass
class Seen:
    """An index, and the texts that were judged, kept as a house keeps them: apart from it."""

    postings: MemoryPostings | Postings = field(default_factory=MemoryPostings)
    judged: dict[int, SeenDocument] = field(default_factory=dict)
    bodies: dict[int, str] = field(default_factory=dict)
    position: int = 0
    read: list[int] = field(default_factory=list)

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        return {number: self.judged[number] for number in numbers if number in self.judged}

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        self.read += numbers
        return {number: self.bodies[number] for number in numbers if number in self.bodies}

    def judge_all(self, texts: Sequence[tuple[str, str]]) -> list[Duplicate]:
        """Judge pairs of contribution id and text as one batch."""
        if isinstance(self.postings, Postings):
            assert self.postings.keep(self.position) == self.position
        numbered = enumerate(texts, self.position + 1)
        incoming = [Incoming(number, given_id, sketch(text)) for number, (given_id, text) in numbered]
        found = SeenIndex(self.postings).judge(incoming, self)
        self.position += len(texts)
        self.postings.append(found.numbers, found.keys, self.position)
        for each, duplicate in zip(incoming, found.duplicates, strict=True):
            self.judged[each.number] = SeenDocument(
                each.contribution_id, duplicate.cluster_id, each.sketch.text_sha256, each.sketch.text_bytes
            )
            self.bodies[each.number] = each.sketch.text
        return found.duplicates

    def judge(self, contribution_id: str, text: str) -> Duplicate:
        return self.judge_all([(contribution_id, text)])[0]

    def erase(self, number: int) -> None:
        del self.judged[number], self.bodies[number]
