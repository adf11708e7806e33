"""Judged texts of a measurement in two files, as a house has them in its segments: compressed, found by number.

Rules: nothing is held in memory, so that what a process holds is what the index needs.

Does not: sync (the measurement is of the index, not of this).

Usage: `texts = StoredTexts(folder)`, then `texts.add(number, text, digest, cluster)` in the order of numbers.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import zstandard

from aggregator.dedup import SeenDocument

_HEAD = struct.Struct("<32sIII")
_PLACE = struct.Struct("<Q")


class StoredTexts:
    """The texts below one folder."""

    def __init__(self, folder: Path, first: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._first = first  # the number of the first text; those before are not there
        flags = os.O_RDWR | os.O_CREAT
        self._bodies, self._places = (os.open(folder / name, flags) for name in ("bodies", "places"))
        self._end = os.fstat(self._bodies).st_size
        self._zip, self._unzip = zstandard.ZstdCompressor(3), zstandard.ZstdDecompressor()
        self._read: dict[int, bytes] = {}
        self._waiting: list[bytes] = []
        self._waiting_places: list[bytes] = []

    @property
    def end(self) -> int:
        """The number of the next text."""
        return self._first + os.fstat(self._places).st_size // _PLACE.size

    def add(self, text: str, digest: str, cluster: int) -> None:
        """Append a text; `flush` writes it."""
        data = text.encode()
        body = self._zip.compress(data)
        record = _HEAD.pack(bytes.fromhex(digest), cluster, len(data), len(body)) + body
        self._waiting.append(record)
        self._waiting_places.append(_PLACE.pack(self._end))
        self._end += len(record)

    def flush(self) -> None:
        """Write what was added, and forget what was read."""
        self._read = {}
        os.pwrite(self._places, b"".join(self._waiting_places), os.fstat(self._places).st_size)
        os.pwrite(self._bodies, b"".join(self._waiting), os.fstat(self._bodies).st_size)
        self._waiting, self._waiting_places = [], []

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        """Return what is known of some texts."""
        found = {}
        for number in numbers:
            if number < self._first:
                continue
            place = (number - self._first) * _PLACE.size
            places = os.pread(self._places, 2 * _PLACE.size, place)  # its own and the next one's
            (offset,) = _PLACE.unpack_from(places)
            end = _PLACE.unpack_from(places, _PLACE.size)[0] if len(places) > _PLACE.size else self._end
            record = os.pread(self._bodies, end - offset, offset)
            digest, cluster, text_bytes, size = _HEAD.unpack_from(record)
            self._read[number] = record[_HEAD.size : _HEAD.size + size]
            found[number] = SeenDocument(str(number), str(cluster), digest.hex(), text_bytes)
        return found

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return texts that `documents` was asked for."""
        return {number: self._unzip.decompress(self._read[number]).decode() for number in numbers}

    def text(self, number: int) -> str:
        """Return any text."""
        self.documents([number])
        return self.texts([number])[number]
