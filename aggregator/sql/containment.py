"""Takes from a child process everything a query does not need, before the query runs.

Rules: limits on memory, CPU, files written and open files; no new privileges; another user where this one is root; no
network, because DuckDB's access is off and no socket is open. What the system cannot do is skipped, since the others
still hold; the parent kills at the deadline whatever happens.

Does not: parse statements (see `statements`). Usage: `contain(memory_bytes_max, time_s_max)`.

Source: setrlimit(2), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_NOBODY: Final = 65_534
_ENGINE_BYTES: Final = (
    2_500_000_000  # address space that DuckDB's and Arrow's threads reserve without using it
)
_OPEN_FILES_MAX: Final = 512


def contain(memory_bytes_max: int, time_s_max: int) -> None:
    """Give up rights and set limits; from here on nothing can be written, and memory ends with an error."""
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, time_s_max * 2 + 1)  # two threads
    _limit(resource.RLIMIT_DATA, memory_bytes_max + _ENGINE_BYTES)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES_MAX)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            libc.prctl(
                _PR_SET_DUMPABLE, 1, 0, 0, 0
            )  # or /proc/self/fd, through which files are opened, is closed
        _limit(resource.RLIMIT_NPROC, _OPEN_FILES_MAX)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (ceiling, ceiling))
