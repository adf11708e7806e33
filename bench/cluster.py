"""Batch work on a Ray cluster of this machine beside the same work in one process, on made-up documents.

Usage: `python bench/cluster.py [--documents 100000] [--cpus 2] [--keep-workers]` prints one JSON line and fails when a
byte differs. Three jobs, each with the house's own functions: all documents are judged again as `windrow lake annotate`
does, all duplicates as `windrow lake duplicates` does, and the recipe web_text is built into shards. On the cluster a
worker that is at work is killed with SIGKILL in each job, unless `--keep-workers` says not to.

A third of the documents are copies or near-copies of earlier ones; words are those of Python's own documentation.

    documents, rows              made; of those, sold
    local_s, ray_s               wall time of each job, and `all`, without the cluster's start
    ray_started_s                until the first of its workers had answered
    groups                       row groups that the work is cut into
    equal                        whether all bytes are: annotated rows, clusters, and every file of the build
    workers_killed               how many were, in the three jobs
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

import psutil  # noqa: E402
import pyarrow as pa  # noqa: E402

from aggregator.curation.host_lists import HostLists  # noqa: E402
from aggregator.curation.recompute import judge_group  # noqa: E402
from aggregator.dedup.batch import cluster_all  # noqa: E402
from aggregator.publish.build_folder import build_data  # noqa: E402
from aggregator.publish.recipe import load_recipe  # noqa: E402
from aggregator.publish.rows import Evidence, build_rows, open_engine  # noqa: E402
from aggregator.publish.sellable import SCHEMA as SELLABLE  # noqa: E402
from extension_bridge.redaction import redact  # noqa: E402
from storage.lake import Lake  # noqa: E402
from storage.lake.groups import Group, groups_of  # noqa: E402
from storage.ray_runner import LOCAL, RayRunner  # noqa: E402
from storage.real_env import real_env  # noqa: E402
from storage.runner import LocalRunner, Runner  # noqa: E402
from windrow_protocol.content import normalise_text  # noqa: E402
from windrow_protocol.personal.patterns import DETECTORS  # noqa: E402

FILE_ROWS = 10_000
START_MS = 1_790_000_000_000
SALT = bytes(32)


def words_of_manuals() -> list[str]:
    """Return the words of Python's documentation, each as often as it stands there."""
    modules = (argparse, inspect, json, os, random, re, tempfile, threading)
    said = [inspect.getdoc(member) or "" for module in modules for member in vars(module).values()]
    return [word for text in said for word in re.findall(r"[A-Za-z]{1,14}", text)]


def write_lake(folder: Path, count: int) -> list[Group]:
    """Write made-up documents into a lake and return its groups."""
    rng, words, lake = random.Random(17), words_of_manuals(), Lake(real_env(), folder)
    texts: list[str] = []
    names = []
    for start in range(1, count + 1, FILE_ROWS):
        rows = []
        for seq in range(start, min(start + FILE_ROWS, count + 1)):
            texts.append(_text(rng, words, texts))
            url, cid = f"https://h{seq % 97}.example/{seq}", f"c{seq:031x}"
            row = {"seq": seq, "contribution_id": cid, "text": texts[-1], "url": url, "final_url": url}
            row |= {"received_at_ms": START_MS + seq, "fetched_at_ms": START_MS + seq, "http_status": 200}
            rows.append(row | {"robots_state": "allowed", "optout_signals": [], "verdict": "accepted"})
        names.append(lake.write(rows, start, rows[-1]["seq"]).path)
    return groups_of(lake.files_by_name, names)


def _text(rng: random.Random, words: Sequence[str], earlier: Sequence[str]) -> str:
    chance = rng.random()
    if earlier and chance < 0.05:
        return rng.choice(earlier)
    if earlier and chance < 0.33:
        changed = rng.choice(earlier).split(" ")
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.choice(words)
        return normalise_text(" ".join(changed))
    sentences = [" ".join(rng.choices(words, k=rng.randint(8, 16))) + "." for _ in range(rng.randint(7, 14))]
    return normalise_text(" ".join(sentences))


class Jobs:
    """The three jobs on one runner, with their times and the digests of what they gave."""

    def __init__(self, runner: Runner, groups: Sequence[Group], folder: Path) -> None:
        self.seconds: dict[str, float] = {}
        with self._timed("annotate"):
            judged = [table for table, _ in runner.map(partial(judge_group, HostLists()), groups)]
        with self._timed("duplicates"):
            clusters = cluster_all(runner, groups)
        lake = pa.concat_tables(judged).sort_by("seq")
        for name in clusters.schema.names[2:]:
            lake = lake.set_column(lake.schema.get_field_index(name), name, clusters[name])
        with self._timed("publish"):
            self.rows, files = _built(runner, lake, folder)
        self.seconds["all"] = round(sum(self.seconds.values()), 1)
        self.digests = [_digest(table) for table in (*judged, clusters)] + [files]

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)


def _built(runner: Runner, lake: pa.Table, folder: Path) -> tuple[int, str]:
    """Build the recipe and return its rows and the digest of its files."""
    recipe = load_recipe(ROOT / "datasets", "web_text")
    ids = lake["contribution_id"]
    sellable = pa.table([ids, pa.array([True] * len(ids))], schema=SELLABLE)
    engine = open_engine(recipe, lake=lake, sellable=sellable)
    batches = build_rows(engine, recipe, _evidence, SALT, partial(redact, detectors=DETECTORS), runner)
    built = build_data(folder, recipe, batches)
    return built.facts.rows, built.content_sha256


def _evidence(ids: Sequence[str]) -> dict[str, Evidence]:
    return {each: Evidence(each, "node", "lease", "0x" + "0" * 40, "receipt", "verdict") for each in ids}


def _digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


class Killer:
    """Kills one worker that is at work in each job of a cluster."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.killed = 0

    def map(self, function: Any, items: Any) -> Iterator[Any]:
        """Yield what the runner does, and kill a worker once a result is there."""
        for place, result in enumerate(self._runner.map(function, items)):
            if place == 0:
                threading.Thread(target=self._kill, daemon=True).start()
            yield result

    def close(self) -> None:
        """Nothing: the runner is not its own."""

    def _kill(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.cmdline()[:1] == ["ray::_called"]:
                        process.send_signal(signal.SIGKILL)
                        self.killed += 1
                        return
                except psutil.Error:
                    continue


def main() -> None:
    """Do the work twice and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    parser.add_argument("--keep-workers", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="windrow-cluster-") as name:
        groups = write_lake(Path(name) / "lake", asked.documents)
        warm = Jobs(LocalRunner(), groups[:1], Path(name) / "warm")  # compiled and read before the clock runs
        here = Jobs(LocalRunner(), groups, Path(name) / "here")
        ray, start = RayRunner(LOCAL, cpus=asked.cpus), time.perf_counter()
        list(ray.map(partial(judge_group, HostLists()), groups[:1]))
        started = round(time.perf_counter() - start, 1)
        killer = Killer(ray)
        there = Jobs(ray if asked.keep_workers else killer, groups, Path(name) / "there")  # type: ignore[arg-type]
        ray.close()
    equal = warm.rows > 0 and here.digests == there.digests
    said = {"documents": asked.documents, "rows": here.rows, "groups": len(groups), "local_s": here.seconds}
    said |= {
        "ray_s": there.seconds,
        "ray_started_s": started,
        "equal": equal,
        "workers_killed": killer.killed,
    }
    print(json.dumps(said))
    if not equal:
        raise SystemExit("bytes differ")


if __name__ == "__main__":
    main()
