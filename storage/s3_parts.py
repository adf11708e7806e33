"""A file that only grows, on a store whose objects cannot: one object for each sync, and a mark for each opening.

    segments/contributions-000000.zst/000000000000-000001.open   opening 1 began at byte 0
    segments/contributions-000000.zst/000000000000-000001        bytes 0 to 4,095
    segments/contributions-000000.zst/000000004096-000001        bytes 4,096 to 9,000
    segments/contributions-000000.zst/000000004096-000002.open   opening 2 kept 4,096 bytes: the part above is void
    segments/contributions-000000.zst/000000000000-000002+8192   many small parts in one, in whose place it is

Rules: a part is written whole before `sync` returns. Each opening begins with a mark and a number of its own: a part
with a smaller number that begins at or behind the mark's place is void, even when the request of a killed process, or
of one that was replaced, arrives after it. Void parts are deleted when they are met. The place of a part that may or
may not have arrived is filled with zeros and never used again. Small parts become one under a name of its own, and are
deleted after it is written: a part that lies within another is void, so a crash in between costs nothing.

Does not: index, lock (one process writes), or merge by itself.

Usage: `parts = Parts(store, key); file = GrowingFile(parts, keep_bytes=4096); file.append(data); file.sync()`.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from storage.object_store import ObjectStore

_MARK: Final = ".open"
_HELD_BYTES_MAX: Final = (
    64_000_000  # of parts in memory, so that what was just written is read without a request
)
_HELD_PART_BYTES_MAX: Final = 8_000_000
_SMALL_BYTES_MAX: Final = 1_000_000  # parts of at least that size stay as they are
MERGE_PARTS: Final = 32  # small neighbours that are worth a request


@dataclass(frozen=True, order=True)
class Part:
    """One object: where its bytes lie in the file, and the opening that wrote it."""

    offset: int
    length: int
    opening: int
    mark: str = ""  # of one that was merged: `+` and its length then

    @property
    def end(self) -> int:
        """The place behind its last byte."""
        return self.offset + self.length

    @property
    def name(self) -> str:
        """Its key within the file."""
        return f"{self.offset:012d}-{self.opening:06d}{self.mark}"


class HeldParts:
    """The bytes of a few parts, those used last; safe to use from several threads."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return a part's bytes if they are held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: str, data: bytes) -> None:
        """Hold a part's bytes, and let go of others."""
        if len(data) > _HELD_PART_BYTES_MAX:
            return
        self.drop(key)
        with self._lock:
            self._held[key] = data
            self._bytes += len(data)
            while self._bytes > _HELD_BYTES_MAX:
                self._bytes -= len(self._held.popitem(last=False)[1])

    def drop(self, key: str) -> None:
        """Forget a part's bytes."""
        with self._lock:
            self._bytes -= len(self._held.pop(key, b""))


class Parts:
    """The parts of one file, for several threads. Every method raises OSError as the store does."""

    def __init__(self, store: ObjectStore, key: str, held: HeldParts) -> None:
        self._store = store
        self._held = held
        self._key = key
        self._valid: list[Part] = []
        self._lock = threading.RLock()
        # one at a time changes what is written; a sync does not wait for it
        self._reshaping = threading.Lock()
        self.openings = 0
        self.refresh()

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._valid[-1].end if self._valid else 0

    def refresh(self) -> list[Part]:
        """List the parts anew and return those that are void."""
        with self._lock:
            self._valid, void, self.openings = sorted_out(self._store.list(self._key))
        return void

    def read(self, offset: int, length: int) -> bytes:
        """Return that range, shorter where the file ends before."""
        data = bytearray()
        with self._lock:
            while length > len(data):
                part = self._at(offset + len(data))
                if part is None:
                    break
                data += self._of_part(part, offset + len(data) - part.offset, length - len(data))
        return bytes(data)

    def write(self, offset: int, data: bytes) -> None:
        """Write the next part, which begins where the last one ends."""
        part = Part(offset, len(data), self.openings)
        with self._lock:
            self._store.put(f"{self._key}/{part.name}", data)
            self._held.put(f"{self._key}/{part.name}", data)
            self._valid.append(part)

    def open_at(self, keep_bytes: int) -> None:
        """Void what lies behind a place, delete it, and begin the next opening there."""
        self.openings += 1
        self._store.put(f"{self._key}/{keep_bytes:012d}-{self.openings:06d}{_MARK}", b"opened\n")
        for part in self.refresh():
            self._delete(part)
        for part in self._valid:
            # only in a file that was put back from a backup, in parts of another size
            if part.end > keep_bytes:
                self._replace(part, self._whole(part)[: keep_bytes - part.offset])
        self.refresh()

    def wipe(self, offset: int, length: int) -> None:
        """Replace the parts that hold a range by ones with zeros in it; void parts go as a whole."""
        with self._reshaping, self._lock:
            for part in self.refresh():
                self._delete(part)
            for part in self._valid:
                first, last = max(offset, part.offset), min(offset + length, part.end)
                if first < last:
                    data = self._whole(part)
                    zeros = bytes(last - first)
                    self._replace(part, data[: first - part.offset] + zeros + data[last - part.offset :])

    def merge(self) -> int:
        """Make one of small neighbours, all but the newest part, and return how many there were; 0: too few."""
        with self._reshaping:
            with self._lock:
                run = small_neighbours(self._valid[:-1])
            if not run:
                return 0
            data = b"".join(map(self._whole, run))
            merged = Part(run[0].offset, len(data), run[-1].opening, f"+{len(data)}")
            self._store.put(f"{self._key}/{merged.name}", data)
            for part in self.refresh():
                self._delete(part)
            return len(run)

    def _at(self, offset: int) -> Part | None:
        place = bisect_right(self._valid, offset, key=lambda part: part.offset) - 1
        return self._valid[place] if place >= 0 and offset < self._valid[place].end else None

    def _of_part(self, part: Part, start: int, length: int) -> bytes:
        if part.length > _HELD_PART_BYTES_MAX:
            return self._store.get_range(f"{self._key}/{part.name}", start, min(length, part.length - start))
        return self._whole(part)[start : start + length]

    def _whole(self, part: Part) -> bytes:
        key = f"{self._key}/{part.name}"
        data = self._held.get(key)
        if data is None:
            data = self._store.get(key)
            self._held.put(key, data)
        return data

    def _replace(self, part: Part, data: bytes) -> None:
        self._held.drop(f"{self._key}/{part.name}")
        self._store.put(f"{self._key}/{part.name}", data)

    def _delete(self, part: Part) -> None:
        self._held.drop(f"{self._key}/{part.name}")
        self._store.delete(f"{self._key}/{part.name}")


