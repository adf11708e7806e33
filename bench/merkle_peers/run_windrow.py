"""The tree of an epoch, as `rewards` builds it: `python -m bench.merkle_peers.run_windrow CLAIMS.ndjson EVERY`."""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from rewards.epochs.tree import compiled_tree, epoch_tree
from windrow_protocol.limits import TREE_COMPILED_LEAVES_MIN


def main() -> None:
    """Build the tree, and the proof of every so manieth leaf."""
    with Path(sys.argv[1]).open() as lines:
        amounts = {account: int(amount) for account, amount in map(json.loads, lines)}
    asked_s = time.process_time()
    if len(amounts) >= TREE_COMPILED_LEAVES_MIN:  # loads the kernels, or compiles them the first time
        compiled_tree(dict(list(amounts.items())[:1]))
    begun_s = time.process_time()
    tree = epoch_tree(amounts)
    built_s = time.process_time()
    steps = sum(len(tree.proof(account)) for account in islice(amounts, 0, None, int(sys.argv[2])))
    proven_s = time.process_time()
    facts = {
        "version": version("windrow"),
        "root": tree.root,
        "steps": steps,
        "tree_s": built_s - begun_s,
        "proofs_s": proven_s - built_s,
        "kernels_s": begun_s - asked_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(facts))


main()
