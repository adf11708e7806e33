"""Takes from a child process everything a query does not need, before a stranger's statement is even parsed.

Rules: no file can be opened (Landlock) or written (RLIMIT_FSIZE), no network is there (an empty namespace, Landlock),
no privilege can be gained or is left (another user where this one is root), memory, CPU and open files end at limits.
What a system cannot do is skipped, since the others still hold; the parent kills at the deadline whatever happens.

Does not: parse statements (see `statements`), or bind threads that already run: call it while DuckDB has one.

Usage: `contain(memory_bytes_max, time_s_max)`.

Source: setrlimit(2), prctl(2), unshare(2), setns(2), landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Any, Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWNET: Final = 0x4000_0000
_NOBODY: Final = 65_534
_ENGINE_BYTES: Final = 200_000_000  # stacks and arenas of DuckDB's and Arrow's threads, Python's rows
_OPEN_FILES_MAX: Final = 16
_LANDLOCK_CREATE: Final = 444  # the same number on every architecture
_LANDLOCK_RESTRICT: Final = 446
# What each version of Landlock can deny: version → (file rights, network rights, scopes, bytes of the struct).
_LANDLOCK: Final = (
    (6, 16, 2, 2, 24),
    (5, 16, 2, 0, 16),
    (4, 15, 2, 0, 16),
    (3, 15, 0, 0, 8),
    (2, 14, 0, 0, 8),
)
_LANDLOCK_FIRST: Final = (1, 13, 0, 0, 8)


def empty_network() -> int | None:
    """Return the descriptor of a network without anything in it, or None where that cannot be made; only root may.

    Making one takes the kernel longer than moving there. This process stays where it is.
    """
    if sys.platform != "linux":
        return None
    libc, own = ctypes.CDLL(None, use_errno=True), _network()
    if own is None or libc.unshare(_CLONE_NEWNET) != 0:
        return None
    try:
        made = _network()
        if libc.setns(own, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "the network before cannot be entered again")
        return made
    finally:
        os.close(own)


def _network() -> int | None:
    try:
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # without /proc
        return None


def contain(memory_bytes_max: int, time_s_max: int, network: int | None = None) -> None:
    """Give up rights and set limits; from here on nothing can be opened, and memory ends with an error.

    `network` is what `empty_network` made before; without it one is made now.
    """
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, time_s_max * 2 + 1)  # two threads
    _limit(resource.RLIMIT_DATA, _data_bytes() + memory_bytes_max + _ENGINE_BYTES)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if network is None or libc.setns(network, _CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWNET)  # only root may
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        _deny_files(libc)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES_MAX)


def _deny_files(libc: Any) -> None:
    """Let Landlock deny all it can, with no exception: an empty set of rules."""
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return
    known = next((row for row in _LANDLOCK if row[0] <= version), _LANDLOCK_FIRST)
    _, files, network, scopes, size = known
    attributes = (ctypes.c_uint64 * 3)((1 << files) - 1, (1 << network) - 1, (1 << scopes) - 1)
    ruleset = libc.syscall(
        _LANDLOCK_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    if ruleset >= 0:
        libc.syscall(_LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
        os.close(ruleset)


def _data_bytes() -> int:
    """Return the private memory this process has reserved so far: the libraries and the rows it read."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 2_500_000_000  # without /proc it is not known: as much as was ever seen
    (line,) = [line for line in status.splitlines() if line.startswith("VmData:")]
    return int(line.split()[1]) * 1024


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (ceiling, ceiling))
