"""The log that follows the sorted runs: one checked record for each append, of texts' numbers and keys.

    record = crc32 of the rest (4 bytes) · texts (4) · position (8) · numbers (4 each) · keys (4 each and column)

Rules: little-endian; a record counts only when it is whole and its checksum is right, and nothing behind a record that
does not count is read.

Does not: write or sync (see `postings`).

Usage: `records = decode_records(file.read_bytes())`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys

Numbers = NDArray[np.uint32]

_CRC = struct.Struct("<I")
_HEAD = struct.Struct("<IQ")
_TEXT_BYTES = 4 * (1 + COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What one append added. `end_bytes` is where the log ends with it."""

    position: int
    end_bytes: int
    numbers: Numbers
    keys: Keys


def encode_record(numbers: Numbers, keys: Keys, position: int) -> bytes:
    """Return the bytes of one record."""
    body = _HEAD.pack(numbers.size, position) + numbers.astype("<u4").tobytes() + keys.astype("<u4").tobytes()
    return _CRC.pack(zlib.crc32(body)) + body


def decode_records(data: bytes) -> list[Record]:
    """Return the records up to the first that is torn or wrong."""
    records: list[Record] = []
    start, head_end = 0, _CRC.size + _HEAD.size
    while start + head_end <= len(data):
        texts, position = _HEAD.unpack_from(data, start + _CRC.size)
        end = start + head_end + texts * _TEXT_BYTES
        if end > len(data) or zlib.crc32(data[start + _CRC.size : end]) != _CRC.unpack_from(data, start)[0]:
            break
        values = np.frombuffer(data, "<u4", texts * (1 + COLUMNS), start + head_end).astype(np.uint32)
        records.append(Record(position, end, values[:texts], values[texts:].reshape(texts, COLUMNS)))
        start = end
    return records
