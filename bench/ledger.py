"""Holds a long ledger to the wei: the accountant's, a second implementation of its rules, and one of its root.

A seeded history of documents, verdicts, penalties, undone penalties and departures goes through the real accountant
into a real database, epoch by epoch, and through plain dictionaries. In the end every node's pending pay and bond,
every address's posted pay, the fines and the emission must be equal, every check of the ledger must hold, and the root
from the balances must be the one recomputed from the published lines.

Usage::

    python bench/ledger.py --json                     # a few thousand entries
    nice -n 19 python bench/ledger.py --json --steps 1000000 --nodes 800
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.ledger_model.history import EPOCH_MS, START_MS, EpochClock, History, payout_of
from bench.ledger_model.second_ledger import SecondLedger
from rewards.accountant import run_accountant
from rewards.epochs.files import ledger_bytes
from rewards.epochs.recompute import recompute
from rewards.ledger import ASSET, balances, cumulative, last_entry
from rewards.ledger_checks import verify_ledger
from storage.house import House
from storage.real_env import real_env
from storage.state import State, sqlite_url
from storage.tables.contributions import ledger
from windrow_protocol.merkle import MerkleTree
from windrow_protocol.trust_rules import TrustRules

EPOCHS: Final = 20
ENTRIES_PER_DOCUMENT: Final = 2.6  # fee, novelty, and mostly a release
RULES: Final = TrustRules(probation_documents=20, domain_novelty_bytes_max=2_000_000)


def run(steps: int, nodes: int, seed: int, home: Path) -> dict[str, Any]:
    """Make a ledger of about so many entries and return the figures of its comparison."""
    clock = EpochClock()
    state = State.open(sqlite_url(home / "state.db"))
    env = replace(real_env(), clock=clock)
    house = House(env, state, home, "bench", Ed25519PrivateKey.from_private_bytes(bytes(32)), RULES)
    history = History(seed, nodes, max(1, round(steps / ENTRIES_PER_DOCUMENT / EPOCHS)))
    second = SecondLedger(RULES)
    with state.write() as connection:
        history.write_nodes(connection)
    post_s = 0.0
    for epoch in history.epochs(EPOCHS):
        with state.write() as connection:
            epoch.write(connection)
        clock.ms = START_MS + epoch.epoch_id * EPOCH_MS
        second.close(epoch)
        began = time.perf_counter()
        run_accountant(house, batch=2_000)
        post_s += time.perf_counter() - began
    with state.read() as connection:
        row = {"seed": seed, "nodes": nodes, "post_s": round(post_s, 1), **_compared(connection, second)}
    state.close()
    return row


def _compared(connection: sa.Connection, second: SecondLedger) -> dict[str, Any]:
    entries, head = last_entry(connection)
    folded = balances(connection, ASSET)
    differences = list(_differences(folded, second))
    began = time.perf_counter()
    leaves = cumulative(folded)
    again = recompute(ledger_bytes(connection, entries).decode(), ASSET)
    recompute_s = time.perf_counter() - began
    tree = MerkleTree.from_amounts(leaves)
    problems = verify_ledger(connection)
    totals: defaultdict[str, int] = defaultdict(int)
    for account, amount in folded.items():
        totals[account.partition(":")[0]] += amount
    reasons = connection.execute(sa.select(ledger.c.reason, sa.func.count()).group_by(ledger.c.reason))
    return {
        "entries": entries,
        "addresses": len(leaves),
        **{f"{kind}_wei": str(amount) for kind, amount in sorted(totals.items())},
        "conserved": sum(totals.values()) == 0,
        "differences": len(differences),
        "first_difference": differences[0] if differences else "",
        "same_root": (tree.root, tree.total, head) == (again.root, again.total, again.head),
        "problems": len(problems),
        "recompute_s": round(recompute_s, 1),
        "rows": dict(sorted((row[0], row[1]) for row in reasons)),
    }


def _differences(folded: dict[str, int], second: SecondLedger) -> list[str]:
    """Return every account in which the two implementations differ."""
    wanted: defaultdict[str, int] = defaultdict(int)
    wanted["fines"] = second.fines
    wanted["emission"] = -second.emission
    for node_id, account in second.accounts.items():
        wanted[f"pending:{node_id}"] = account.pending_wei
        wanted[f"bond:{node_id}"] = account.bond
        wanted[f"posted:{payout_of(node_id)}"] += account.posted
    return [
        f"{name}: {folded.get(name, 0)} in the ledger, {wanted.get(name, 0)} in the second one"
        for name in sorted(folded.keys() | wanted.keys())
        if folded.get(name, 0) != wanted.get(name, 0)
    ]


def main() -> None:
    """Print one JSON line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5_000, help="ledger entries, roughly")
    parser.add_argument("--nodes", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--json", action="store_true", help="one line a seed (the only form)")
    wanted = parser.parse_args()
    for seed in wanted.seeds:
        with tempfile.TemporaryDirectory(prefix="windrow-ledger-") as folder:
            print(json.dumps(run(wanted.steps, wanted.nodes, seed, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
