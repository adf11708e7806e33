"""How many documents a second become durable over HTTP, beside a bare server that does the same without checking.

Usage: `python bench/ingest.py [--documents 12800] [--rounds 3] [--clients 1,8,64] [--idle 10000]` prints one JSON line
for each number of clients, and one for the idle nodes (none with `--idle 0`).

The house is `windrow up` on a home of its own, with all of Trust's checks on; clients are a process of their own that
sends signed batches of 50 documents of 3 KB, each under a fresh lease. The reference (`ingest_load/reference.py`) gets
the same load in the same round; rounds alternate, and figures are those of the median round. At the end the house is
killed with SIGKILL, and what it had acknowledged is looked for in its home.

    docs_per_s, ack_p50_ms, ack_p99_ms     of the house; `cpu_us_per_doc` its processor time, `reference_…` the peer's;
                                           `writer_cpu_us_per_doc` that of the process that writes, without gates
    database_cpu_us_per_doc                of the database's server, where `--database-pid` says which process that is
    ratio_to_reference                     of documents a second; the reference signs a receipt for each record, as
                                           the protocol has it
    ratio_to_one_receipt                   the same beside a reference that signs one receipt for each batch
    connected, submissions_per_s           the case with idle nodes: each submits one document by the clock while all
                                           are connected; `polls_per_s`: they ask for work besides
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]  # and not this folder, whose names are not packages

import sqlalchemy as sa  # noqa: E402

from bench.ingest_load import people  # noqa: E402
from bench.ingest_load.homes import Case, fill, validators  # noqa: E402
from bench.ingest_load.processes import Server, house, load, open_files_wanted, reference  # noqa: E402
from bench.process_tree import cpu_s  # noqa: E402
from storage.state import State, sqlite_url  # noqa: E402
from storage.tables.contributions import contributions, submissions  # noqa: E402
from windrow.settings import HouseSettings  # noqa: E402

BATCH = 50
RECEIPTS = ("each", "batch")
SPARE_FILES = 1_000
Row = dict[str, Any]


class Plan:
    """All cases of one run, in the order in which they are run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.pressed: list[tuple[int, Case]] = []
        end, clients_most = 0, max(options.clients)
        for clients in options.clients:
            for _ in range(options.rounds):
                share = 1 if clients == clients_most else max(0.25, clients / clients_most)
                batches = max(clients, round(options.documents * share / BATCH))
                self.pressed.append((clients, Case(end, batches, BATCH, clients, seasoned=not options.new)))
                end += self.pressed[-1][1].documents
        count = round(options.rate * options.seconds) if options.idle else 0
        self.by_the_clock = Case(end, count, 1, max(1, count), seasoned=not options.new)
        self.nodes = max(options.idle, clients_most)

    def cases(self) -> list[Case]:
        """Return all of them."""
        return [case for _, case in self.pressed] + [self.by_the_clock]


def pressed(server: Server, case: Case, clients: int, database_pid: int = 0) -> Row:
    """Press one server with one case."""
    before_s = cpu_s(database_pid) if database_pid else 0.0
    said = load(server, case, clients=clients)
    database_s = cpu_s(database_pid) - before_s if database_pid else 0.0
    return {
        "database_cpu_us_per_doc": database_s / case.documents * 1e6,
        "docs_per_s": case.documents / said["seconds"],
        "cpu_us_per_doc": said["server_cpu_s"] / case.documents * 1e6,
        "writer_cpu_us_per_doc": said["writer_cpu_s"] / case.documents * 1e6,
        "client_cpu_us_per_doc": said["client_cpu_s"] / case.documents * 1e6,
        "acknowledged": said["acknowledged"],
        **_quantiles(said["waits_s"]),
    }


def one_round(server: Server, folder: Path, clients: int, case: Case, database_pid: int) -> dict[str, Row]:
    """Give the same case to the house and to both references, which begin anew."""
    found = {}
    for receipts in RECEIPTS:
        with reference(folder / f"reference-{case.first}-{receipts}", receipts) as peer:
            found[receipts] = pressed(peer, case, clients)
    found["house"] = pressed(server, case, clients, database_pid)
    assert found["house"]["acknowledged"] == case.documents, "the house refused something"
    return found


