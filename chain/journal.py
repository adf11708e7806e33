"""The devnet's journal: every transaction and its block time, on disk before anybody hears of it.

Rules: one record is magic ‖ body length ‖ CRC-32 ‖ body; a record is written in one piece and fsynced before `append`
returns; a failed fsync is fatal. At most one record can be unacknowledged at any time, so on opening, damage is cut off
only where no sound record follows it; otherwise the journal is corrupt and is left alone.

Does not: know what a transaction is; executing and replaying is `chain/evm.py`.

Usage::

    with Journal.open(path) as journal:
        for record in journal.records: ...
        journal.append(Record(timestamp_s, block_hash, sender, raw))
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TX_BYTES_MAX

_MAGIC: Final = b"WTX1"
_HEAD: Final = struct.Struct(">4sII")
_BODY: Final = struct.Struct(">Q32s20s")


@dataclass(frozen=True, slots=True)
class Record:
    """One mined transaction: its block's time in seconds and hash, who signed it, and its raw bytes.

    The sender follows from the raw bytes; it is kept because finding it again is more than half of a replay's work.
    """

    timestamp_s: int
    block_hash: bytes
    sender: bytes
    raw: bytes

    def encode(self) -> bytes:
        """The record as it lies on disk."""
        body = _BODY.pack(self.timestamp_s, self.block_hash, self.sender) + self.raw
        return _HEAD.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def decode_at(data: bytes, offset: int) -> tuple[Record, int] | None:
    """The record at an offset and where it ends; None when there is no whole, sound record there."""
    start = offset + _HEAD.size
    if start > len(data):
        return None
    magic, length, check = _HEAD.unpack_from(data, offset)
    end = start + length
    if magic != _MAGIC or not _BODY.size < length <= _BODY.size + TX_BYTES_MAX or end > len(data):
        return None
    body = data[start:end]
    if zlib.crc32(body) != check:
        return None
    timestamp_s, block_hash, sender = _BODY.unpack_from(body)
    return Record(timestamp_s, block_hash, sender, body[_BODY.size :]), end


def decode_all(data: bytes) -> tuple[list[Record], int]:
    """All records and the length of the sound part.

    Raises WindrowError `chain_journal_corrupt` when a sound record follows a damaged one.
    """
    records: list[Record] = []
    offset = 0
    while (found := decode_at(data, offset)) is not None:
        records.append(found[0])
        offset = found[1]
    later = data.find(_MAGIC, offset + 1)
    while later != -1:
        if decode_at(data, later) is not None:
            raise WindrowError("chain_journal_corrupt", f"damage at byte {offset}, sound again at {later}")
        later = data.find(_MAGIC, later + 1)
    return records, offset


class Journal:
    """An open journal. `records` is what it held when it was opened; `torn_bytes` what was cut off its end."""

    def __init__(self, descriptor: int, records: list[Record], torn_bytes: int) -> None:
        self._descriptor = descriptor
        self.records = records
        self.torn_bytes = torn_bytes

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open or create a journal, cutting off a torn last record.

        Raises WindrowError `chain_journal_corrupt`, or `home_unwritable` when the file cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise WindrowError("home_unwritable", f"{path.name}: {error.strerror}") from error
        try:
            data = path.read_bytes()
            records, sound = decode_all(data)
            if sound < len(data):
                os.ftruncate(descriptor, sound)
            os.fsync(descriptor)
            sync_directory(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, records, len(data) - sound)

    def append(self, record: Record) -> None:
        """Write one record and fsync it. Any error leaves the file's state unknown: the caller must stop."""
        data = record.encode()
        if os.write(self._descriptor, data) != len(data):
            raise OSError("the journal took only a part of a record")
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sync_directory(path: Path) -> None:
    """Make what was created in a directory last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
