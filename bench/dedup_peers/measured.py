"""How every system of `bench/dedup.py` is run: documents in, numbers of the removed ones out, its processor time told.

Rules: reading the documents is not counted, all that follows is, children and threads included. It imports nothing of
this project, because peers run in environments that have none of it.

Does not: judge the answer (that is `bench/dedup.py`).

Usage: `measured(remove, "name", "1.0", "settings")` as the last line of a peer's program.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow.parquet as pq


def cpu_s() -> float:
    """Return the processor seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_mb() -> int:
    """Return the most memory this program held at once. Unlike ru_maxrss it begins with the program, not its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def measured(remove: Callable[[list[str]], Iterable[int]], system: str, version: str, settings: str) -> None:
    """Run `remove` over the texts of the file named first and write what it removed to the file named second."""
    texts: list[str] = pq.read_table(sys.argv[1], columns=["text"]).column("text").to_pylist()
    begun_s = cpu_s()
    removed = sorted(remove(texts))
    used_s = cpu_s() - begun_s
    Path(sys.argv[2]).write_text(json.dumps(removed))
    facts = {
        "system": system,
        "version": version,
        "settings": settings,
        "cpu_s": used_s,
        "maxrss_mb": peak_mb(),
    }
    print(json.dumps(facts))
