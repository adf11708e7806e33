"""One merge of two runs into a new file, done in small portions so that no batch of texts waits for it.

Rules: reads both runs piece by piece and appends to one file that nobody knows of before it is whole and durable; a
crash leaves a file that no manifest names. What was written is brought to the disk as it goes along, because one sync
at the end would wait for all of it. Erased texts are left out.

Does not: choose what is merged, name the file, or replace anything (see `postings`).

Usage::

    merge = Merge(disk, path, older, newer, erased)
    while not merge.advance(texts=16_000): ...
    run = FileRun(path, merge.texts)
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS
from aggregator.dedup.run_files import RunWriter
from aggregator.dedup.runs import Entries, Run, run_kernels
from storage.env import Disk

_PIECE: Final = 65_536  # entries merged at once
_SYNC_BYTES: Final = 8_000_000


class Merge:
    """The merge of two neighbouring runs; `texts` is how many the new one has, known when it is done."""

    def __init__(self, disk: Disk, path: Path, older: Run, newer: Run, erased: NDArray[np.uint64]) -> None:
        self.path = path
        self.inputs = (older, newer)
        self._disk = disk
        self._file = disk.open_append(path, 0)
        self._erased = erased
        self._column = 0
        self._used = [0, 0]
        self._writer = RunWriter(older.texts + newer.texts)
        self._unsynced_bytes = 0

    @property
    def texts(self) -> int:
        """How many texts the new run has."""
        return self._writer.texts

    def advance(self, texts: int) -> bool:
        """Merge what corresponds to about so many texts; say whether the file is whole and durable now."""
        budget = texts * COLUMNS
        while budget > 0 and self._column < COLUMNS:
            budget -= self._merge_piece()
        if self._column < COLUMNS:
            return False
        self._file.append(self._writer.end())
        self._file.sync()
        self.close()
        return True

    def close(self) -> None:
        """Close the file, whole or not."""
        self._file.close()

    def abandon(self) -> None:
        """Give the merge up and remove its file."""
        self.close()
        self._disk.remove(self.path)

    def _merge_piece(self) -> int:
        (a, a_is_all), (b, b_is_all) = (self._next_piece(side) for side in (0, 1))
        merged = np.empty(a.size + b.size, np.uint64)
        i, j = run_kernels().merge_some(a, b, a_is_all, b_is_all, merged)
        self._used[0] += int(i)
        self._used[1] += int(j)
        entries = merged[: i + j]
        if self._erased.size:
            entries = entries[~np.isin(entries & np.uint64(0xFFFFFFFF), self._erased)]
        self._write(self._writer.add(entries))
        if all(used == run.texts for used, run in zip(self._used, self.inputs, strict=True)):
            self._write(self._writer.end_column())
            self._column += 1
            self._used = [0, 0]
        return max(1, int(i + j))

    def _next_piece(self, side: int) -> tuple[Entries, bool]:
        run, used = self.inputs[side], self._used[side]
        entries = run.piece(self._column, used, _PIECE)
        return np.ascontiguousarray(entries), used + entries.size == run.texts

    def _write(self, data: bytes) -> None:
        self._file.append(data)
        self._unsynced_bytes += len(data)
        if self._unsynced_bytes >= _SYNC_BYTES:
            self._file.sync()
            self._unsynced_bytes = 0
