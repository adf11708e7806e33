"""Compiling before somebody waits: everything that a judgement calls is run once on a few words.

Rules: done outside any transaction, because the first time on a machine it takes a quarter of a minute of a processor,
and later a second to read what was kept. It runs the very functions that judge, so that they are compiled for the very
types that judging gives them.

Does not: touch a disk or a database, or change anything.

Usage: `warm_up()`, in a thread of its own once a house is ready, and before a transaction that judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from aggregator.dedup.boilerplate import HostBlocks, read_pages
from aggregator.dedup.minhash import COLUMNS, jaccard, sketch_all
from aggregator.dedup.postings_in_memory import MemoryPostings
from aggregator.dedup.run_files import RunWriter
from aggregator.dedup.runs import run_kernels
from aggregator.dedup.seen import Incoming, SeenIndex
from aggregator.dedup.verifying import SeenDocument

# The second needs blanks tidied, the third the long way round; the last is like the first.
_TEXTS = (
    "five words and a few more",
    "five  words and  tabs",
    "stra\u00dfe nach ko\u0308ln",
    "Five words and a few more",
)


@cache
def warm_up() -> None:
    """Compile, or read what was compiled before. Safe to call again and from several threads."""
    sketches = sketch_all(_TEXTS)
    postings, stored = MemoryPostings(), _Stored()
    for number in (0, len(_TEXTS)):
        batch = [Incoming(number + i, str(number + i), sketch) for i, sketch in enumerate(sketches)]
        judged = SeenIndex(postings).judge(batch, stored)
        postings.append(judged.numbers, judged.keys)
    jaccard(sketches[0].shingles(), sketches[3].shingles())
    for page in read_pages([("https://warm.example/", "\n".join(_TEXTS))]):
        HostBlocks().mark(page, is_new=True)
    _warm_up_files(np.stack([sketch.keys for sketch in sketches]))


def _warm_up_files(keys: np.ndarray[tuple[int, ...], np.dtype[np.uint32]]) -> None:
    kernels, entries = run_kernels(), np.arange(2, dtype=np.uint64)
    writer = RunWriter(entries.size)
    writer.add(entries)
    writer.end_column()
    fences, filters = np.empty((COLUMNS, 0), np.uint32), np.zeros((COLUMNS, 1), np.uint64)
    kernels.find_in_file(-1, 0, 0, fences, fences, filters, keys, 1, np.empty((1, 3), np.int64))
    kernels.first_damaged(entries, fences[0])
    kernels.merge_some(entries, entries, True, True, np.empty(4, np.uint64))


class _Stored:
    """One text under every number."""

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        return {number: SeenDocument("", "", "", len(_TEXTS[0])) for number in numbers}

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        return dict.fromkeys(numbers, _TEXTS[0])