def sorted_out(names: dict[str, int]) -> tuple[list[Part], list[Part], int]:
    """Return which parts of a file are valid, in order, which are void, and the number of its last opening."""
    marks, parts = [], []
    for name, size in names.items():
        place, plus, length = name.removesuffix(_MARK).partition("+")
        offset, opening = (int(number) for number in place.split("-"))
        if name.endswith(_MARK):
            marks.append((opening, offset))
        else:
            parts.append(Part(offset, size, opening, plus + length))
    valid: list[Part] = []
    for part in sorted(parts, key=lambda each: (each.offset, -each.length)):
        late = any(opening > part.opening and part.offset >= offset for opening, offset in marks)
        if not late and not (valid and part.end <= valid[-1].end):
            valid.append(part)
    void = sorted(set(parts) - set(valid))
    return valid, void, max((opening for opening, _ in marks), default=0)


def small_neighbours(parts: Sequence[Part]) -> list[Part]:
    """Return the first small parts side by side that are worth merging, at most as many as are held in memory."""
    run: list[Part] = []
    for part in parts:
        size = part.end - run[0].offset if run else part.length
        if part.length >= _SMALL_BYTES_MAX or size > _HELD_PART_BYTES_MAX:
            if len(run) >= MERGE_PARTS:
                break
            run = []
        if part.length < _SMALL_BYTES_MAX:
            run.append(part)
    return run if len(run) >= MERGE_PARTS else []


class GrowingFile:
    """A file opened for appending; what is appended waits in memory for `sync`."""

    def __init__(self, parts: Parts, keep_bytes: int) -> None:
        parts.open_at(keep_bytes)
        if parts.size != keep_bytes:
            raise OSError(f"the file has {parts.size} bytes, {keep_bytes} were committed")
        self._parts = parts
        self._waiting: list[bytes] = []
        self._synced = self._end = keep_bytes
        self._hole = (
            0  # bytes behind `_synced` that may or may not be on the store, and that nobody was told of
        )

    def append(self, data: bytes) -> int:
        """Take the data and return where it begins. Raises OSError as long as the store refuses what was before it."""
        self._fill_hole()
        offset, self._end = self._end, self._end + len(data)
        self._waiting.append(data)
        return offset

    def sync(self) -> None:
        """Return when all that was appended is on the store. Raises OSError, and then nothing of it ever is read."""
        self._fill_hole()
        if not self._waiting:
            return
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._hole = len(data)
        self._parts.write(self._synced, data)
        self._hole = 0
        self._synced = self._end

    def close(self) -> None:
        """Let go of it; what was not synced is forgotten."""
        self._waiting.clear()

    def _fill_hole(self) -> None:
        """Write zeros where a part may or may not have arrived: its place is never used for anything else."""
        if self._hole:
            self._parts.write(self._synced, bytes(self._hole))
            self._synced, self._hole = self._synced + self._hole, 0
