"""The tree of an epoch, as `rewards` builds it: `python -m bench.merkle_peers.run_windrow CLAIMS.json`."""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

from windrow_protocol.merkle import MerkleTree


def main() -> None:
    """Build the tree and every proof."""
    amounts = {account: int(amount) for account, amount in json.loads(Path(sys.argv[1]).read_text())}
    begun_s = time.process_time()
    tree = MerkleTree.from_amounts(amounts)
    built_s = time.process_time()
    steps = sum(len(tree.proof(account)) for account in amounts)
    proven_s = time.process_time()
    facts = {
        "version": version("windrow"),
        "root": tree.root,
        "steps": steps,
        "tree_s": built_s - begun_s,
        "proofs_s": proven_s - built_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(facts))


main()
