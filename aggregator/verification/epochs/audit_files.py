"""The files of an audit epoch on disk: written once it is sealed, read by the doors and by whoever replays them.

Rules: the lines go through one bounded stream each way, so that an epoch of any size takes little memory; a line or a
file beyond its bound is refused. Writing again writes the same.

Does not: know what the lines mean (`audit_rows`, `epoch_fold`).

Usage::

    digest = write_rows(house.env.disk, folder, rows)
    for row in read_rows(folder): ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import zstandard

from aggregator.verification.epochs.audit_rows import AUDITS, HEADER, NAMES, SIGNED, AuditRow, row_bytes
from storage.env import Disk
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    AUDIT_FILE_BYTES_MAX,
    AUDIT_HEADER_BYTES_MAX,
    AUDIT_ROW_BYTES_MAX,
    JWS_CHARS_MAX,
)

CONTENT_TYPES = {AUDITS: "application/zstd", HEADER: "application/json", SIGNED: "application/jose"}
BYTES_MAX = {AUDITS: AUDIT_FILE_BYTES_MAX, HEADER: AUDIT_HEADER_BYTES_MAX, SIGNED: JWS_CHARS_MAX}
_CHUNK_BYTES = 1 << 20
_WINDOW_BYTES_MAX = 1 << 27


def audit_folder(home: Path, epoch_id: int) -> Path:
    """Return where an audit epoch's files lie."""
    return home / "audits" / str(epoch_id)


def write_rows(disk: Disk, folder: Path, rows: Iterable[AuditRow]) -> str:
    """Write the lines durably, in place of what an earlier try left, and return the file's SHA-256."""
    digest = hashlib.sha256()
    file = disk.open_append(folder / AUDITS, 0)
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    try:
        for data in _packed(packer, rows):
            digest.update(data)
            file.append(data)
        file.sync()
    finally:
        file.close()
    return digest.hexdigest()


def read_rows(folder: Path) -> Iterator[AuditRow]:
    """Yield the lines. Raises WindrowError `replay_differs` for what is no such file."""
    try:
        for line in _lines(folder / AUDITS):
            yield msgspec.json.decode(line, type=AuditRow)
    except (zstandard.ZstdError, msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WindrowError("replay_differs", f"{AUDITS}: {str(error)[:200]}") from error


def file_sha256(path: Path, bytes_max: int) -> str:
    """Return a file's digest. Raises WindrowError `replay_differs` when it is missing or too large."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            read = 0
            while chunk := file.read(_CHUNK_BYTES):
                read += len(chunk)
                if read > bytes_max:
                    raise WindrowError("replay_differs", f"{path.name} has more than {bytes_max} bytes")
                digest.update(chunk)
    except OSError as error:
        raise WindrowError("replay_differs", f"{path.name}: {error.strerror}") from error
    return digest.hexdigest()


def folder_digest(folder: Path) -> tuple[dict[str, str], str]:
    """Return the SHA-256 of each file, and one over all of them in the order of `NAMES`."""
    digests = {name: file_sha256(folder / name, BYTES_MAX[name]) for name in NAMES}
    return digests, hashlib.sha256("".join(digests[name] for name in NAMES).encode()).hexdigest()


def _packed(packer: zstandard.ZstdCompressionObj, rows: Iterable[AuditRow]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for row in rows:
        data = packer.compress(row_bytes(row))
        waiting.append(data)
        size += len(data)
        if size >= _CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join([*waiting, packer.flush()])


def _lines(path: Path) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    rest = b""
    try:
        with path.open("rb") as file, unpacker.stream_reader(file) as reader:
            while chunk := reader.read(_CHUNK_BYTES):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
                if len(rest) > AUDIT_ROW_BYTES_MAX:
                    raise WindrowError("replay_differs", f"a line of more than {AUDIT_ROW_BYTES_MAX} bytes")
    except OSError as error:
        raise WindrowError("replay_differs", f"{path.name}: {error.strerror}") from error
    if rest:
        raise WindrowError("replay_differs", f"{path.name} ends within a line")
