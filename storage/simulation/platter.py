"""A disk that forgets what was not synced: real files for the living process, and in memory what a crash would leave.

A file has the bytes it shows and the bytes that its last fsync made durable; a folder has the names it shows and those
that its last fsync made durable. On a crash every unsynced file keeps a random part of what is new (a torn tail, or
zeros where the length survived and the data did not), and every unsynced folder keeps a random first part of its
pending creations, renames and deletions, in their order. What is left is written back to the real folder.

Rules: everything random is seeded; the process' own code (`PosixDisk`) runs unchanged on these calls. SQLite is trusted
and its files left alone: a crash loses exactly its uncommitted transaction (`synchronous=FULL`).

Does not: lose synced bytes, reorder the steps within one folder, or follow links.

Usage::

    platter = Platter(home, Random(1))
    disk = PosixDisk(SimulatedCalls(platter, life))
    ...                      # until a SimulatedCrash
    platter.crash()

Source: Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); ext4 `data=ordered` and `writeback`.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from storage.real_env import SystemCalls
from storage.simulation.life import Life


@dataclass(eq=False)
class File:
    """Bytes shown and bytes durable."""

    shown: bytearray = field(default_factory=bytearray)
    durable: bytes = b""

    def survivor(self, randomness: Random) -> bytes:
        """Return what a crash leaves of it."""
        shown, durable = bytes(self.shown), self.durable
        if shown == durable:
            return durable
        if not shown.startswith(durable):  # cut or replaced, and not synced since: either may be there
            return randomness.choice((shown, durable))
        kept = randomness.choice((len(durable), len(shown), randomness.randint(len(durable), len(shown))))
        lost = randomness.choice((0, 0, randomness.randint(0, len(shown) - kept)))
        return shown[:kept] + bytes(lost)


@dataclass(eq=False)
class Folder:
    """Names shown, names durable, and the steps between them."""

    shown: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def change(self, name: str, node: File | Folder | None) -> None:
        """Give a name to a node, or take it away, for now only as shown."""
        self.pending.append((name, node))
        _apply(self.shown, name, node)

    def sync(self) -> None:
        """Make the names durable."""
        self.durable = dict(self.shown)
        self.pending.clear()

    def survivor(self, randomness: Random) -> dict[str, File | Folder]:
        """Return the names that a crash leaves."""
        left = dict(self.durable)
        for name, node in self.pending[: randomness.randint(0, len(self.pending))]:
            _apply(left, name, node)
        return left


def _apply(names: dict[str, File | Folder], name: str, node: File | Folder | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


class Platter:
    """What would be left of one home folder; it outlives the lives that write to it."""

    def __init__(self, home: Path, randomness: Random, full: Callable[[], bool] = lambda: False) -> None:
        self.home = home
        self.full = full  # asked at each write: is the disk full now?
        self._randomness = randomness
        self._root = Folder()

    def folder(self, path: Path) -> Folder:
        """Return a folder's node; one that somebody made beside the port is taken as just made."""
        node: File | Folder = self._root
        for name in path.relative_to(self.home).parts:
            assert isinstance(node, Folder), f"{path} leads through a file"
            if name not in node.shown:
                node.change(name, Folder())
            node = node.shown[name]
        assert isinstance(node, Folder), f"{path} is a file"
        return node

    def covers(self, path: Path) -> bool:
        """Say whether a path is at or below the home."""
        return path == self.home or self.home in path.parents

    def file(self, path: Path) -> File:
        """Return a file's node; one that was written beside the port is taken as not synced."""
        names = self.folder(path.parent)
        if path.name not in names.shown:
            names.change(path.name, File(bytearray(path.read_bytes())))
        node = names.shown[path.name]
        assert isinstance(node, File), f"{path} is a folder"
        return node

    def meet_folders(self, path: Path) -> Folder:
        """Return a folder's node after taking note of the folders in it that were made beside the port."""
        node = self.folder(path)
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            if entry.is_dir() and entry.name not in node.shown:
                node.change(entry.name, Folder())
        return node

    def crash(self) -> None:
        """Lose what a crash loses and put the rest where the next life finds it."""
        self._root = self._settle(self._root, self.home)

    def _settle(self, folder: Folder, path: Path) -> Folder:
        left = folder.survivor(self._randomness)
        for name in sorted({*folder.shown, *folder.durable}):
            if isinstance(left.get(name), Folder) and (path / name).is_dir():
                continue
            _delete(path / name)
        settled: dict[str, File | Folder] = {}
        for name, node in sorted(left.items()):
            if isinstance(node, Folder):
                (path / name).mkdir(exist_ok=True)
                settled[name] = self._settle(node, path / name)
            else:
                data = node.survivor(self._randomness)
                (path / name).write_bytes(data)
                settled[name] = File(bytearray(data), data)
        return Folder(settled, dict(settled))


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class SimulatedCalls(SystemCalls):
    """The system calls of one life, each remembered by the platter and followed by a point where the life may end."""

    def __init__(self, platter: Platter, life: Life) -> None:
        self._platter = platter
        self._life = life
        self._open: dict[int, File] = {}

    def make_folder(self, path: Path) -> None:
        """Create a folder; its name waits for `sync_folder` of its parent."""
        self._require_alive()
        super().make_folder(path)
        self._platter.folder(path)
        self._life.point("mkdir")

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """Open a file; a new one's name waits for `sync_folder`."""
        self._require_alive()
        node = self._platter.file(path) if path.exists() else None
        descriptor = super().open(path, flags, mode)
        if node is None:
            node = File()
            self._platter.folder(path.parent).change(path.name, node)
            self._open[descriptor] = node
            self._life.point("create")
        self._open[descriptor] = node
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        """Append; on a full disk a part is written and then OSError raised."""
        self._require_alive()
        node = self._open[descriptor]
        if self._platter.full():
            part = data[: len(data) // 2]
            node.shown += part
            super().write(descriptor, part)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(descriptor, data)
        node.shown += data[:written]
        self._life.point("write")
        return written

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write over a range; the new bytes wait for fsync."""
        self._require_alive()
        written = super().overwrite(descriptor, data, offset)
        self._open[descriptor].shown[offset : offset + written] = data[:written]
        self._life.point("overwrite")
        return written

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut; the cut waits for fsync."""
        self._require_alive()
        super().truncate(descriptor, size_bytes)
        del self._open[descriptor].shown[size_bytes:]
        self._life.point("truncate")

    def fsync(self, descriptor: int) -> None:
        """Make a file's bytes durable."""
        self._require_alive()
        node = self._open[descriptor]
        node.durable = bytes(node.shown)
        self._life.point("fsync")

    def close(self, descriptor: int) -> None:
        """Close; the dead close nothing twice."""
        if self._open.pop(descriptor, None) is not None:
            super().close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename; both names wait for `sync_folder`."""
        self._require_alive()
        before, after = self._platter.folder(source.parent), self._platter.folder(target.parent)
        node = before.shown[source.name]
        super().rename(source, target)
        after.change(target.name, node)
        before.change(source.name, None)
        self._life.point("rename")

    def unlink(self, path: Path) -> None:
        """Delete; the absence waits for `sync_folder`."""
        self._require_alive()
        super().unlink(path)
        self._platter.folder(path.parent).change(path.name, None)
        self._life.point("unlink")

    def sync_folder(self, path: Path) -> None:
        """Make a folder's names durable."""
        self._require_alive()
        if self._platter.covers(path):
            self._platter.meet_folders(path).sync()
            self._life.point("sync_folder")

    def end(self) -> None:
        """Close what the life left open, as the kernel does for a process that is gone."""
        for descriptor in list(self._open):
            self.close(descriptor)

    def _require_alive(self) -> None:
        if not self._life.alive:
            self._life.point("after the end")
