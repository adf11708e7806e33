"""The files of an export, whether it is one file, a folder, or a ZIP archive: names and bounded streams, nothing else.

Rules: nothing is unpacked onto the disk; a name that points outside, a link, a device, a file with a password and an
archive inside an archive are left out and counted; only what somebody reads is unpacked, and within bounds that count
what really comes out (`streams`); a folder may hold the parts of an archive that came in several.

Does not: follow links, write, or know formats.

Usage::

    with open_archive(path, tally.skip) as archive:
        for member in archive.members(): ...
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Final

from extension_bridge.importers.streams import PACKED, Budget, Readable, metered
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    IMPORT_DEPTH_MAX,
    IMPORT_DIRECTORY_BYTES_MAX,
    IMPORT_HEAD_BYTES,
    IMPORT_MEMBERS_MAX,
)

Skip = Callable[[str], None]  # takes a reason of `items.SKIPS`

_ZIP_SIGNS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_ARCHIVE_SUFFIXES: Final = frozenset(
    {".zip", ".tgz", ".tar", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".jar"}
)
_OUTSIDE: Final = re.compile(r"^(?:[/\\]|[A-Za-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)|\0")
_END_OF_DIRECTORY: Final = struct.Struct("<4s4H2LH")  # APPNOTE.TXT 4.3.16
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True)
class Member:
    """One file of an export. `path` is where it lies if it lies on the disk as it is."""

    name: str
    size_bytes: int
    opens: Callable[[], Readable]
    budget: Budget
    path: Path | None = None
    find: Callable[[str], Member | None] = lambda name: None

    @property
    def suffix(self) -> str:
        """The end of its name from the last dot on, in lower case."""
        return PurePosixPath(self.name).suffix.lower()

    @cached_property
    def _beginning(self) -> tuple[bytes, str]:
        try:
            with self.open() as stream:
                return stream.read(IMPORT_HEAD_BYTES), ""
        except WindrowError as error:
            return b"", error.code

    @property
    def head(self) -> bytes:
        """The first IMPORT_HEAD_BYTES bytes, none when it cannot be read."""
        return self._beginning[0]

    @property
    def failure(self) -> str:
        """Why the head cannot be read, empty when it can: a code as `open` raises it."""
        return self._beginning[1]

    def open(self) -> AbstractContextManager[io.BufferedReader]:
        """Open it. Raises WindrowError `export_damaged`; reading may raise `export_refused` as well."""
        return metered(self.opens, self.budget)

    def beside(self, ending: str) -> Member | None:
        """Return the file whose name is this one's with an ending, as `History-wal`, if there is one."""
        return self.find(self.name + ending)


@dataclass(frozen=True)
class Archive:
    """An open export: `members()` may be walked more than once."""

    members: Callable[[], Iterator[Member]]


@contextmanager
def open_archive(path: Path, skip: Skip) -> Iterator[Archive]:
    """Open an export for reading. Raises WindrowError `unknown_export` or `export_damaged`."""
    with ExitStack() as stack:
        try:
            real = path.resolve(strict=True)
            mode = real.stat().st_mode
        except OSError as error:
            raise WindrowError("unknown_export", f"{path.name}: {error.strerror}") from error
        if stat.S_ISDIR(mode):
            yield Archive(lambda: _bounded(_in_folder(real, skip), skip))
        elif stat.S_ISREG(mode) and _is_zip(real):
            archive = stack.enter_context(_open_zip(real))
            budget = Budget(real.stat().st_size)
            yield Archive(lambda: _bounded(_in_zip(archive, budget, "", skip), skip))
        elif stat.S_ISREG(mode):
            yield Archive(lambda: iter([_on_disk(real, real.name)]))
        else:
            raise WindrowError("unknown_export", f"{path.name} is no file and no folder")


def _bounded(members: Iterator[Member], skip: Skip) -> Iterator[Member]:
    for count, member in enumerate(members):
        if count >= IMPORT_MEMBERS_MAX:
            skip("too_many_files")
            return
        yield member


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in _ZIP_SIGNS
    except OSError as error:
        raise WindrowError("export_damaged", f"{path.name}: {error.strerror}") from error


# --- ZIP --------------------------------------------------------------------------------------------------------


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    _check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise WindrowError("export_damaged", f"{path.name}: {error}"[:200]) from error
    with archive:
        yield archive


