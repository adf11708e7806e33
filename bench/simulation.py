"""Many seeds of the simulation: how many broke a promise, and how long a seed takes.

Usage: `python bench/simulation.py --seeds 10000 [--first 1] [--jobs 2]` prints one JSON line; seeds that broke a
promise are named in it with what was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

from simulation.quiet import be_quiet  # noqa: E402
from simulation.runs import Result, Setting, run  # noqa: E402


def one(seed: int) -> Result:
    """Run one seed; sizes and faults follow from it."""
    return run(Setting.drawn(seed))


def summary(results: Iterable[Result], begun_s: float) -> dict[str, object]:
    """Fold the results of all seeds."""
    counts: Counter[str] = Counter()
    broken = {}
    for result in results:
        counts.update(
            seeds=1, crashes=result.crashes, submitted=result.submitted, virtual=int(result.virtual_s)
        )
        counts.update({f"verdict {name}": count for name, count in result.verdicts.items()})
        if result.problems:
            broken[result.seed] = result.problems[:3]
    return {
        "bench": "simulation",
        "seeds": counts.pop("seeds"),
        "broken": len(broken),
        "crashes": counts.pop("crashes"),
        "submissions": counts.pop("submitted"),
        "virtual_hours": round(counts.pop("virtual") / 3600, 1),
        "verdicts": {name.removeprefix("verdict "): count for name, count in sorted(counts.items())},
        "seconds": round(time.monotonic() - begun_s, 1),
        "what_broke": dict(list(broken.items())[:20]),
    }


def main() -> None:
    """Run the seeds on some processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    be_quiet()
    begun_s, seeds = time.monotonic(), range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        print(json.dumps(summary(pool.map(one, seeds, chunksize=20), begun_s)))


if __name__ == "__main__":
    main()
