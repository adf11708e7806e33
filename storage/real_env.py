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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from storage.env import AppendFile, Env
from storage.http_server import HttpNetwork

if TYPE_CHECKING:
    import pyarrow.fs as pafs

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


class SystemCalls:
    """The system calls that durability rests on, one method each; a simulation puts itself in their place."""

    def make_folder(self, path: Path) -> None:
        """Create one folder; present is fine. Its name is durable only after `sync_folder` of its parent."""
        path.mkdir(exist_ok=True)

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """Open a file, made with that mode if it is not there, and return its descriptor."""
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the data and return how many bytes that was."""
        return os.write(descriptor, data)

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write over what stands at an offset and return how many bytes that was."""
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut a file to a size."""
        os.ftruncate(descriptor, size_bytes)

    def fsync(self, descriptor: int) -> None:
        """Bring a file's bytes to the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename at once; durable only after `sync_folder` of the target's folder."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Delete a file or a folder tree."""
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class PosixAppendFile:
    """A file opened for appending."""

    def __init__(self, calls: SystemCalls, descriptor: int) -> None:
        self._calls = calls
        self._descriptor = descriptor
        self._end = os.fstat(descriptor).st_size

    def append(self, data: bytes) -> int:
        """Write all of the data at the end and return where it begins. Raises OSError, the file as it was before."""
        offset, view = self._end, memoryview(data)
        try:
            while view:
                view = view[self._calls.write(self._descriptor, view) :]
        except OSError:  # a full disk may have taken a part, and the next record must not begin behind it
            with _fatal("truncate_failed"):
                self._calls.truncate(self._descriptor, offset)
            raise
        self._end += len(data)
        return offset

    def sync(self) -> None:
        """Flush to the disk. A failure ends the process: the kernel may have dropped what it could not write."""
        with _fatal("fsync_failed"):
            self._calls.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; again does nothing, for the number may be another file's by then."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._calls.close(descriptor)


@contextmanager
def _fatal(event: str) -> Iterator[None]:
    """End the process when the block fails, because nobody can know what the disk holds then."""
    try:
        yield
    except OSError:
        log.critical(event, exc_info=True)
        os._exit(DISK_FAILED_EXIT)


class PosixDisk:
    """Files of this machine.

    A folder's own name is made durable before anything in it is relied on, and those above it up to the mount point:
    a synced file in a folder whose name is lost is lost with it.
    """

    def __init__(self, calls: SystemCalls | None = None) -> None:
        self._calls = calls or SystemCalls()
        self._durable_folders: set[Path] = set()

    def open_append(self, path: Path, keep_bytes: int) -> AppendFile:
        """Open for appending after cutting off what no commit vouches for."""
        self._keep_folder(path.parent)
        descriptor = self._calls.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        if os.fstat(descriptor).st_size > keep_bytes:
            self._calls.truncate(descriptor, keep_bytes)
        self._calls.fsync(descriptor)
        self._calls.sync_folder(path.parent)
        return PosixAppendFile(self._calls, descriptor)

    def read_range(self, path: Path, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) != length:
            raise OSError(f"{path.name} ends before byte {offset + length}")
        return data

    def read(self, path: Path) -> bytes:
        """Return a whole file."""
        return path.read_bytes()

    def names(self, folder: Path) -> dict[str, int]:
        """Return the files in a folder with their sizes."""
        if not folder.is_dir():
            return {}
        return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}

    def tree(self, folder: Path) -> dict[str, int]:
        """Return the finished files below a folder, by their path in it, with their sizes."""
        below = ((path.relative_to(folder), path) for path in sorted(folder.rglob("*")) if path.is_file())
        return {
            name.as_posix(): path.stat().st_size
            for name, path in below
            if not any(part.startswith(".") for part in name.parts)
        }

    def place(self, path: Path) -> str:
        """Return the path."""
        return str(path)

    def arrow(self, folder: Path) -> pafs.FileSystem:
        """Return the folder as Arrow maps its files into memory."""
        import pyarrow.fs as pafs  # here alone, because it is slow to import and most of the disk is not read so

        return pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem(use_mmap=True))

    def tidy(self, folder: Path) -> int:
        """Nothing: a file of this machine is in one piece."""
        return 0

    def wipe_range(self, path: Path, offset: int, length: int) -> None:
        """Overwrite a range with zeros and fsync. Raises OSError when the file does not reach so far."""
        descriptor = self._calls.open(path, os.O_WRONLY)
        try:
            end = offset + length
            if os.fstat(descriptor).st_size < end:
                raise OSError(f"{path.name} ends before byte {end}")
            while offset < end:
                offset += self._calls.overwrite(descriptor, bytes(min(end - offset, 1 << 20)), offset)
            with _fatal("fsync_failed"):
                self._calls.fsync(descriptor)
        finally:
            self._calls.close(descriptor)

    def write_durably(self, path: Path, data: bytes) -> None:
        """Write temporary → fsync → rename → fsync of the directory. Raises OSError, and then nothing is there."""
        self._keep_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        descriptor = self._calls.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[self._calls.write(descriptor, view) :]
            self._calls.fsync(descriptor)
        except OSError:
            self._calls.unlink(temporary)
            raise
        finally:
            self._calls.close(descriptor)
        self._calls.rename(temporary, path)
        self._calls.sync_folder(path.parent)

    def adopt_durably(self, temporary: Path, path: Path) -> None:
        """Fsync a finished temporary file or folder and rename it."""
        members = [temporary] if temporary.is_file() else [p for p in temporary.rglob("*") if p.is_file()]
        for member in members:
            descriptor = self._calls.open(member, os.O_RDONLY)
            try:
                self._calls.fsync(descriptor)
            finally:
                self._calls.close(descriptor)
        for folder in {member.parent for member in members}:
            self._calls.sync_folder(folder)
        self._keep_folder(path.parent)
        self._calls.rename(temporary, path)
        self._calls.sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """Delete a file or folder tree and make its absence durable."""
        self._calls.unlink(path)
        if path.parent.is_dir():
            self._calls.sync_folder(path.parent)

    def _keep_folder(self, folder: Path) -> None:
        """Make a folder, and its name and those above it durable, once in this process and as far as we may look."""
        if folder in self._durable_folders or folder == folder.parent:
            return
        if not folder.is_dir():
            self._keep_folder(folder.parent)
            self._calls.make_folder(folder)
        elif not os.path.ismount(folder):
            self._keep_folder(folder.parent)
        if not os.path.ismount(folder) and os.access(folder.parent, os.R_OK):
            self._calls.sync_folder(folder.parent)
        self._durable_folders.add(folder)


def real_env() -> Env:
    """Return the port onto this machine."""
    return Env(SystemClock(), KernelRandomness(), PosixDisk(), HttpNetwork())
