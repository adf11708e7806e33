"""The processes in which statements run: started, kept ready, and ended from elsewhere.

Rules: each question has a process of its own, which gets none of this process's environment. One that is kept ready has
seen no statement; one that has seen one is never used again.

Does not: speak with them (`sandbox`, `streaming`).

Usage: `child = start_child(leash, spare)`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from windrow_protocol.limits import SQL_SPARE_IDLE_S

ENVIRONMENT: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than the child may have
    "MALLOC_ARENA_MAX": "2",
    # What was read is given back to this process, not to the kernel, or each read begins with fresh pages.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONIOENCODING": "utf-8",
}


class Leash:
    """What ends a question from another thread: at once, or when it begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self.is_cut = False

    def hold(self, child: subprocess.Popen[bytes]) -> None:
        """Take a child that was just started."""
        with self._lock:
            self._child = child
            if self.is_cut:
                child.kill()

    def cut(self) -> None:
        """Kill the child, or the one that comes."""
        with self._lock:
            self.is_cut = True
            if self._child is not None:
                self._child.kill()


class Spare:
    """A process that is ready before there is a question, for a program that asks again and again.

    The first question starts one for the second when it is answered, and so on; each has a process of its own all the
    same. When nobody has asked for `idle_s` seconds the one that waits is ended. Threads may share it.
    """

    def __init__(self, idle_s: float = SQL_SPARE_IDLE_S) -> None:
        self._lock = threading.Lock()
        self._idle_s = idle_s
        self._waiting: subprocess.Popen[bytes] | None = None
        self._alarm: threading.Timer | None = None
        self._is_closed = False

    def take(self) -> subprocess.Popen[bytes]:
        """Return a process that waits for its job."""
        with self._lock:
            taken = self._let_go()
        return _start() if taken is None or taken.poll() is not None else taken

    def refill(self) -> None:
        """Start the next one, where none waits; when a question is answered, so that it takes nothing from it."""
        with self._lock:
            if self._waiting is None and not self._is_closed:
                self._waiting = _start("--ready")
                self._alarm = threading.Timer(self._idle_s, self.rest)
                self._alarm.daemon = True
                self._alarm.start()

    def rest(self) -> None:
        """End the process that waits; the next question begins anew."""
        with self._lock:
            waiting = self._let_go()
        if waiting is not None:
            waiting.kill()
            waiting.communicate()

    def close(self) -> None:
        """End the process that waits, for good."""
        self._is_closed = True
        self.rest()

    def _let_go(self) -> subprocess.Popen[bytes] | None:
        if self._alarm is not None:
            self._alarm.cancel()
        waiting, self._waiting, self._alarm = self._waiting, None, None
        return waiting


def start_child(
    leash: Leash, spare: Spare | None = None, descriptors: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Return a process that waits for a job on its standard input; one that gets descriptors is a new one."""
    child = _start(descriptors=descriptors) if spare is None or descriptors else spare.take()
    leash.hold(child)
    return child


def _start(*arguments: str, descriptors: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "aggregator.sql.child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent)},
        start_new_session=True,
        pass_fds=descriptors,
    )
