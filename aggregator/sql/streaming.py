"""An answer by columns while it is made: bytes of the contained process, passed on and not looked into.

Rules: the process is killed at its deadline, at its bound of bytes, and when nobody reads on. Reading blocks, so it is
done in a thread.

Does not: parse Arrow or Parquet: a process that a stranger's statement runs in wrote them.

Usage::

    with ColumnStream(msgspec.structs.replace(job, form="arrow"), Leash()) as stream:
        while part := stream.read():
            ...
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import Final, Self

import msgspec

from aggregator.sql.children import Leash
from aggregator.sql.job import Head, Job, Refusal
from aggregator.sql.sandbox import COMPLAINT_BYTES_MAX, fault_of, started
from aggregator.sql.served_files import NO_FILES, LakeFiles
from windrow_protocol.errors import WindrowError

_HEAD_BYTES_MAX: Final = 4_000_000
_PART_BYTES: Final = 262_144


class ColumnStream:
    """One running question, of which the head is known."""

    def __init__(self, job: Job, leash: Leash, lake: LakeFiles = NO_FILES) -> None:
        """Start it and wait for its head.

        Raises WindrowError `sql_refused`, `sql_failed`, `sql_limits` or `sql_stopped`, and OSError where the lake's
        place does not answer.
        """
        self._job, self._leash = job, leash
        self._late, self._bytes = False, 0
        self._until_closed = ExitStack()
        self._child, self._asked = self._until_closed.enter_context(started(job, leash, lake))
        self._alarm = threading.Timer(job.time_s_max, self._end)
        self._alarm.start()
        try:
            self.head = self._begin()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def read(self) -> bytes:
        """Return the next bytes, or none when all were read. Raises WindrowError when it broke off."""
        assert self._child.stdout is not None
        part = self._child.stdout.read1(_PART_BYTES)  # type: ignore[attr-defined]  # it is buffered
        self._bytes += len(part)
        if self._bytes > self._job.answer_bytes_max:
            raise WindrowError(
                "sql_limits", f"the answer has more than {self._job.answer_bytes_max // 10**6} MB"
            )
        if not part and (code := self._child.wait()):
            raise self._fault(code)
        return bytes(part)

    def close(self) -> None:
        """Kill what is left of it."""
        self._alarm.cancel()
        self._child.kill()
        with self._until_closed, suppress(BrokenPipeError), self._child:
            pass

    def _begin(self) -> Head:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with suppress(BrokenPipeError), self._child.stdin:
            self._child.stdin.write(self._asked)
        line = self._child.stdout.readline(_HEAD_BYTES_MAX)
        if not line.endswith(b"\n"):
            raise self._fault(self._child.wait() if not line else -9)
        said = msgspec.json.decode(line, type=Head | Refusal)
        if isinstance(said, Refusal):
            raise WindrowError(said.code, said.detail)
        return said

    def _end(self) -> None:
        self._late = True
        self._child.kill()

    def _fault(self, code: int) -> WindrowError:
        if self._leash.is_cut:
            return WindrowError("sql_stopped")
        if self._late:
            return WindrowError("sql_limits", f"it ran longer than {self._job.time_s_max} s")
        assert self._child.stderr is not None
        return fault_of(code, self._child.stderr.read(COMPLAINT_BYTES_MAX))
