"""The lake's files as DuckDB reads them when nothing can be opened any more: opened before, or behind a socket.

Rules: read only; there are exactly the files that were given, under names of their own. A file stays open and is read
with pread(2), which lets other threads go on meanwhile, as a memory map does not; where a process may not have so many
files open the others are mapped. DuckDB reads them with its own Parquet reader, which skips row groups by Bloom filters
and reads a text only where a row is wanted. Of each view a first file without rows gives every column its type, so that
a column which an older file lacks is null, even when all lack it.

Does not: open anything after it was made, or write.

Usage::

    held = HeldFiles({"documents": (paths, empty_file)}, {"documents": asked_files(descriptor, sizes)})
    engine.register_filesystem(held)
    engine.execute(f"SELECT * FROM read_parquet({held.names['documents']!r}, union_by_name = true)")

Source: fsspec's AbstractFileSystem, as far as DuckDB calls it.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from fsspec.spec import AbstractFileSystem

from aggregator.sql.served_files import AskedFile

_SCHEME: Final = "held://"
_DESCRIPTORS_MAX: Final = 512  # half of what a process may have by default
_MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)  # they never change


class OpenedFile:
    """One file of this machine, open as long as this is held; it has a length and slices, as bytes have."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        weakref.finalize(self, os.close, descriptor)

    def __len__(self) -> int:
        """Return the file's size when it was opened; it never changes."""
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        """Return a range. Raises OSError when it cannot be read."""
        start, stop, _ = span.indices(self._size)
        data = os.pread(self._descriptor, stop - start, start)
        while len(data) < stop - start:
            more = os.pread(self._descriptor, stop - start - len(data), start + len(data))
            if not more:
                raise EOFError("the file became shorter")
            data += more
        return data


Held = OpenedFile | mmap.mmap | bytes | AskedFile


class HeldFile:
    """One open file over bytes that are held."""

    def __init__(self, data: Held) -> None:
        self._data = data
        self._at = 0
        self.size = len(data)
        self.closed = False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset from the start, from here, or from the end."""
        self._at = offset + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        """Return where it is."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        end = self.size if size < 0 else min(self.size, self._at + size)
        data = self._data[self._at : end]
        self._at += len(data)
        return data

    def close(self) -> None:
        """Nothing is held that others do not need."""
        self.closed = True


class HeldFiles(AbstractFileSystem):  # type: ignore[misc]
    """A file system of these files, by view: paths, and a file without rows. Raises OSError when one is gone."""

    protocol = "held"
    cachable = False

    def __init__(
        self,
        views: Mapping[str, tuple[Sequence[str], bytes]],
        asked: Mapping[str, Sequence[AskedFile]] | None = None,
    ) -> None:
        super().__init__()
        self._held: dict[str, Held] = {}
        self.names: dict[str, list[str]] = {}
        for view, (paths, empty) in views.items():
            elsewhere = (asked or {}).get(view, ())
            data: list[Held] = [empty, *map(_opened, paths), *elsewhere]
            held = {f"{view}-{number:06d}.parquet": each for number, each in enumerate(data)}
            self.names[view] = [f"{_SCHEME}{name}" for name in held]
            self._held |= held

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> HeldFile:
        if mode != "rb":
            raise PermissionError("these files are only read")
        return HeldFile(self._held[path.removeprefix(_SCHEME)])

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Say how large a file is."""
        name = path.removeprefix(_SCHEME)
        return {"name": name, "size": len(self._held[name]), "type": "file"}

    def exists(self, path: str, **_options: Any) -> bool:
        """Say whether there is such a file."""
        return path.removeprefix(_SCHEME) in self._held

    def modified(self, path: str) -> datetime:
        """Say that it never changed."""
        return _MADE

    def glob(self, path: str, **_options: Any) -> list[str]:
        """Return the name itself: there are no patterns here."""
        return [path.removeprefix(_SCHEME)]


def _opened(path: str) -> OpenedFile | mmap.mmap:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if descriptor < _DESCRIPTORS_MAX:
        return OpenedFile(descriptor)
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
