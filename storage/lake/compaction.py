"""Compaction: small files become large ones in the background, while rows come in and questions are asked.

Rules: neighbours in the log's order of about the same size are merged, `LAKE_MERGE_FILES` at a time, until a file
has half of `LAKE_FILE_BYTES_MAX`; so a row is rewritten a few times in its life, and files stay few. A merge goes
on a portion at a time outside every transaction; one transaction swaps its files, if all of them still are what
they were. The old ones stay for as long as a kept snapshot has them. What a crash leaves is an unlisted file, swept
at the next start.

Does not: change, drop or reorder rows beyond sorting, run by itself, or wait.

Usage::

    compaction = Compaction(state, lake)
    while compaction.step(): ...
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from storage.lake import Lake, file_name
from storage.lake.manifest import (
    LakeFile,
    add_file,
    begin_snapshot,
    files_of,
    finish_snapshot,
    remove_files,
)
from storage.lake.merging import Merge, read_groups
from storage.state import State
from storage.tables.lake import lake_files
from windrow_protocol.limits import LAKE_FILE_BYTES_MAX, LAKE_MERGE_FILES

_CHUNK_BYTES = 1 << 20


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass
class _Running:
    inputs: list[LakeFile]
    merge: Merge


class Compaction:
    """The merges of one lake; remembers only the one that is under way."""

    def __init__(
        self,
        state: State,
        lake: Lake,
        *,
        merge_files: int = LAKE_MERGE_FILES,
        file_bytes_max: int = LAKE_FILE_BYTES_MAX,
    ) -> None:
        self._state = state
        self._lake = lake
        self._merge_files = merge_files
        self._file_bytes_max = file_bytes_max
        self._running: _Running | None = None

    def step(self, everything: bool = False) -> int:
        """Do one portion and return how much there was to do; 0 means that nothing is worth merging now.

        `everything` merges all neighbours that fit into one file, however few they are. Raises OSError.
        """
        if self._running is None:
            return self._begin(everything) or self.expire()
        if self._running.merge.step():
            return 1
        running, self._running = self._running, None
        self._swap(running)
        return 1

    def expire(self) -> int:
        """Forget old snapshots, delete what only they needed, and return how many files that were."""
        with self._state.read() as connection:
            if not self._lake.expirable(connection):
                return 0
        with self._state.write() as connection:
            names = self._lake.expire(connection)
        self._lake.delete(names)
        return len(names)

    def stop(self) -> None:
        """Abandon the merge under way."""
        if self._running is not None:
            self._running.merge.abandon()
            self._lake.env.disk.remove(self._running.merge.output)
            self._running = None

    def _begin(self, everything: bool) -> int:
        with self._state.read() as connection:
            files = files_of(connection)
        if everything:
            chosen = choose_all(files, self._file_bytes_max)
        else:
            chosen = choose(files, self._merge_files, self._file_bytes_max)
        if not chosen:
            return 0
        temporary = self._lake.folder / f".merging-{self._lake.env.randomness.token(4).hex()}.tmp"
        sources = [read_groups(self._lake.files_by_name, file.path) for file in chosen]
        self._running = _Running(chosen, Merge(sources, temporary))
        return 1

    def _swap(self, running: _Running) -> None:
        file = adopt(self._lake, running.merge, running.inputs)
        paths = [each.path for each in running.inputs]
        if file.rows != sum(each.rows for each in running.inputs):
            raise OSError(f"{file.path} has {file.rows} rows, and not those of {', '.join(paths)}")
        with self._state.write() as connection:
            if not are_live(connection, paths):  # an erasure replaced one of them meanwhile
                self._lake.env.disk.remove(self._lake.folder / file.path)
                return
            now_ms = self._lake.env.clock.now_ms()
            snapshot = begin_snapshot(connection, "compact", now_ms)
            remove_files(connection, paths, snapshot)
            add_file(connection, file, snapshot, now_ms)
            finish_snapshot(connection, snapshot)


def adopt(lake: Lake, merge: Merge, inputs: Sequence[LakeFile], *, mark: str = "") -> LakeFile:
    """Give a finished merge its name, durably, and say what it holds; it is not listed yet.

    `mark` keeps its name apart from that of an earlier file with the same bytes.
    """
    first, last = min(each.first_seq for each in inputs), max(each.last_seq for each in inputs)
    digest, size = digest_file(merge.output)
    name = file_name(first, last, mark + digest)
    lake.env.disk.adopt_durably(merge.output, lake.folder / name)
    return LakeFile(name, first, last, merge.first_ms, merge.last_ms, merge.rows, size, digest)


def digest_file(path: Path) -> tuple[str, int]:
    """Return a file's SHA-256 and size in bytes, reading a megabyte at a time."""
    with path.open("rb") as file:
        return digest_of_stream(file)


def digest_of_stream(file: _Readable) -> tuple[str, int]:
    """Return the SHA-256 and the size in bytes of what is left to read in an open file."""
    found, size = hashlib.sha256(), 0
    while data := file.read(_CHUNK_BYTES):
        found.update(data)
        size += len(data)
    return found.hexdigest(), size


def choose(files: Sequence[LakeFile], merge_files: int, file_bytes_max: int) -> list[LakeFile]:
    """Return neighbours that are to be merged next, those of the smallest size first; empty: nothing is.

    They are `merge_files` of one size, and smaller ones between them; a large file is never rewritten for small ones.
    """
    sizes = [_tier(file.bytes, merge_files) if file.bytes < file_bytes_max // 2 else -1 for file in files]
    for tier in sorted(set(sizes) - {-1}):
        run: list[LakeFile] = []
        counted = size_bytes = 0
        for file, size in zip(files, sizes, strict=True):
            if size == -1 or size > tier or (not run and size != tier):
                run, counted, size_bytes = [], 0, 0
                continue
            run.append(file)
            counted += size == tier
            size_bytes += file.bytes
            if counted == merge_files or (size_bytes >= file_bytes_max // 2 and counted > 1):
                return run
    return []


def choose_all(files: Sequence[LakeFile], file_bytes_max: int) -> list[LakeFile]:
    """Return the first neighbours, at least two, that fit into one file together."""
    run: list[LakeFile] = []
    for file in files:
        if run and sum(each.bytes for each in run) + file.bytes > file_bytes_max:
            if len(run) > 1:
                return run
            run = []
        run.append(file)
    return run if len(run) > 1 else []


def _tier(size_bytes: int, merge_files: int) -> int:
    return math.floor(math.log(max(size_bytes, 1), merge_files))


def are_live(connection: sa.Connection, paths: Sequence[str]) -> bool:
    """Say whether all of these files are in the lake as it is."""
    live = lake_files.c.removed_in.is_(None)
    statement = sa.select(sa.func.count()).where(lake_files.c.path.in_(paths), live)
    return connection.execute(statement).scalar() == len(paths)
