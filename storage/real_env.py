"""The real machine behind the `Env` port: system clock, kernel randomness, POSIX files, aiohttp sockets.

Rules: every write that somebody may rely on ends in fsync of the file and of its directory.

Does not: decide anything. Usage: `env = real_env()`.

Source: POSIX fsync(2), rename(2); Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from pathlib import Path

import structlog

from storage.env import AppendFile, Env
from storage.http_server import HttpNetwork

log = structlog.get_logger(__name__)
DISK_FAILED_EXIT = 74  # EX_IOERR of sysexits(3)


class SystemClock:
    """Wall-clock time."""

    def now_ms(self) -> int:
        """Return the time now in milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, wait_s: float) -> None:
        """Wait that many seconds."""
        await asyncio.sleep(wait_s)


class KernelRandomness:
    """The kernel's random bytes."""

    def token(self, size_bytes: int) -> bytes:
        """Return random bytes fit for keys and nonces."""
        return secrets.token_bytes(size_bytes)


class PosixAppendFile:
    """A file opened for appending."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._end = os.fstat(descriptor).st_size

    def append(self, data: bytes) -> int:
        """Write all of the data at the end and return where it begins."""
        offset, view = self._end, memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._end += len(data)
        return offset

    def sync(self) -> None:
        """Flush to the disk. A failure ends the process: the kernel may have dropped what it could not write."""
        try:
            os.fsync(self._descriptor)
        except OSError:
            log.critical("fsync_failed", exc_info=True)
            os._exit(DISK_FAILED_EXIT)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def sync_directory(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class PosixDisk:
    """Files of this machine."""

    def open_append(self, path: Path, keep_bytes: int) -> AppendFile:
        """Open for appending after cutting off what no commit vouches for."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(descriptor).st_size > keep_bytes:
            os.ftruncate(descriptor, keep_bytes)
        os.fsync(descriptor)
        sync_directory(path.parent)
        return PosixAppendFile(descriptor)

    def read_range(self, path: Path, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) != length:
            raise OSError(f"{path.name} ends before byte {offset + length}")
        return data

    def write_durably(self, path: Path, data: bytes) -> None:
        """Write temporary → fsync → rename → fsync of the directory."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)

    def adopt_durably(self, temporary: Path, path: Path) -> None:
        """Fsync a finished temporary file or folder and rename it."""
        members = [temporary] if temporary.is_file() else [p for p in temporary.rglob("*") if p.is_file()]
        for member in members:
            with member.open("rb") as file:
                os.fsync(file.fileno())
        for folder in {member.parent for member in members}:
            sync_directory(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, path)
        sync_directory(path.parent)

    def remove(self, path: Path) -> None:
        """Delete a file or folder tree and make its absence durable."""
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_directory(path.parent)


def real_env() -> Env:
    """Return the port onto this machine."""
    return Env(SystemClock(), KernelRandomness(), PosixDisk(), HttpNetwork())