def told(clients: int, rounds: list[dict[str, Row]]) -> Row:
    """Return one line: medians over the rounds."""
    of = {
        name: {key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]}
        for name in rounds[0]
    }
    ratios = [each["house"]["docs_per_s"] / each["each"]["docs_per_s"] for each in rounds]
    loose = [each["house"]["docs_per_s"] / each["batch"]["docs_per_s"] for each in rounds]
    return {
        "case": "pressed",
        "clients": clients,
        "docs_per_s": round(of["house"]["docs_per_s"]),
        "ack_p50_ms": of["house"]["ack_p50_ms"],
        "ack_p99_ms": of["house"]["ack_p99_ms"],
        "reference_docs_per_s": round(of["each"]["docs_per_s"]),
        "reference_ack_p50_ms": of["each"]["ack_p50_ms"],
        "reference_ack_p99_ms": of["each"]["ack_p99_ms"],
        "ratio_to_reference": round(statistics.median(ratios), 2),
        "one_receipt_docs_per_s": round(of["batch"]["docs_per_s"]),
        "ratio_to_one_receipt": round(statistics.median(loose), 2),
        "cpu_us_per_doc": round(of["house"]["cpu_us_per_doc"]),
        "writer_cpu_us_per_doc": round(of["house"]["writer_cpu_us_per_doc"]),
        "reference_cpu_us_per_doc": round(of["each"]["cpu_us_per_doc"]),
        "client_cpu_us_per_doc": round(of["house"]["client_cpu_us_per_doc"]),
        "database_cpu_us_per_doc": round(of["house"]["database_cpu_us_per_doc"]),
        "rounds": len(rounds),
    }


def idle_nodes(server: Server, case: Case, options: argparse.Namespace) -> Row:
    """Let connected nodes submit by the clock."""
    rss_before = server.rss_mb()
    said = load(server, case, rate=options.rate, idle=options.idle, polls=options.polls)
    assert said["acknowledged"] == case.documents, "the house refused something"
    return {
        "case": "idle nodes",
        "connected": options.idle,
        "submissions_per_s": round(case.documents / said["seconds"], 1),
        "submissions_per_s_asked": options.rate,
        "polls_per_s": round(said["polls"] / said["seconds"], 1),
        **_quantiles(said["waits_s"]),
        "rss_mb": server.rss_mb(),
        "rss_before_mb": rss_before,
        "cpu_s": round(said["server_cpu_s"], 1),
        "writer_cpu_s": round(said["writer_cpu_s"], 1),
        "seconds": round(said["seconds"], 1),
    }


def durable(settings: HouseSettings) -> Row:
    """Count what a killed house left in its home."""
    state = State.open_readonly(settings.database_url or sqlite_url(Path(settings.home) / "state.db"))
    with state.read() as connection:
        logged = connection.execute(sa.select(sa.func.count()).select_from(submissions)).scalar_one()
        texts = connection.execute(sa.select(sa.func.count()).select_from(contributions)).scalar_one()
    state.close()
    return {"case": "after SIGKILL", "logged": logged, "contributions": texts}


def _quantiles(waits_s: list[float]) -> Row:
    def at(share: float) -> float:
        return round(waits_s[min(len(waits_s) - 1, int(len(waits_s) * share))] * 1000, 1)

    return {"ack_p50_ms": at(0.5), "ack_p99_ms": at(0.99)}


def show(row: Row) -> None:
    """Print one line."""
    print(json.dumps({"bench": "ingest", **row}), flush=True)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Run all cases on one home."""
    plan = Plan(options)
    settings = HouseSettings(
        home=str(folder / "home"),
        network=people.NETWORK,
        validators=validators(),
        trust_rules="",
        gates=options.gates,
        database_url=options.database_url,
    )
    fill(settings, plan.cases(), plan.nodes)
    with house(settings, folder / "house.log") as server:
        for clients in options.clients:
            cases = [case for pressing, case in plan.pressed if pressing == clients]
            rounds = [one_round(server, folder, clients, case, options.database_pid) for case in cases]
            show(told(clients, rounds))
        if options.idle:
            show(idle_nodes(server, plan.by_the_clock, options))
    acknowledged = sum(case.documents for case in plan.cases())
    left = durable(settings)
    show({**left, "acknowledged": acknowledged, "lost": acknowledged - left["logged"]})


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=12_800, help="of a round of most clients")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=lambda said: [int(n) for n in said.split(",")], default=[1, 8, 64])
    parser.add_argument("--idle", type=int, default=10_000, help="connected nodes")
    parser.add_argument("--rate", type=float, default=200.0, help="submissions a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of submissions at that rate")
    parser.add_argument("--polls", type=float, default=0.0, help="questions for work a second besides")
    parser.add_argument("--new", action="store_true", help="nodes in probation: all they hand in is audited")
    parser.add_argument(
        "--gates", type=int, default=0, help="gates of the house; 0: the one process does all"
    )
    parser.add_argument("--database-url", default="", help="an empty database; SQLite in the home without it")
    parser.add_argument("--database-pid", type=int, default=0, help="the process of the database's server")
    options = parser.parse_args()
    open_files_wanted(options.idle + SPARE_FILES)
    with tempfile.TemporaryDirectory(prefix="windrow-ingest-") as folder:
        measure(Path(folder), options)


if __name__ == "__main__":
    main()
