"""A tree of processes read from outside: who is in it, its memory and its processor time.

Rules: memory is proportional where pages are shared (PSS, /proc/PID/smaps_rollup), in MB of 10^6 bytes; a process that
ends while it is read counts for nothing.

Does not: start or stop anything. Usage: `memory_mb(pid)["pss_mb"]`; `cpu_s(pid)`.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import psutil

MB: Final = 1_000_000


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def memory_mb(pid: int) -> dict[str, float]:
    """Return proportional, private and resident memory of a process tree."""
    sums = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0, "Rss": 0}
    for process in tree(pid):
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
                name, _, value = line.partition(":")
                if name in sums:
                    sums[name] += int(value.split()[0]) * 1024
    private = sums["Private_Clean"] + sums["Private_Dirty"]
    return {
        "pss_mb": round(sums["Pss"] / MB, 1),
        "uss_mb": round(private / MB, 1),
        "rss_mb": round(sums["Rss"] / MB, 1),
    }


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process, its ended children and its living tree."""
    found = tree(pid)
    if not found:
        return 0.0
    own = found[0].cpu_times()
    below = sum(sum(each.cpu_times()[:2]) for each in found[1:] if each.is_running())
    return float(own.user + own.system + own.children_user + own.children_system + below)


def own_mb(pid: int) -> float:
    """Return the private memory of one process."""
    return round(psutil.Process(pid).memory_full_info().uss / MB, 1)
