"""How far the design goes: machines, disks and money for any number of documents and nodes, from measured unit costs.

Usage: `python bench/capacity.py [--documents 1e9] [--nodes 1e6] [--days 30] [--core-hour 0.04] [--tb-month 20]
[--costs bench/capacity.toml]` prints one JSON line. Without numbers it prints the lines of docs/scale.md's table.

Rules: only multiplication, of what `capacity.toml` says was measured; what cannot be had by it is named in `on_paper`.

    documents_a_second      so that all of them come in so many days; `of_one_process`: what one aggregator can take
    cores                   of aggregators, all stages; `cores_for_requests`: of idle nodes that ask for work
    first_bottleneck        what one machine with one process has too little of, first; null where it has enough
    month                   money a month: processors while the documents come, disks with all of them on it
    node_gb_a_month         what each node fetches and sends

Does not: measure (`bench/road.py`, `bench/ingest.py`, `bench/dedup_stream.py` do).
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]  # and not this folder, whose names are not packages

from windrow_protocol.limits import REQUESTS_FOR_WORK_A_SECOND  # noqa: E402

COSTS: Final = Path(__file__).resolve().parent / "capacity.toml"
SECONDS_A_DAY, HOURS_A_MONTH, DAYS_A_MONTH = 86_400, 730, 30.4
TABLE: Final = ((1e6, 1e3), (1e7, 1e4), (1e8, 1e5), (1e9, 1e6))
# What stops being one thing first, and what was never run at that size.
ON_PAPER: Final = {
    "process": "more than one aggregator on one log: the state has one writer",
    "state": "a state beyond one machine's disk; PostgreSQL holds it, its size was not tried",
    "index": "an index of novelty beyond ten million documents",
}


def capacity(
    documents: float, nodes: float, days: float, prices: dict[str, float], costs: dict[str, Any]
) -> dict[str, Any]:
    """Return the line for so many documents in so many days from so many nodes."""
    document, node, process = costs["document"], costs["node"], costs["process"]
    cpu_us = sum(document["cpu_us"].values())
    a_second = documents / (days * SECONDS_A_DAY)
    # beyond it nodes are told to wait longer
    requests = min(nodes / node["ask_s"], REQUESTS_FOR_WORK_A_SECOND)
    cores = a_second * cpu_us / 1e6
    asking = requests * node["ask_cpu_us"] / 1e6
    room = process["cores"] * process["busy_share"]
    disks = {name: documents * size / 1e12 for name, size in document["bytes"].items()}
    disks["state"] += nodes * node["row_bytes"] / 1e12
    # Each as the share of what was asked for that one machine with one process can do; the least is the bottleneck.
    shares = {
        "process": room / (cores + asking),
        "disk": costs["machine"]["disk_tb"] / sum(disks.values()),
    }
    first = min(shares, key=lambda name: shares[name])
    fetching = document["fetching"]
    wire = fetching["page_bytes"] * fetching["fetches"] + fetching["submission_bytes"]
    return {
        "bench": "capacity",
        "documents": documents,
        "nodes": nodes,
        "days": days,
        "documents_a_second": round(a_second, 1),
        "of_one_process": round(room / cpu_us * 1e6, 1),
        "cores": round(cores, 2),
        "cores_for_requests": round(asking, 2),
        "node_waits_s": round(nodes / requests),
        "processes": max(1, ceil((cores + asking) / room)),
        "disk_tb": {name: round(size, 3) for name, size in disks.items()},
        "first_bottleneck": first if shares[first] < 1 else None,
        "share_that_fits_one_process": round(min(shares.values()), 3),
        "month": {
            "processors": round(
                (cores + asking) / process["busy_share"] * prices["core_hour"] * HOURS_A_MONTH, 2
            ),
            "disks": round(sum(disks.values()) * prices["tb_month"], 2),
        },
        "node_gb_a_month": round(wire * documents / nodes / days * DAYS_A_MONTH / 1e9, 3),
        "validators_documents_a_second": round(a_second * fetching["audited"], 2),
        "on_paper": sorted(on_paper(documents, shares)),
    }


def on_paper(documents: float, shares: dict[str, float]) -> Iterator[str]:
    """Yield what this size needs and nobody has run."""
    if shares["process"] < 1:
        yield ON_PAPER["process"]
    if shares["disk"] < 1:
        yield ON_PAPER["state"]
    if documents > 1e7:
        yield ON_PAPER["index"]


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=float)
    parser.add_argument("--nodes", type=float)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--core-hour", type=float, default=0.04, help="in any currency")
    parser.add_argument("--tb-month", type=float, default=20.0)
    parser.add_argument("--costs", type=Path, default=COSTS)
    options = parser.parse_args()
    costs = tomllib.loads(options.costs.read_text())
    prices = {"core_hour": options.core_hour, "tb_month": options.tb_month}
    if options.documents is None and options.nodes is None:
        sizes = TABLE
    else:
        sizes = ((options.documents or 1e6, options.nodes or 1e3),)
    for documents, nodes in sizes:
        print(json.dumps(capacity(documents, nodes, options.days, prices, costs)), flush=True)


if __name__ == "__main__":
    main()
