"""Windrow's own engine as a batch run: sketches, an index in memory, every candidate verified on its stored text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from measured import measured

from aggregator.dedup import Incoming, MemoryPostings, SeenDocument, SeenIndex, sketch_all
from aggregator.dedup.minhash import BAND_ROWS, BANDS
from windrow_protocol.limits import NEAR_DUPLICATE_JACCARD_MIN

BATCH = 20_000


class InMemory:
    """The judged texts of one run."""

    def __init__(self) -> None:
        self.rows: dict[int, SeenDocument] = {}
        self.bodies: dict[int, str] = {}

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        """Return what is known of some texts."""
        return {number: self.rows[number] for number in numbers}

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return texts."""
        return {number: self.bodies[number] for number in numbers}


def remove(texts: list[str]) -> list[int]:
    """Return the numbers of texts that are copies or near-copies of an earlier one."""
    postings, kept = MemoryPostings(), InMemory()
    index, removed = SeenIndex(postings), []
    for start in range(0, len(texts), BATCH):
        sketches = sketch_all(texts[start : start + BATCH])
        batch = [Incoming(number, str(number), each) for number, each in enumerate(sketches, start)]
        judged = index.judge(batch, kept)
        postings.append(judged.numbers, judged.keys)
        for each, duplicate in zip(batch, judged.duplicates, strict=True):
            if duplicate.kind != "exact":
                kept.rows[each.number] = SeenDocument(
                    each.contribution_id,
                    duplicate.cluster_id,
                    each.sketch.text_sha256,
                    each.sketch.text_bytes,
                )
                kept.bodies[each.number] = each.sketch.text
            if duplicate.kind != "unique":
                removed.append(each.number)
    return removed


if __name__ == "__main__":
    remove(
        ["what is compiled and tabled is loaded here,"] * 2
        + ["as the peers' libraries are while they are imported"]
    )
    verified = f"{BANDS} bands of {BAND_ROWS} rows, words of 5, exact >= {NEAR_DUPLICATE_JACCARD_MIN}"
    measured(remove, "windrow", version("windrow"), verified)
