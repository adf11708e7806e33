"""The files of a home whose segments, lake and exports lie on an S3 server: the second adapter of the `Disk` port.

Rules: what lies in the folders of `STORED` is objects, under the same names; everything else, and every file whose name
begins with a dot because it is still being written, lies on this machine. A whole file is one object; a file that
grows is a folder of parts (`s3_parts`). What the port promises holds when a method returns: what was synced is there.

Does not: cache whole files, or let a failed write pass: it raises OSError, and nothing was acknowledged.

Usage: `disk = S3Disk(PosixDisk(), home, open_store("s3://bucket/prefix"))`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storage.env import AppendFile, Disk
from storage.object_store import ObjectStore
from storage.s3_parts import GrowingFile, HeldParts, Parts, sorted_out

if TYPE_CHECKING:
    import pyarrow.fs as pafs

STORED: Final = (
    "segments",
    "lake",
    "exports",
)  # of which the first holds files that grow, the others whole ones


class S3Disk:
    """One home's files, here and on the store."""

    def __init__(self, local: Disk, home: Path, store: ObjectStore) -> None:
        self.store = store
        self._local = local
        self._home = home
        self._held = HeldParts()
        self._parts: dict[str, Parts] = {}
        self._lock = threading.Lock()

    def open_append(self, path: Path, keep_bytes: int) -> AppendFile:
        """Open for appending after voiding the parts that no commit vouches for."""
        key = self._key(path)
        if key is None:
            return self._local.open_append(path, keep_bytes)
        return GrowingFile(self._parts_of(key), keep_bytes)

    def read_range(self, path: Path, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`."""
        key = self._key(path)
        if key is None:
            return self._local.read_range(path, offset, length)
        data = self._range(key, offset, length)
        if len(data) != length:
            raise OSError(f"{path.name} ends before byte {offset + length}")
        return data

    def read(self, path: Path) -> bytes:
        """Return a whole file; one that grows is read by ranges alone."""
        key = self._key(path)
        return self._local.read(path) if key is None else self.store.get(key)

    def names(self, folder: Path) -> dict[str, int]:
        """Return the files in a folder, here and on the store, with their sizes."""
        key = self._key(folder)
        if key is None:
            return self._local.names(folder)
        unfinished = {name: size for name, size in self._local.names(folder).items() if name.startswith(".")}
        found = self.tree(folder)
        return {**unfinished, **{name: size for name, size in found.items() if "/" not in name}}

    def tree(self, folder: Path) -> dict[str, int]:
        """Return the finished files below a folder, by their path in it, with their sizes."""
        key = self._key(folder)
        if key is None:
            return self._local.tree(folder)
        found = self.store.list(key)
        return dict(_grown(found)) if _grows(key) else found

    def place(self, path: Path) -> str:
        """Return the object's or folder's address, or a path of this machine."""
        key = self._key(path)
        return self._local.place(path) if key is None else f"s3://{self.store.root}/{key}"

    def arrow(self, folder: Path) -> pafs.FileSystem:
        """Return how Arrow reads a folder: by ranges, so that it asks for the columns and rows it needs."""
        key = self._key(folder)
        return self._local.arrow(folder) if key is None else self.store.below(key)

    def wipe_range(self, path: Path, offset: int, length: int) -> None:
        """Replace what holds a range by the same with zeros. Raises OSError when the file does not reach so far."""
        key = self._key(path)
        if key is None:
            self._local.wipe_range(path, offset, length)
            return
        parts = self._parts_of(key)
        parts.wipe(offset, length)
        if parts.size < offset + length:
            raise OSError(f"{path.name} ends before byte {offset + length}")

    def tidy(self, folder: Path) -> int:
        """Merge small parts of the files of a folder that are in use, one portion, and return how many there were."""
        key = self._key(folder)
        with self._lock:
            known = [parts for name, parts in self._parts.items() if key is not None and name.startswith(key)]
        return next((count for parts in known if (count := parts.merge())), 0)

    def write_durably(self, path: Path, data: bytes) -> None:
        """Write a whole file as one object."""
        key = self._key(path)
        if key is None:
            self._local.write_durably(path, data)
        else:
            self.store.put(key, data)

    def adopt_durably(self, temporary: Path, path: Path) -> None:
        """Send a finished temporary file or folder of this machine to the store, and remove it here.

        A folder arrives file by file: it is there for others once something else, a row, names it.
        """
        key = self._key(path)
        if key is None:
            self._local.adopt_durably(temporary, path)
            return
        if temporary.is_dir():
            for name in self._local.tree(temporary):
                self.store.put_file(f"{key}/{name}", temporary / name)
        else:
            self.store.put_file(key, temporary)
        self._local.remove(temporary)

    def take_over(self, folder: Path) -> None:
        """Send what is finished and lies in a folder of this machine: earlier releases kept exports there."""
        for path in sorted(folder.glob("[!.]*")):
            self.adopt_durably(path, path)

    def remove(self, path: Path) -> None:
        """Delete a file or a folder tree."""
        key = self._key(path)
        if key is None:
            self._local.remove(path)
            return
        with self._lock:
            self._parts.pop(key, None)
        self.store.delete(key)

    def _key(self, path: Path) -> str | None:
        """Return where a path lies on the store, None for what lies on this machine."""
        if not path.is_relative_to(self._home):
            return None
        parts = path.relative_to(self._home).parts
        stored = bool(parts) and parts[0] in STORED and not any(part.startswith(".") for part in parts)
        return "/".join(parts) if stored else None

    def _parts_of(self, key: str) -> Parts:
        with self._lock:
            if key not in self._parts:
                self._parts[key] = Parts(self.store, key, self._held)
            return self._parts[key]

    def _range(self, key: str, offset: int, length: int) -> bytes:
        if not _grows(key):
            return self.store.get_range(key, offset, length)
        parts = self._parts_of(key)
        try:
            data = parts.read(offset, length)
        except FileNotFoundError:  # another process wrote since its parts were listed here
            data = b""
        if len(data) < length:
            parts.refresh()
            data = parts.read(offset, length)
        return data


def _grows(key: str) -> bool:
    return key.split("/", 1)[0] == STORED[0]


def _grown(found: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yield name and size of each file in a listing of parts."""
    growing: dict[str, dict[str, int]] = {}
    for key, size in found.items():
        name, _, part = key.partition("/")
        growing.setdefault(name, {})[part] = size
    for name, parts in growing.items():
        valid, _, _ = sorted_out(parts)
        yield name, valid[-1].end if valid else 0
