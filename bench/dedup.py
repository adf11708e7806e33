"""Near-duplicates in one batch: documents per processor second, what is found and what is wrongly removed, with peers.

Usage: `python bench/dedup.py --docs DOCS.parquet [--peers FOLDER] [--limit N]` prints one JSON line for each system.
DOCS has a column `text`; what comes first counts as earlier. FOLDER holds one virtual environment for each peer, by its
name; what is missing there is made with pip (in a temporary folder when none is named). Fails unless every peer ran.

    docs_per_cpu_s      reading and imports not counted; user and system time of all threads
    recall80            share removed of those documents that have an earlier one at exact Jaccard ≥ 0.8
    removed_below_07    share of the removed ones that have no earlier one at exact Jaccard ≥ 0.7; the same below 0.5
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from bench.dedup_peers.exact_pairs import best_earlier  # noqa: E402

PEERS = {"daft": ["daft", "pyarrow"], "rensa": ["rensa", "pyarrow"], "gaoya": ["gaoya", "pyarrow"]}
PROGRAMS = ROOT / "bench" / "dedup_peers"


def environment_of(peer: str, folder: Path) -> Path:
    """Return the interpreter of a peer's own environment, which is made if it is not there."""
    python = folder / peer / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / peer], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[peer]], check=True)
    return python


def run(system: str, python: Path, docs: Path, out: Path) -> tuple[dict[str, Any], list[int]]:
    """Run one system and return its facts and the numbers of the documents that it removed."""
    command = [python, PROGRAMS / f"run_{system}.py", docs, out]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1]), json.loads(out.read_text())


def row_of(facts: dict[str, Any], removed: list[int], best: NDArray[np.float64]) -> dict[str, Any]:
    """Return the line of one system."""
    of_removed = best[np.array(removed, np.int64)]
    due = np.flatnonzero(best >= 0.8)
    return {
        "bench": "dedup",
        "system": facts["system"],
        "version": facts["version"],
        "settings": facts["settings"],
        "docs": best.size,
        "docs_per_cpu_s": round(best.size / facts["cpu_s"]),
        "recall80": round(np.isin(due, removed).mean().item(), 4) if due.size else None,
        "removed": len(removed),
        "removed_below_07": round((of_removed < 0.7).mean().item(), 5) if removed else 0.0,
        "removed_below_05": round((of_removed < 0.5).mean().item(), 5) if removed else 0.0,
        "maxrss_mb": facts["maxrss_mb"],
    }


def main() -> int:
    """Run all systems and compare; 1 when a peer did not run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--limit", type=int, help="only the first so many documents")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="windrow-dedup-") as name:
        folder, docs = Path(name), options.docs
        table = pq.read_table(docs, columns=["text"])
        if options.limit:
            table, docs = table.slice(0, options.limit), folder / "docs.parquet"
            pq.write_table(table, docs)
        best = best_earlier(table.column("text").to_pylist(), 0.5)
        rows, failed = [], []
        for system in ("windrow", *PEERS):
            try:
                python = (
                    Path(sys.executable)
                    if system == "windrow"
                    else environment_of(system, options.peers or folder)
                )
                rows.append(row_of(*run(system, python, docs, folder / f"{system}.json"), best))
                print(json.dumps(rows[-1]), flush=True)
            except (subprocess.CalledProcessError, OSError) as error:
                failed.append(f"{system}: {error}")
    if failed:
        print("\n".join(failed), file=sys.stderr)
        return 1
    fastest = max(row["docs_per_cpu_s"] for row in rows[1:])
    print(json.dumps({"bench": "dedup", "ratio_to_best_peer": round(rows[0]["docs_per_cpu_s"] / fastest, 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