def _check_directory(path: Path) -> None:
    """Refuse a list of contents that would fill the memory before a single file was looked at."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_OF_DIRECTORY.size:
        raise WindrowError("export_damaged", f"{path.name}: the archive ends early")
    listed_bytes = _END_OF_DIRECTORY.unpack_from(tail, at)[5]
    if listed_bytes == 0xFFFFFFFF or tail[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        # who reads the archive believes this record first
        listed_bytes = _zip64_directory_bytes(tail, at, path)
    if listed_bytes > IMPORT_DIRECTORY_BYTES_MAX:
        raise WindrowError("export_refused", f"{path.name}: a list of contents of {listed_bytes:,} bytes")


def _zip64_directory_bytes(tail: bytes, at: int, path: Path) -> int:
    """Return the size that the ZIP64 record gives (APPNOTE.TXT 4.3.14), found by the locator before the short one."""
    if at < 20 or tail[at - 20 : at - 16] != b"PK\x06\x07":
        raise WindrowError("export_damaged", f"{path.name}: the archive's end does not add up")
    (place,) = struct.unpack_from("<Q", tail, at - 12)
    with path.open("rb") as file:
        file.seek(min(place, path.stat().st_size))
        record = file.read(56)
    if len(record) < 56 or record[:4] != b"PK\x06\x06":
        raise WindrowError("export_damaged", f"{path.name}: the archive's end does not add up")
    return int(struct.unpack_from("<Q", record, 40)[0])


def _in_zip(archive: zipfile.ZipFile, budget: Budget, prefix: str, skip: Skip) -> Iterator[Member]:
    def member_of(info: zipfile.ZipInfo) -> Member:
        opens = partial(archive.open, info)
        return Member(prefix + _posix(info.filename), info.file_size, opens, budget, None, find)

    def find(name: str) -> Member | None:
        info = archive.NameToInfo.get(name.removeprefix(prefix))
        return member_of(info) if info and _refusal(info) is None else None

    for info in archive.infolist():
        refusal = _refusal(info)
        if refusal:
            skip(refusal)
        elif not info.is_dir():
            yield member_of(info)


def _posix(name: str) -> str:
    return name.replace("\\", "/")


def _refusal(info: zipfile.ZipInfo) -> str | None:
    """Return why a file of an archive is left out, None when it is not."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if _OUTSIDE.search(info.orig_filename) or _OUTSIDE.search(info.filename):
        return "unsafe_name"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "link"
    if info.is_dir():
        return None
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    return "nested_archive" if PurePosixPath(info.filename).suffix.lower() in _ARCHIVE_SUFFIXES else None


# --- folders and single files -----------------------------------------------------------------------------------


def _in_folder(folder: Path, skip: Skip) -> Iterator[Member]:
    """Walk a folder, the names in order, so that the same folder is the same export."""
    stack = [(folder, 0)]
    while stack:
        here, depth = stack.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            skip("damaged_file")
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and depth < IMPORT_DEPTH_MAX:
                stack.append((Path(entry.path), depth + 1))
            elif entry.is_file(follow_symlinks=False):
                path = Path(entry.path)
                yield from _file_or_zip(path, path.relative_to(folder).as_posix(), skip)
            else:
                skip("link")


def _file_or_zip(path: Path, name: str, skip: Skip) -> Iterator[Member]:
    """Yield a file, or what is in it when it is a ZIP archive: exports come in several parts."""
    try:
        if path.suffix.lower() != ".zip" or not _is_zip(path):
            yield _on_disk(path, name)
            return
        with _open_zip(path) as archive:
            yield from _in_zip(archive, Budget(path.stat().st_size), f"{name}/", skip)
    except WindrowError as error:
        skip("file_too_large" if error.code == "export_refused" else "damaged_file")


def _on_disk(path: Path, name: str) -> Member:
    size = path.stat().st_size
    unpack = PACKED.get(path.suffix.lower())
    if unpack:
        return Member(name[: -len(path.suffix)], 0, partial(unpack, path), Budget(size))

    def find(other: str) -> Member | None:
        there = path.with_name(PurePosixPath(other).name)
        return _on_disk(there, other) if there.is_file() and not there.is_symlink() else None

    return Member(name, size, partial(_open_plain, path), Budget(size), path, find)


def _open_plain(path: Path) -> Readable:
    """Open a file that is still a plain one: a link or a pipe that took its place meanwhile is not followed."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("no plain file any more")
    return io.FileIO(descriptor, "rb")
