"""The crash harness at full size: every point of a script, 1,000 SIGKILLs of the real process, and the planted bugs.

Usage: `python bench/crash.py [--kills 1000] [--seed 1]` prints one JSON line for each of the three.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

from simulation.killed_process import harness  # noqa: E402
from simulation.planted_bugs import PLANTED, first_found  # noqa: E402
from simulation.quiet import be_quiet  # noqa: E402
from simulation.runs import Setting, run  # noqa: E402

from storage.simulation.life import KillAt  # noqa: E402


def every_point(script: Setting) -> dict[str, Any]:
    """Kill one script at each of its points, one run for each."""
    begun_s, counted = time.monotonic(), KillAt(0)
    run(replace(script, kills=counted))
    broken = {}
    for number in range(1, len(counted.names) + 1):
        problems = run(replace(script, kills=KillAt(number))).problems
        if problems:
            broken[f"{number} {counted.names[number - 1]}"] = problems[:3]
    return {
        "bench": "every point",
        "points": len(counted.names),
        "kinds": dict(Counter(counted.names)),
        "broken": len(broken),
        "seconds": round(time.monotonic() - begun_s, 1),
        "what_broke": dict(list(broken.items())[:20]),
    }


def planted(script: Setting) -> dict[str, Any]:
    """Say at which point of the script each planted bug was found; 0 means never."""
    begun_s = time.monotonic()
    found = {name: first_found(bug, script) for name, bug in PLANTED.items()}
    return {"bench": "planted bugs", "found_at_point": found, "seconds": round(time.monotonic() - begun_s, 1)}


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    be_quiet()
    with tempfile.TemporaryDirectory(prefix="windrow-killed-") as folder:
        print(json.dumps(harness(Path(folder), options.kills, options.seed)), flush=True)
    print(json.dumps(every_point(Setting(options.seed, pages=4, storm=False))), flush=True)
    print(json.dumps(planted(Setting(3, pages=2, honest=1, cheats=0, validators=1, storm=False))), flush=True)


if __name__ == "__main__":
    main()
