"""How fast leases are given, and how that follows the size of the frontier.

Requests for 20 leases each over the real doors and SQLite, without sockets, by nodes of a /24 each, with every limit on
but those for newcomers (all nodes of the bench are young). Medians over the requests.

Usage: `python bench/leases.py [--pages 100000] [--hosts 5000] [--requests 100]` prints one JSON line for a frontier a
tenth of that size and one for the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

from real_house import PAYOUT, Node, open_house, open_segments  # noqa: E402

from aggregator.assignment.frontier import add_urls  # noqa: E402
from aggregator.ingest import Ingest  # noqa: E402
from aggregator.personal import Personal  # noqa: E402
from aggregator.routes import Doors  # noqa: E402
from windrow_protocol.messages import LeaseRequest, Registration  # noqa: E402
from windrow_protocol.trust_rules import TrustRules  # noqa: E402

AT_ONCE = 20


async def measure(home: Path, pages: int, hosts: int, requests: int) -> dict[str, float]:
    """Return what one house with so many open pages took."""
    rules = TrustRules(young_leases_per_day=10**9, nodes_per_prefix_max=10**6)
    house = open_house(home, rules=rules)
    ingest = Ingest(house, open_segments(house))
    doors = Doors(house, ingest, Personal(house, open_segments(house, "personal")))
    urls = [(f"http://h{number % hosts}.example/p{number}", "http") for number in range(pages)]
    began = time.perf_counter()
    with house.state.write() as connection:
        add_urls(connection, urls, house.now_ms())
    added_s = time.perf_counter() - began
    took_ms, given, cpu_s = [], 0, 0.0
    for _ in range(requests):
        node = Node(house)
        await node.ask(doors.register, "register", Registration(payout_address=PAYOUT))
        began, cpu_began = time.perf_counter(), time.process_time()
        answer = await node.ask(doors.leases, "lease_request", LeaseRequest(count=AT_ONCE))
        took_ms.append((time.perf_counter() - began) * 1000)
        cpu_s += time.process_time() - cpu_began
        given += len(answer["leases"])
    house.state.close()
    return {
        "pages": pages,
        "hosts": hosts,
        "urls_added_per_s": round(pages / added_s),
        "leases": given,
        "request_ms": round(statistics.median(took_ms), 1),
        "request_p99_ms": round(sorted(took_ms)[int(len(took_ms) * 0.99)], 1),
        "leases_per_s": round(given * 1000 / sum(took_ms)),
        "leases_per_cpu_s": round(given / cpu_s),
    }


def main() -> int:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--hosts", type=int, default=5_000)
    parser.add_argument("--requests", type=int, default=100)
    options = parser.parse_args()
    for part in (10, 1):
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(
                Path(folder), options.pages // part, max(1, options.hosts // part), options.requests
            )
            print(json.dumps({"bench": "leases", **asyncio.run(figures)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
