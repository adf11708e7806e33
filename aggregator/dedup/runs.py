"""Sorted runs of the index: every text in them has one entry in each column, sorted by key and then by number.

A run's file is its columns one after the other, eight bytes an entry, little-endian, and then the fences of each
column, four bytes for each block of 128 entries. It is written once and never changed.

Rules: small runs are held in memory whole, of large ones only the fences (0.03 bytes for each text and column); a
look-up in a file reads a kilobyte for each key.

Does not: know what a key means, merge runs (see `merging`), or say which runs there are (see `postings`).

Usage::

    run = MemoryRun.of(numbers, keys)
    matches = run.find(queries, limit=1_024)      # rows of (query, column, number)
    disk.write_durably(path, run_bytes(run.entries))
    run = FileRun(path, texts)
"""

from __future__ import annotations

import math
import os
import sys
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys
from windrow_protocol.errors import WindrowError

Entries = NDArray[np.uint64]
Matches = NDArray[np.int64]  # rows of (query, column, number)

ENTRY_BYTES = 8
_ROOM = 4_096  # matches that are made room for at first


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
        kernels = _kernels()
        return _found(lambda room: kernels.find_in_memory(self.entries, queries, COLUMNS, limit, room))

    def piece(self, column: int, start: int, length: int) -> Entries:
        """Return some entries of a column, fewer at its end."""
        return self.entries[column, start : start + length]

    def without(self, numbers: NDArray[np.uint64]) -> MemoryRun:
        """Return the run without some texts."""
        keep = ~np.isin(self.entries & np.uint64(0xFFFFFFFF), numbers)
        return MemoryRun(np.ascontiguousarray(self.entries[keep].reshape(COLUMNS, -1)))


class FileRun:
    """A run in a file. Raises WindrowError `damaged_index` when the file is not what it must be."""

    def __init__(self, path: Path, texts: int) -> None:
        self.path = path
        self._texts = texts
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise WindrowError("damaged_index", f"{path.name}: {error.strerror}") from error
        self.close: Callable[[], object] = weakref.finalize(self, os.close, self._descriptor)
        blocks = blocks_of(texts)
        size = COLUMNS * (texts * ENTRY_BYTES + blocks * 4)
        if os.fstat(self._descriptor).st_size != size:
            raise WindrowError("damaged_index", f"{path.name} is not of {size} bytes")
        data = os.pread(self._descriptor, COLUMNS * blocks * 4, COLUMNS * texts * ENTRY_BYTES)
        self._fences = np.frombuffer(data, "<u4").astype(np.uint32).reshape(COLUMNS, blocks)

    @property
    def texts(self) -> int:
        """How many texts there are in it."""
        return self._texts

    def find(self, queries: Keys, limit: int) -> Matches:
        """Return the texts that share a key of a column with a query, at most the first `limit` of each key."""
        kernels = _kernels()
        fd, size, fences = self._descriptor, self._texts, self._fences
        return _found(lambda room: kernels.find_in_file(fd, size, fences, queries, COLUMNS, limit, room))

    def piece(self, column: int, start: int, length: int) -> Entries:
        """Return some entries of a column, fewer at its end."""
        length = max(0, min(length, self._texts - start))
        offset = (column * self._texts + start) * ENTRY_BYTES
        data = os.pread(self._descriptor, length * ENTRY_BYTES, offset)
        if len(data) != length * ENTRY_BYTES:
            raise WindrowError("damaged_index", f"{self.path.name} ends early")
        return np.frombuffer(data, "<u8").astype(np.uint64)

    def loaded(self) -> MemoryRun:
        """Return the same run held in memory."""
        return MemoryRun(np.stack([self.piece(column, 0, self._texts) for column in range(COLUMNS)]))


def blocks_of(texts: int) -> int:
    """Return how many blocks a column of so many texts has."""
    return math.ceil(texts / int(_kernels().BLOCK_ENTRIES))


def fences_of(column: Entries) -> Keys:
    """Return the key of the first entry of each block of a column."""
    return (column[:: _kernels().BLOCK_ENTRIES] >> np.uint64(32)).astype(np.uint32)


def run_bytes(entries: Entries) -> bytes:
    """Return the file of a run."""
    fences = np.stack([fences_of(column) for column in entries])
    return entries.astype("<u8").tobytes() + fences.astype("<u4").tobytes()


def _found(find: Callable[[Matches], int]) -> Matches:
    room = np.empty((_ROOM, 3), np.int64)
    count = find(room)
    if count < 0:
        raise WindrowError("damaged_index", "a run could not be read")
    if count > room.shape[0]:
        room = np.empty((count, 3), np.int64)
        find(room)
    return room[:count]


@cache
def _kernels() -> Any:
    """Import the compiled loops late (see `minhash`). They read entries as the machine stores them."""
    if sys.byteorder != "little":
        raise WindrowError("damaged_index", "its files are read on little-endian machines only")
    from aggregator.dedup import run_kernels

    return run_kernels
