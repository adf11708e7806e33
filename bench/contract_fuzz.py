"""Random sequences of calls to the three contracts, each held against a model in Python that shares no code with them.

Usage: `python -m bench.contract_fuzz --calls 100000 [--steps 250] [--first 1]` prints one JSON line, and ends with 1 at
the first call that did not do what the model says, or the first invariant that did not hold (named with its seed).

    calls        how many were made, those of `steps` to a sequence, each on contracts as just after creation
    done         calls that succeeded; the others were refused with exactly the error that the model named
    outcomes     how many different pairs of function and outcome were seen
    cpu_s        processor seconds, on the EVM that the devnet is made of (py-evm)
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

from chain_lab import House  # noqa: E402

from bench.solidity.sequences import DifferenceError, run_sequence  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run sequences until there were enough calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=250, help="calls in one sequence")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    options = parser.parse_args(arguments)
    counts, seed, begun_s, difference = Counter[str](), options.first, time.process_time(), ""
    while counts.total() < options.calls and not difference:
        try:
            counts.update(run_sequence(House.build(), seed=seed, steps=options.steps))
        except DifferenceError as error:
            difference = str(error)
        seed += 1
    facts = {
        "bench": "contract_fuzz",
        "calls": counts.total(),
        "sequences": seed - options.first,
        "done": sum(count for outcome, count in counts.items() if outcome.endswith(": done")),
        "outcomes": len(counts),
        "cpu_s": round(time.process_time() - begun_s, 1),
        "difference": difference,
    }
    print(json.dumps(facts))
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
