"""A sorted run in a file: how it is written, and how it is read and looked up without holding it.

    file    = column · column · … · trailer
    column  = entries (8 bytes each) · fences (4 for each block of 128) · sums (4 for each block) · filter (8 a word)
    trailer = texts (8) · filter words of a column (8) · crc32 of each column's fences, sums and filter (4 each)
              · crc32 of the trailer before it (4)

Rules: little-endian, written once, never changed. Of a file only fences, sums and filters are held: a third of a byte
for each text and column. Every block that is read is compared with its sum, so what a disk changed is never overlooked.

Does not: know what a key means, merge runs (see `merging`), or say which runs there are (see `postings`).

Usage::

    disk.write_durably(path, run_bytes(run.entries))
    run = FileRun(path, texts)
    matches = run.find(queries, limit=1_024)      # rows of (query, column, number)
"""

from __future__ import annotations

import math
import os
import struct
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys
from aggregator.dedup.runs import Entries, Matches, MemoryRun, found_by, run_kernels
from windrow_protocol.errors import WindrowError

ENTRY_BYTES: Final = 8
# Bits of a run's filters for each entry, by the texts that it has at most: of the keys that are not there 8, 22 and 49
# in a hundred get past them. Every run is asked alike, so a small one has many; those of the largest fill the memory.
FILTER_BITS: Final = ((300_000, 12), (2_000_000, 4), (2**32, 1.5))
_CRC: Final = 4
_TRAILER = struct.Struct(f"<QQ{COLUMNS}II")
_NONE = np.empty(0, np.uint64)


class RunWriter:
    """What a file holds, made in the order in which it is written; `texts` is known when the first column is done."""

    def __init__(self, texts_max: int) -> None:
        self.texts = 0
        bits = next(bits for at_most, bits in FILTER_BITS if texts_max <= at_most)
        self._filter_words = max(1, math.ceil(texts_max * bits / 64))
        self._crcs: list[int] = []
        self._begin_column()

    def _begin_column(self) -> None:
        self._waiting, self._written = _NONE, 0  # entries of a block that is not whole yet
        self._fences: list[Keys] = []
        self._sums: list[Keys] = []
        self._filter = np.zeros(self._filter_words, np.uint64)

    def add(self, entries: Entries) -> bytes:
        """Return what follows in the file for further entries of this column."""
        held = np.concatenate([self._waiting, entries])
        whole = held.size - held.size % run_kernels().BLOCK_ENTRIES
        self._waiting = held[whole:]
        return self._blocks(held[:whole])

    def end_column(self) -> bytes:
        """Return the rest of this column."""
        rest = self._blocks(self._waiting)
        none = np.empty(0, np.uint32)
        heads = [np.concatenate([none, *each]).astype("<u4").tobytes() for each in (self._fences, self._sums)]
        head = b"".join(heads) + self._filter.astype("<u8").tobytes()
        self._crcs.append(zlib.crc32(head))
        self.texts = self._written
        self._begin_column()
        return rest + head

    def end(self) -> bytes:
        """Return the trailer."""
        trailer = _TRAILER.pack(self.texts, self._filter_words, *self._crcs, 0)[:-_CRC]
        return trailer + struct.pack("<I", zlib.crc32(trailer))

    def _blocks(self, entries: Entries) -> bytes:
        blocks = math.ceil(entries.size / run_kernels().BLOCK_ENTRIES)
        fences, sums = np.empty(blocks, np.uint32), np.empty(blocks, np.uint32)
        run_kernels().note_blocks(entries, fences, sums, self._filter)
        self._fences.append(fences)
        self._sums.append(sums)
        self._written += entries.size
        return entries.astype("<u8").tobytes()


def run_bytes(entries: Entries) -> bytes:
    """Return the file of a run."""
    writer = RunWriter(entries.shape[1])
    parts = [part for column in entries for part in (writer.add(column), writer.end_column())]
    return b"".join([*parts, writer.end()])


