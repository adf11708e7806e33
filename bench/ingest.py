"""How fast submissions become durable, and what sharing a commit among those that arrive together is worth.

Nodes with a request each on its way all the time, over the real doors, disk and SQLite, without sockets. The peer is
the same with one commit for each request.

Usage: `python bench/ingest.py [--submissions 2000] [--together 64]` prints one JSON line. `fsyncs` counts those of the
segment and one for each SQLite commit (`synchronous=FULL`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

import sqlalchemy as sa  # noqa: E402
from real_house import PAYOUT, Node, open_house, open_segments, words_of  # noqa: E402

from aggregator.assignment.frontier import add_urls  # noqa: E402
from aggregator.ingest import Answers, Ingest  # noqa: E402
from aggregator.personal import Personal  # noqa: E402
from aggregator.requests import Caller  # noqa: E402
from aggregator.routes import Doors  # noqa: E402
from storage.env import Request  # noqa: E402
from storage.house import House  # noqa: E402
from storage.real_env import PosixDisk, SystemCalls  # noqa: E402
from windrow_protocol.messages import LeaseRequest, Registration, encode_batch  # noqa: E402
from windrow_protocol.trust_rules import DEFENCES, TrustRules  # noqa: E402


@dataclass
class Counts(SystemCalls):
    """The real system calls, with their fsyncs counted."""

    fsyncs: int = 0
    waits_s: list[float] = field(default_factory=list)

    def fsync(self, descriptor: int) -> None:
        """Count and do."""
        self.fsyncs += 1
        super().fsync(descriptor)


class OneByOne:
    """The peer: a commit for each request."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def accept(self, caller: Caller, body: bytes) -> Answers:
        """Commit this batch alone."""
        return self._ingest.accept(caller, body)


async def measure(home: Path, submissions: int, together: int, shared: bool) -> dict[str, float]:
    """Submit so many records, one in each request, and say how it went."""
    counts = Counts()
    house = open_house(home)
    house = replace(
        house,
        env=replace(house.env, disk=PosixDisk(counts)),
        rules=TrustRules(off=tuple(sorted(DEFENCES))),
    )
    ingest = Ingest(house, open_segments(house))
    doors = Doors(house, ingest, Personal(house, open_segments(house, "personal")), lease_life_ms=3_600_000)
    if not shared:
        doors._shared_commit = OneByOne(ingest)  # type: ignore[assignment]
    requests = await _prepared(house, doors, submissions)
    commits = 0

    def count(_connection: sa.Connection) -> None:
        nonlocal commits
        commits += 1

    sa.event.listen(house.state._writer, "commit", count)
    counts.fsyncs, waiting = 0, iter(requests)
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_client(doors, waiting, counts.waits_s) for _ in range(together)))
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    house.state.close()
    waits = sorted(counts.waits_s)
    return {
        "submissions_per_s": round(len(waits) / seconds, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "cpu_ms_per_submission": round(cpu_s * 1000 / len(waits), 2),
        "fsyncs_per_submission": round((counts.fsyncs + commits) / len(waits), 3),
    }


async def _prepared(house: House, doors: Doors, submissions: int) -> list[Request]:
    """Register nodes, take their leases and sign what they will submit."""
    with house.state.write() as connection:
        pages = [(f"http://h{number}.example/", "http") for number in range(submissions)]
        add_urls(connection, pages, house.now_ms())
    requests: list[Request] = []
    while len(requests) < submissions:
        node = Node(house)
        await node.ask(doors.register, "register", Registration(payout_address=PAYOUT))
        answer = await node.ask(doors.leases, "lease_request", LeaseRequest(count=50))
        leases = node.open_leases(answer["leases"])
        assert leases, "no leases were given"
        for lease in leases:
            record = node.contribution(lease, words_of(len(requests), 400))
            requests.append(node.request("submit", encode_batch([record])))
    return requests


async def _client(doors: Doors, waiting: object, waits_s: list[float]) -> None:
    for request in waiting:  # type: ignore[attr-defined]
        begun_s = time.perf_counter()
        answer = await doors.submissions(request)
        waits_s.append(time.perf_counter() - begun_s)
        assert b'"ok":true' in answer.body
        await asyncio.sleep(0)  # between two requests of one client others have their turn


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=2_000)
    parser.add_argument("--together", type=int, default=64)
    options = parser.parse_args()
    found = []
    for shared in (True, False):
        with tempfile.TemporaryDirectory(prefix="windrow-ingest-") as folder:
            found.append(asyncio.run(measure(Path(folder), options.submissions, options.together, shared)))
    ours, peer = found
    ratio = round(ours["submissions_per_s"] / peer["submissions_per_s"], 2)
    print(json.dumps({"bench": "ingest", **ours, "one_by_one": peer, "ratio": ratio, **vars(options)}))


if __name__ == "__main__":
    main()
