"""A million steps of a ledger as a state machine, equal to a second implementation to the wei after each.

`bench/ledger_model/life.py` says what a step is: Hypothesis draws them. `bench/ledger.py` makes one long ledger of work
instead. A step that posts nothing (a retry, a refusal) counts as a step and not as an entry.

Usage: `nice -n 19 python -m bench.ledger_life --entries 1000000` prints a JSON line for every so many lives with the
sums so far, and ends with the shortest life that differs where one does. With `--steps` it goes on until so many were
made too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import Final

from bench.ledger_model.life import run_life

LIVES_AT_ONCE: Final = 50  # Hypothesis remembers each drawn choice of a run
STEPS_OF_A_LIFE: Final = 200


def main() -> None:
    """Live until there are enough entries and steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=5_000, help="of all ledgers together")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    made: Counter[str] = Counter()
    chance = wanted.seed
    while made["entries"] < wanted.entries or _steps(made) < wanted.steps:
        made += run_life(examples=LIVES_AT_ONCE, steps=STEPS_OF_A_LIFE, chance=chance)
        chance += 1
        facts = {"lives": made["lives"], "steps": _steps(made), "entries": made["entries"], "differences": 0}
        of_each = {name: count for name, count in sorted(made.items()) if name not in ("lives", "entries")}
        cpu_s = round(time.process_time())
        print(json.dumps({"bench": "ledger_life", **facts, "of_each": of_each, "cpu_s": cpu_s}), flush=True)


def _steps(made: Counter[str]) -> int:
    return sum(count for name, count in made.items() if name not in ("lives", "entries"))


if __name__ == "__main__":
    main()
