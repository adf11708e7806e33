"""Sorted runs of the index: every text in them has one entry in each column, sorted by key and then by number.

Rules: small runs are held in memory whole, large ones lie in files (see `run_files`); both answer alike.

Does not: know what a key means, merge runs (see `merging`), or say which runs there are (see `postings`).

Usage::

    run = MemoryRun.of(numbers, keys)
    matches = run.find(queries, limit=1_024)      # rows of (query, column, number)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys
from windrow_protocol.errors import WindrowError

Entries = NDArray[np.uint64]
Matches = NDArray[np.int64]  # rows of (query, column, number)

_ROOM: Final = 4_096  # matches that are made room for at first; what is not written to takes no memory
_ROOM_A_QUERY: Final = 64


class Run(Protocol):
    """Some texts of the index."""

    @property
    def texts(self) -> int:
        """How many texts there are in it."""
        ...

    def find(self, queries: Keys, limit: int) -> Matches:
        """Return the texts that share a key of a column with a query, at most the first `limit` of each key."""
        ...

    def piece(self, column: int, start: int, length: int) -> Entries:
        """Return some entries of a column, fewer at its end."""
        ...


class MemoryRun:
    """A run whose entries are an array of this process."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries

    @classmethod
    def of(cls, numbers: NDArray[np.uint32], keys: Keys) -> Self:
        """Sort some texts into a run."""
        entries = (keys.T.astype(np.uint64) << np.uint64(32)) | numbers.astype(np.uint64)
        entries.sort(axis=1)
        return cls(np.ascontiguousarray(entries))

    @classmethod
    def merged(cls, runs: list[MemoryRun]) -> Self:
        """Merge runs into one."""
        entries = np.concatenate([run.entries for run in runs], axis=1)
        entries.sort(axis=1)
        return cls(entries)

    @property
    def texts(self) -> int:
        """How many texts there are in it."""
        return int(self.entries.shape[1])

    def find(self, queries: Keys, limit: int) -> Matches:
        """Return the texts that share a key of a column with a query, at most the first `limit` of each key."""
        find = run_kernels().find_in_memory
        count, room = found_by(lambda room: int(find(self.entries, queries, limit, room)), queries.shape[0])
        return room[:count]

    def piece(self, column: int, start: int, length: int) -> Entries:
        """Return some entries of a column, fewer at its end."""
        return self.entries[column, start : start + length]

    def without(self, numbers: NDArray[np.uint64]) -> MemoryRun:
        """Return the run without some texts."""
        keep = ~np.isin(self.entries & np.uint64(0xFFFFFFFF), numbers)
        return MemoryRun(np.ascontiguousarray(self.entries[keep].reshape(COLUMNS, -1)))


def found_by(find: Callable[[Matches], int], queries: int) -> tuple[int, Matches]:
    """Run a look-up with room enough for what it finds; return how many rows there are, or what it says went wrong."""
    room = np.empty((max(_ROOM, queries * _ROOM_A_QUERY), 3), np.int64)
    count = find(room)
    if count > room.shape[0]:
        room = np.empty((count, 3), np.int64)
        find(room)
    return count, room


@cache
def run_kernels() -> Any:
    """Import the compiled loops late (see `minhash`). They read entries as the machine stores them."""
    if sys.byteorder != "little":
        raise WindrowError("damaged_index", "its files are read on little-endian machines only")
    from aggregator.dedup import run_kernels

    return run_kernels
