"""Questions over the lake before and after compaction, against bare DuckDB over the best file that it could have.

Usage: `python bench/lake.py [--rows 60000] [--append 64] [--seed 1] [--kills 20]` prints one JSON line for each
case.

Rows are made up: `--append` at a time as the pipeline appends them, received over thirty days, 250 words each. Each
question is asked as `windrow sql` asks it (`hold_files`: DuckDB over files that are mapped, in a process like
the child's), on the appended files, on the compacted ones, and through the pyarrow dataset that was used before.
The peer is DuckDB with the same rows in one file by its own writer, sorted by time, zstd, opened by path with all
rights.

    cpu_ms          processor time of this process, the least of three
    ratio_to_peer   of the compacted lake
    written_again   bytes that merges wrote, by bytes appended; rss_mb: the most that a process which only merges held
    append_p50_ms   file, fsync and commit of one append, alone and while merges run
    kills           a process that appends and compacts, killed with SIGKILL after drawn numbers of steps, in the midst
                    of the next ones: rows lost, rows repeated
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.dataset as pads  # noqa: E402
from lake_world import START_MS, LakeWorld, row  # noqa: E402

from aggregator.sql.job import Job  # noqa: E402
from aggregator.sql.loading import hold_files  # noqa: E402
from aggregator.sql.sandbox import _documents  # noqa: E402
from aggregator.sql.served_files import LakeFiles  # noqa: E402
from storage.lake import LAKE_SCHEMA  # noqa: E402
from storage.lake.checking import check_lake  # noqa: E402
from storage.lake.compaction import Compaction  # noqa: E402

DAY_MS, DAYS, WORDS = 86_400_000, 30, 250


class Rows:
    """Made-up rows, the same for the same seed."""

    def __init__(self, rows: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        letters = self._random.integers(97, 123, (20_000, 8))
        self._words = np.array([bytes(each[: 2 + n % 7].tolist()).decode() for n, each in enumerate(letters)])
        self._every_ms = DAYS * DAY_MS // rows

    def some(self, first: int, count: int) -> list[dict[str, Any]]:
        """Return rows by their number."""
        chosen = self._random.zipf(1.3, (count, WORDS)) % self._words.size
        made = []
        for place, words in enumerate(self._words[chosen].tolist()):
            seq = first + place
            key = self._random.bytes(16).hex()
            ids = {
                "contribution_id": "c" + key[:31],
                "text_sha256": key * 2,
                "url": f"https://h{seq % 500}.example/{key}",
            }
            facts = {"language": ("en", "de", "fr", "ja")[seq % 4], "token_count": 100 + seq % 1900}
            times = {
                "received_at_ms": START_MS + seq * self._every_ms,
                "fetched_at_ms": START_MS + seq * self._every_ms,
            }
            made.append(row(seq, text=" ".join(words), **ids, **facts, **times))
        return made


def questions(world: LakeWorld, rows: int) -> dict[str, str]:
    """Return the statements that are asked."""
    with world.state.read() as connection:
        ids = world.lake.dataset(connection).to_table(columns=["contribution_id"])["contribution_id"]
    since = START_MS + (DAYS - 1) * DAY_MS
    return {
        "one_id": f"SELECT length(text) FROM documents WHERE contribution_id = '{ids[rows // 2]}'",
        "last_24h": f"SELECT count(*), sum(token_count) FROM documents WHERE received_at_ms >= {since}",
        "last_24h_text": f"SELECT sum(length(text)) FROM documents WHERE received_at_ms >= {since}",
        "by_language": "SELECT language, sum(token_count) FROM documents GROUP BY 1 ORDER BY 1",
        "all_text": "SELECT sum(length(text)) FROM documents",
    }


def cpu_s() -> float:
    """Return the processor time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def asked(open_engine: Callable[[], Any], statement: str) -> tuple[float, Any]:
    """Return the least processor time of three askings in milliseconds, opening the files included, and the answer."""
    best = float("inf")
    for _ in range(3):
        begun = cpu_s()
        answer = open_engine().execute(statement).fetchall()
        best = min(best, cpu_s() - begun)
    return round(best * 1000, 1), answer


def held(files: list[str]) -> Any:
    """Return an engine over mapped files, as the child of a question has."""
    engine = duckdb.connect(config={"threads": 2})
    view = _documents(LakeFiles([Path(file) for file in files]))
    hold_files(Job("sqlite", "", [], [], [view], "", 10, 1, 1, 1), engine, {})
    return engine


def arrow(files: list[str]) -> Any:
    """Return an engine over a pyarrow dataset."""
    engine = duckdb.connect(config={"threads": 2})
    engine.register("documents", pads.dataset(files, schema=LAKE_SCHEMA, format="parquet"))
    return engine


def peer(file: Path) -> Any:
    """Return bare DuckDB over its own file."""
    engine = duckdb.connect(config={"threads": 2})
    engine.execute(f"CREATE VIEW documents AS SELECT * FROM read_parquet('{file}')")
    return engine


def paths(world: LakeWorld) -> list[str]:
    """Return the files of the lake as it is."""
    return [str(world.lake.folder / name) for name in world.paths()]


def append_all(world: LakeWorld, rows: int, each: int, seed: int, append_s: list[float]) -> None:
    """Append rows as the pipeline does."""
    made = Rows(rows, seed)
    for first in range(1, rows + 1, each):
        some = made.some(first, min(each, rows + 1 - first))
        begun = time.perf_counter()
        file = world.lake.write(some, first, first + len(some) - 1)
        with world.state.write() as connection:
            world.lake.commit(connection, file)
        append_s.append(time.perf_counter() - begun)


