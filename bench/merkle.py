"""An epoch's Merkle tree and all its proofs, beside OpenZeppelin's library and a plain Python tree, to the same root.

Usage: `python -m bench.merkle [--leaves 10000 100000] [--peers FOLDER]` prints one JSON line for each system and size,
then one with the ratios. FOLDER/openzeppelin holds the npm package; it is installed there (in a temporary folder when
none is named) if it is missing. Fails unless all roots are equal. A million leaves take OpenZeppelin a quarter of an
hour for its proofs: with `--proofs-every 50` each system proves the same fiftieth part of the leaves.

    tree_s, proofs_s    processor seconds for the tree, and for the proof of each leaf; reading is not counted
    kernels_s           of ours, before: to load the compiled kernels, seconds where they have to be compiled first;
                        small trees are built without them
    rss_mb              the most memory the process held, the claims it read included
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from windrow_protocol.merkle import checksum_address

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAMS: Final = ROOT / "bench" / "merkle_peers"
PACKAGE: Final = "@openzeppelin/merkle-tree"


def claims_of(leaves: int) -> list[tuple[str, str]]:
    """Return that many claims, the same on every machine."""
    drawn = random.Random(leaves)
    accounts = {drawn.getrandbits(160) for _ in range(leaves)}
    return [
        (checksum_address(f"0x{account:040x}"), str(drawn.randrange(1, 10**24)))
        for account in sorted(accounts)
    ]


def openzeppelin_in(folder: Path) -> Path:
    """Return the folder the package is installed in. Raises CalledProcessError."""
    place = folder / "openzeppelin"
    if not (place / "node_modules" / PACKAGE).exists():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", place, PACKAGE], check=True)
    return place


def measured(system: str, command: list[Any], folder: Path, leaves: int) -> dict[str, Any]:
    """Run one system and return its line."""
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout
    facts = json.loads(printed.splitlines()[-1])
    return {
        "bench": "merkle",
        "system": system,
        "version": facts["version"],
        "leaves": leaves,
        "proofs_every": int(command[-1]),
        "tree_s": round(facts["tree_s"], 3),
        "proofs_s": round(facts["proofs_s"], 3),
        "rss_mb": facts["rss_mb"],
        "root": facts["root"],
        "steps": facts["steps"],
        **{name: round(facts[name], 3) for name in ("kernels_s",) if name in facts},
    }


def main() -> int:
    """Run every system at every size; 1 when they disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--leaves", type=int, nargs="+", default=[10_000])
    parser.add_argument("--peers", type=Path)
    parser.add_argument(
        "--proofs-every", type=int, default=1, help="prove only every nth claim, in each system"
    )
    options = parser.parse_args()
    every = str(options.proofs_every)
    with tempfile.TemporaryDirectory(prefix="windrow-merkle-") as name:
        installed = openzeppelin_in((options.peers or Path(name)).resolve())
        for leaves in options.leaves:
            file = Path(name) / "claims.ndjson"  # read line by line: a parsed list would stand in rss_mb
            file.write_text("".join(json.dumps(claim) + "\n" for claim in claims_of(leaves)))
            commands = {
                "windrow": ([sys.executable, "-m", "bench.merkle_peers.run_windrow", file, every], ROOT),
                "plain python": ([sys.executable, PROGRAMS / "run_plain.py", file, every], ROOT),
                "openzeppelin": (
                    ["node", "--max-old-space-size=8192", PROGRAMS / "run_openzeppelin.mjs", file, every],
                    installed,
                ),
            }
            rows = []
            for system, (command, folder) in commands.items():
                rows.append(measured(system, command, folder, leaves))
                print(json.dumps(rows[-1]), flush=True)
            if len({(row["root"], row["steps"]) for row in rows}) != 1:
                print("the roots or proofs differ", file=sys.stderr)
                return 1
            ours, plain, theirs = rows
            ratios = {
                f"{peer}_{part}": round(row[f"{part}_s"] / ours[f"{part}_s"], 1)
                for peer, row in (("openzeppelin", theirs), ("plain", plain))
                for part in ("tree", "proofs")
            }
            print(json.dumps({"bench": "merkle", "leaves": leaves, "times_faster": ratios}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
