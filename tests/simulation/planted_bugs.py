"""Bugs that a house could have, each planted by handing it one bad part; the harness must find every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from simulation.house_lives import Parts
from simulation.runs import Setting, run

from aggregator.ingest import Answers, Batch, Ingest
from storage.env import AppendFile
from storage.house import House
from storage.real_env import PosixDisk
from storage.segments import Place, Segments
from storage.simulation.life import KillAt
from storage.simulation.platter import SimulatedCalls
from storage.state import State
from storage.tables.contributions import leases
from windrow_protocol.errors import WindrowError


class _Rehearsal:
    """A state whose transactions are all rolled back."""

    def __init__(self, state: State) -> None:
        self.read = state.read
        self._state = state

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self._state.write() as connection:
            savepoint = connection.begin_nested()
            yield connection
            savepoint.rollback()


class _NoSegments:
    """Segments that keep nothing."""

    def append_packed(self, records: Sequence[bytes]) -> list[Place]:
        return [Place("nowhere", 0, len(record)) for record in records]

    def sync(self) -> None: ...

    def commit(self, connection: sa.Connection) -> None: ...


class AcknowledgesFirst(Ingest):
    """Answers with a receipt, and writes a moment later what it has a receipt for."""

    def __init__(self, house: House, segments: Segments) -> None:
        super().__init__(house, segments)
        rehearsed = replace(house, state=cast(State, _Rehearsal(house.state)))
        self._rehearsal = Ingest(rehearsed, cast(Segments, _NoSegments()))

    def accept_together(self, batches: Sequence[Batch]) -> list[Answers | Exception]:
        answers = self._rehearsal.accept_together(batches)
        asyncio.get_running_loop().call_soon(super().accept_together, batches)
        return answers


class RefusesRetries(Ingest):
    """Does not know a submission again whose answer was lost."""

    def _answered_before(self, connection: sa.Connection, lease_id: str, digest: str) -> dict[str, Any]:
        raise WindrowError("lease_closed", lease_id)


class WritesRetries(Ingest):
    """Takes a submission that was answered for a new one."""

    def accept_together(self, batches: Sequence[Batch]) -> list[Answers | Exception]:
        with self._house.state.write() as connection:
            connection.execute(sa.update(leases).where(leases.c.state == "answered").values(state="leased"))
        return super().accept_together(batches)


class WatermarkApart(Ingest):
    """Commits how far the segment is vouched for in a transaction of its own, after the index."""

    def __init__(self, house: House, segments: Segments) -> None:
        super().__init__(house, segments)
        self._whole = segments

    def accept_together(self, batches: Sequence[Batch]) -> list[Answers | Exception]:
        self._segments = cast(Segments, _WithoutCommit(self._whole))
        answers = super().accept_together(batches)
        with self._house.state.write() as connection:
            self._whole.commit(connection)
        return answers


class _WithoutCommit:
    def __init__(self, segments: Segments) -> None:
        self.append_packed, self.sync = segments.append_packed, segments.sync

    def commit(self, connection: sa.Connection) -> None: ...


class _NeverCuts(PosixDisk):
    """Opens a segment without cutting off what no commit vouches for."""

    def open_append(self, path: Path, keep_bytes: int) -> AppendFile:
        return super().open_append(path, 2**62)


def _without_folder_sync(calls: SimulatedCalls) -> PosixDisk:
    setattr(calls, "sync_folder", lambda path: None)  # noqa: B010 - mypy would not let a method be replaced
    return PosixDisk(calls)


def _without_fsync(calls: SimulatedCalls) -> PosixDisk:
    setattr(calls, "fsync", lambda descriptor: None)  # noqa: B010
    return PosixDisk(calls)


@dataclass(frozen=True)
class Bug:
    """Bad parts, the kind of point at which a crash brings it to light, and what the harness may say about it."""

    parts: Parts
    kind: str
    words: tuple[str, ...]


_LOST = ("not there whole", "decompression error", "ends before byte")

PLANTED = {
    "acknowledges before the commit": Bug(
        Parts(ingest=AcknowledgesFirst), "before_commit", ("acknowledged and lost",)
    ),
    "no fsync of folders": Bug(Parts(disk=_without_folder_sync), "after_commit", _LOST),
    "no fsync of files": Bug(Parts(disk=_without_fsync), "after_commit", ("are vouched for", *_LOST)),
    "refuses a retry": Bug(Parts(ingest=RefusesRetries), "after_commit", ("never acknowledged",)),
    "takes a retry for new work": Bug(Parts(ingest=WritesRetries), "after_commit", ("disagree about",)),
    "commits the watermark apart": Bug(Parts(ingest=WatermarkApart), "before_commit", _LOST),
    "cuts nothing off on opening": Bug(Parts(disk=_NeverCuts), "write", ("are vouched for",)),
}


def first_found(bug: Bug, script: Setting) -> int:
    """Return the first point at which a crash of a script with the bug is found out, or 0 for none."""
    counted = KillAt(0)
    run(replace(script, kills=counted, parts=bug.parts))
    for number, kind in enumerate(counted.names, start=1):
        if kind == bug.kind:
            problems = run(replace(script, kills=KillAt(number), parts=bug.parts)).problems
            if any(word in problem for problem in problems for word in bug.words):
                return number
    return 0