def merged_apart(home: Path) -> tuple[int, float]:
    """Compact in a process that does nothing else, and return its most memory in MB and its processor time in s."""
    code = f"import sys; sys.path[:0] = {sys.path[:2]!r}; from pathlib import Path; "
    code += f"from lake_world import LakeWorld; LakeWorld(Path({str(home)!r})).compact()"
    child = subprocess.Popen([sys.executable, "-c", code])
    used = os.wait4(child.pid, 0)[2]
    return used.ru_maxrss // 1000, used.ru_utime + used.ru_stime


def compare(home: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Ask everything before and after, and the peer."""
    world = LakeWorld(home)
    append_s: list[float] = []
    append_all(world, options.rows, options.append, options.seed, append_s)
    asked_for = questions(world, options.rows)
    small = paths(world)
    best = home / "peer.parquet"
    engine = duckdb.connect(config={"threads": 2})
    engine.register("rows", pads.dataset(small, schema=LAKE_SCHEMA, format="parquet"))
    engine.execute(
        f"COPY (FROM rows ORDER BY received_at_ms, seq) TO '{best}' (FORMAT parquet, COMPRESSION zstd)"
    )
    before = {name: asked(lambda: held(small), statement) for name, statement in asked_for.items()}
    world.state.close()
    appended = sum(Path(file).stat().st_size for file in small)
    rss_mb, merge_cpu_s = merged_apart(home)
    world = LakeWorld(home)
    large = paths(world)
    everything = sum(path.stat().st_size for path in world.lake.folder.iterdir())
    yield {
        "bench": "lake: compaction",
        "rows": options.rows,
        "files_before": len(small),
        "files_after": len(large),
        "bytes_per_row_before": round(appended / options.rows),
        "bytes_per_row_after": round(sum(Path(file).stat().st_size for file in large) / options.rows),
        "peer_bytes_per_row": round(best.stat().st_size / options.rows),
        "written_again": round((everything - appended) / appended, 2),
        "rows_merged_per_cpu_s": round(options.rows / merge_cpu_s),
        "rss_mb": rss_mb,
        "append_p50_ms": round(median(append_s) * 1000, 1),
    }
    for name, statement in asked_for.items():
        after, through_arrow = asked(lambda: held(large), statement), asked(lambda: arrow(large), statement)
        of_peer = asked(lambda: peer(best), statement)
        same = before[name][1] == after[1] == through_arrow[1] == of_peer[1]
        yield {
            "bench": f"lake: {name}",
            "cpu_ms_before": before[name][0],
            "cpu_ms_after": after[0],
            "cpu_ms_arrow": through_arrow[0],
            "cpu_ms_peer": of_peer[0],
            "ratio_to_peer": round(after[0] / of_peer[0], 2),
            "same_answers": same,
        }
    world.state.close()


def while_merging(home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Append while another thread compacts."""
    world, done = LakeWorld(home), threading.Event()

    def merge() -> None:
        compaction = Compaction(world.state, world.lake)
        while not done.is_set():
            compaction.step()

    thread = threading.Thread(target=merge)
    thread.start()
    append_s: list[float] = []
    append_all(world, options.rows // 4, options.append, options.seed, append_s)
    done.set()
    thread.join()
    return {
        "bench": "lake: appends while merges run",
        "append_p50_ms": round(median(append_s) * 1000, 1),
        "append_max_ms": round(max(append_s) * 1000, 1),
    }


def _kill_after(home: Path, steps: int, and_s: float) -> None:
    """Let a process append and compact until it has said so many steps, and a little longer; then SIGKILL."""
    heard, saying = os.pipe()
    child = os.fork()
    if child == 0:
        world = LakeWorld(home)
        compaction = Compaction(world.state, world.lake, merge_files=3)
        while True:
            world.append(8)
            compaction.step()
            os.write(saying, b".")
    os.close(saying)
    while steps > 0 and (said := os.read(heard, steps)):
        steps -= len(said)
    time.sleep(and_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(heard)


def killed(home: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill a process that appends and compacts, again and again, and look at what is left each time."""
    randomness, begun = Random(seed), time.monotonic()
    lost = repeated = damage = orphans = known = 0
    for _ in range(kills):
        _kill_after(home, steps=randomness.randint(1, 12), and_s=randomness.uniform(0, 0.05))
        world = LakeWorld(home)
        orphans += len(world.swept)
        seqs = world.seqs()
        repeated += len(seqs) - len(set(seqs))
        lost += len(set(range(1, max(world.cursor, known) + 1)) - set(seqs))
        known = world.cursor
        damage += sum(problem.is_damage for problem in check_lake(world.state, world.lake))
        world.state.close()
    return {
        "bench": "lake: kill -9",
        "kills": kills,
        "rows": known,
        "lost": lost,
        "repeated": repeated,
        "damage": damage,
        "orphans_swept": orphans,
        "seconds": round(time.monotonic() - begun, 1),
    }


def main() -> None:
    """Run everything in folders that are removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--append", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    pa.set_cpu_count(2)
    with tempfile.TemporaryDirectory(prefix="windrow-lake-") as folder:
        for name in ("asked", "merging", "killed"):
            (Path(folder) / name).mkdir()
        print(json.dumps(killed(Path(folder) / "killed", options.kills, options.seed)), flush=True)
        for line in compare(Path(folder) / "asked", options):
            print(json.dumps(line), flush=True)
        print(json.dumps(while_merging(Path(folder) / "merging", options)), flush=True)


if __name__ == "__main__":
    main()
