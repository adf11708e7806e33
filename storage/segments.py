"""Append-only bodies: records in segment files, each compressed by itself, found by (segment, offset, length).

Rules: `append` → `sync` → the caller commits the index and the watermark in one transaction → acknowledge. On opening,
a segment is cut back to its committed watermark, so that what was never acknowledged is gone and nothing else is.

Does not: index (the caller's tables do), name files after anything untrusted, or delete: an erased record's bytes
are overwritten where they lie.

Usage::

    places = segments.append_all(records)
    segments.sync()
    segments.commit(connection)      # inside the transaction that inserts the index row
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
import zstandard

from storage.env import AppendFile, Disk
from storage.state import get_cursor, set_cursor
from windrow_protocol.limits import SEGMENT_BYTES_MAX, SEGMENT_RECORD_BYTES_MAX


class Place(NamedTuple):
    """Where a record lies."""

    segment: str
    offset: int
    length: int


class Packer:
    """Compresses records, each by itself, as they lie in a segment; used from one thread."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=3)  # making one costs more than packing a record

    def pack(self, records: Sequence[bytes]) -> list[bytes]:
        """Return one frame for each record, made in one call of the library: a third less than one by one."""
        if not records:
            return []
        frames = self._compressor.multi_compress_to_buffer(list(records))
        return [frames[number].tobytes() for number in range(len(frames))]


def unpack(frame: bytes) -> bytes:
    """Return the record that a frame holds. Raises zstandard.ZstdError."""
    return zstandard.ZstdDecompressor().decompress(frame, max_output_size=SEGMENT_RECORD_BYTES_MAX)


class Segments:
    """One family of segment files, such as `contributions`."""

    def __init__(self, disk: Disk, folder: Path, family: str, connection: sa.Connection) -> None:
        self._disk = disk
        self._folder = folder
        self._family = family
        self._number = get_cursor(connection, f"segments/{family}/number")
        self._end = get_cursor(connection, f"segments/{family}/bytes")
        self._packer = Packer()
        self._file = self._open(self._number, self._end)

    def _open(self, number: int, keep_bytes: int) -> AppendFile:
        return self._disk.open_append(self._folder / self._name_of(number), keep_bytes)

    def _name_of(self, number: int) -> str:
        return f"{self._family}-{number:06d}.zst"

    def append(self, record: bytes) -> Place:
        """Write one record; it is not durable before `sync`, nor known before `commit`."""
        return self.append_all([record])[0]

    def append_all(self, records: Sequence[bytes]) -> list[Place]:
        """Pack some records and write them as `append_packed` does."""
        return self.append_packed(self._packer.pack(records))

    def append_packed(self, frames: Sequence[bytes]) -> list[Place]:
        """Write records that a `Packer` packed side by side in one segment, or none of them; return where each lies.

        Written in one call of the kernel's.
        """
        if not frames:
            return []
        if self._end >= SEGMENT_BYTES_MAX:
            self._file.sync()
            following = self._open(self._number + 1, 0)  # may fail, and then the old one is still in use
            self._file.close()
            self._file, self._number, self._end = following, self._number + 1, 0
        data, name = b"".join(frames), self._name_of(self._number)
        offset = self._file.append(data)
        self._end = offset + len(data)
        begins = accumulate(map(len, frames), initial=offset)
        return [Place(name, begin, len(each)) for begin, each in zip(begins, frames, strict=False)]

    def sync(self) -> None:
        """Make everything appended durable. Raises OSError where it lies on a store; a failing disk ends the house."""
        self._file.sync()

    def commit(self, connection: sa.Connection) -> None:
        """Vouch for everything synced, within the caller's transaction."""
        set_cursor(connection, f"segments/{self._family}/number", self._number)
        set_cursor(connection, f"segments/{self._family}/bytes", self._end)

    def read(self, place: Place) -> bytes:
        """Return one record. Raises OSError when it is not there whole."""
        data = self._disk.read_range(self._folder / place.segment, place.offset, place.length)
        return unpack(data)

    def wipe(self, place: Place) -> None:
        """Overwrite one record with zeros, durably; again is harmless. Raises OSError."""
        self._disk.wipe_range(self._folder / place.segment, place.offset, place.length)

    def close(self) -> None:
        """Close the current file."""
        self._file.close()