class FileRun:
    """A run in a file. Raises WindrowError `damaged_index`, here or later, when the file is not what was written."""

    def __init__(self, path: Path, texts: int) -> None:
        self.path = path
        self.texts = texts
        self._blocks = math.ceil(texts / run_kernels().BLOCK_ENTRIES)
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._damaged(error.strerror or "cannot be opened") from error
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self._read_heads()

    def close(self) -> None:
        """Close the file and let go of what is held of it."""
        self._close()
        self._fences = self._sums = np.empty((0, 0), np.uint32)
        self._filters: NDArray[np.uint64] = np.empty((0, 0), np.uint64)

    def find(self, queries: Keys, limit: int) -> Matches:
        """Return the texts that share a key of a column with a query, at most the first `limit` of each key."""
        found, room = found_by(self._find(queries, limit), queries.shape[0])
        if found == run_kernels().DAMAGED:
            raise self._damaged(f"block {room[0, 2]} of column {room[0, 1]} is not what was written")
        if found < 0:
            raise self._damaged("cannot be read")
        return room[:found]

    def piece(self, column: int, start: int, length: int) -> Entries:
        """Return some entries of a column, fewer at its end."""
        size = int(run_kernels().BLOCK_ENTRIES)
        end = min(self.texts, start + length)
        first, last = start // size, math.ceil(end / size)
        length = max(0, min(self.texts, last * size) - first * size)
        data = self._read(column * self._column_bytes + first * size * ENTRY_BYTES, length * ENTRY_BYTES)
        entries = np.frombuffer(data, "<u8").astype(np.uint64)
        damaged = run_kernels().first_damaged(entries, self._sums[column, first:last])
        if damaged >= 0:
            raise self._damaged(f"block {first + damaged} of column {column} is not what was written")
        return entries[start - first * size : max(start, end) - first * size]

    def loaded(self) -> MemoryRun:
        """Return the same run held in memory."""
        return MemoryRun(np.stack([self.piece(column, 0, self.texts) for column in range(COLUMNS)]))

    def _find(self, queries: Keys, limit: int) -> Callable[[Matches], int]:
        of_file = self._descriptor, self._column_bytes, self.texts, self._fences, self._sums, self._filters
        return lambda room: int(run_kernels().find_in_file(*of_file, queries, limit, room))

    def _read_heads(self) -> None:
        size = os.fstat(self._descriptor).st_size
        trailer = self._read(size - _TRAILER.size, _TRAILER.size) if size >= _TRAILER.size else b""
        if len(trailer) < _TRAILER.size or zlib.crc32(trailer[:-_CRC]) != int.from_bytes(
            trailer[-_CRC:], "little"
        ):
            raise self._damaged("its trailer is not what was written")
        texts, words, *crcs = _TRAILER.unpack(trailer)
        head_bytes = self._blocks * 8 + words * 8
        self._column_bytes = self.texts * ENTRY_BYTES + head_bytes
        if texts != self.texts or size != COLUMNS * self._column_bytes + _TRAILER.size:
            raise self._damaged("is not of the size that it must be")
        self._fences, self._sums = (np.empty((COLUMNS, self._blocks), np.uint32) for _ in range(2))
        self._filters = np.empty((COLUMNS, words), np.uint64)
        for column in range(COLUMNS):
            head = self._read(column * self._column_bytes + self.texts * ENTRY_BYTES, head_bytes)
            if zlib.crc32(head) != crcs[column]:
                raise self._damaged(f"the fences of column {column} are not what was written")
            self._fences[column] = np.frombuffer(head, "<u4", self._blocks)
            self._sums[column] = np.frombuffer(head, "<u4", self._blocks, self._blocks * 4)
            self._filters[column] = np.frombuffer(head, "<u8", words, self._blocks * 8)

    def _read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        if len(data) != length:
            raise self._damaged("ends early")
        return data

    def _damaged(self, why: str) -> WindrowError:
        return WindrowError("damaged_index", f"{self.path.name}: {why}")
