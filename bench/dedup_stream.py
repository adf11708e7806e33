"""The persistent index under a stream: batches of new documents against one that has seen many.

Usage: `python bench/dedup_stream.py [--index-docs 1000000] [--batches 100] [--docs DOCS.parquet] [--folder FOLDER]`
prints one JSON line. The index is filled by a process of its own, through the same appends, and that process is killed
with SIGKILL; then it is opened again, and batches of 1,000 documents are judged: 35 % near-copies of documents seen
before, 5 % exact copies, the rest new. The clock runs over look-up, reading and verifying candidates, judgement and
durable append; sketching, and upkeep between two batches (runs are made and merged there, outside the house's
transaction), are told by themselves. Words are those of DOCS, or made up.

Of the documents that fill the index one in twenty has `--words` words, as all of the stream have, and the others
`--fill-words`: their length means nothing to the index, and near-copies are made of long ones only. With `--drawn N`
the first N of them have keys that are drawn at random, as keys of unrelated texts are, and no text, so that ten
millions are filled in minutes; a look-up that meets one of them reads nothing.

    batch_p50_ms, batch_p95_ms   wall time of a batch; cpu_p50_ms of this process' processor time
    disk_bytes_per_doc           all files of the index, by documents in it, at the end; and the most at any batch
    rss_mb                       the most this process held after any batch
    recall80, wrong_merges       of planted copies at exact Jaccard ≥ 0.8; new documents called copies
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import numpy as np  # noqa: E402

from aggregator.dedup import Incoming, Postings, SeenIndex, Sketch, sketch_all, warm_up  # noqa: E402
from aggregator.dedup.minhash import COLUMNS, jaccard, shingles_of  # noqa: E402
from bench.dedup_peers.stored_texts import StoredTexts  # noqa: E402
from storage.real_env import PosixDisk  # noqa: E402

FILL_BATCH, BATCH, LONG_EVERY = 8_192, 1_000, 20
COPIES, NEAR = 50, 350


class Writer:
    """Documents of known words: every number gives another one, the same in every process."""

    def __init__(self, docs: Path | None, words: int, fill_words: int) -> None:
        self._vocabulary = _vocabulary(docs)
        self._words, self._fill_words = words, fill_words

    def text(self, number: int, *, long: bool) -> str:
        """Return the document of one number."""
        size = self._words if long else self._fill_words
        chosen = np.random.Generator(np.random.SFC64(number)).integers(0, len(self._vocabulary), size)
        return " ".join([self._vocabulary[i] for i in chosen.tolist()])

    def near_copy(self, text: str, seed: int) -> str:
        """Return a text with one to six of its words changed."""
        random, words = np.random.default_rng(seed), text.split(" ")
        for place in random.integers(0, len(words), random.integers(1, 7)).tolist():
            words[place] = f"changed{seed}"
        return " ".join(words)


def fill(folder: Path, writer: Writer, count: int, drawn: int) -> None:
    """Fill an index as a house would, and end as nobody would wish."""
    postings, texts = Postings(PosixDisk(), folder / "index"), StoredTexts(folder / "texts", drawn)
    random = np.random.default_rng(2)
    for start in range(0, drawn, FILL_BATCH):
        several = np.arange(start, min(start + FILL_BATCH, drawn), dtype=np.uint32)
        postings.keep(start)
        postings.upkeep()
        keys = random.integers(0, 2**32 - 1, (several.size, COLUMNS), dtype=np.uint32)
        postings.append(several, keys, int(several[-1]) + 1)
    for start in range(drawn, count, FILL_BATCH):
        numbers = range(start, min(start + FILL_BATCH, count))
        sketches = sketch_all([writer.text(n, long=n % LONG_EVERY == 0) for n in numbers])
        for number, each in zip(numbers, sketches, strict=True):
            texts.add(each.text, each.text_sha256, number)
        texts.flush()
        postings.keep(start)
        postings.upkeep()
        postings.append(
            np.array(numbers, np.uint32), np.stack([each.keys for each in sketches]), numbers.stop
        )
    os.kill(os.getpid(), signal.SIGKILL)


def batch_of(
    writer: Writer, stored: StoredTexts, first: int, drawn: int
) -> tuple[list[str], list[int | None]]:
    """Return the texts of one batch, and what each was made of."""
    random = np.random.default_rng(first)
    long_ones = np.arange(-(-drawn // LONG_EVERY) * LONG_EVERY, first - BATCH, LONG_EVERY)
    sources = random.choice(long_ones, COPIES + NEAR).tolist()
    texts: list[str] = []
    made_of: list[int | None] = []
    for place in range(BATCH):
        source = sources[place] if place < len(sources) else None
        text = writer.text(first + place, long=True) if source is None else stored.text(source)
        texts.append(writer.near_copy(text, first + place) if COPIES <= place < COPIES + NEAR else text)
        made_of.append(source)
    order = random.permutation(BATCH).tolist()
    return [texts[i] for i in order], [made_of[i] for i in order]


def stream(folder: Path, writer: Writer, batches: int, drawn: int) -> dict[str, object]:
    """Open the index again and judge the stream."""
    warm_up()
    begun_s = time.perf_counter()
    postings = Postings(PosixDisk(), folder / "index")
    texts = StoredTexts(folder / "texts", drawn)
    assert postings.keep(texts.end) == texts.end
    reopen_s = time.perf_counter() - begun_s
    index_docs = postings.texts
    walls, cpus, upkeep, sketching, rss, disk = [], [], [], [], [], []
    due = found = wrong = 0
    for _ in range(batches):
        first = texts.end
        written, made_of = batch_of(writer, texts, first, drawn)
        sketch_begun_s = time.process_time()
        sketches = sketch_all(written)
        sketching.append(time.process_time() - sketch_begun_s)
        incoming = [Incoming(first + i, str(first + i), each) for i, each in enumerate(sketches)]
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        postings.keep(first)
        judged = SeenIndex(postings).judge(incoming, texts)
        postings.append(judged.numbers, judged.keys, first + BATCH)
        walls.append(time.perf_counter() - begun_s)
        cpus.append(time.process_time() - cpu_s)
        begun_s = time.perf_counter()
        postings.keep(first + BATCH)
        postings.upkeep()
        upkeep.append(time.perf_counter() - begun_s)
        rss.append(_resident_mb())
        disk.append(_bytes_below(folder / "index") / postings.texts)
        for each, duplicate, source in zip(incoming, judged.duplicates, made_of, strict=True):
            wrong += source is None and duplicate.kind != "unique"
            if source is not None and _similarity(each.sketch, texts.text(source)) >= 0.8:
                due += 1
                found += duplicate.kind != "unique"
            texts.add(each.sketch.text, each.sketch.text_sha256, int(duplicate.cluster_id))
        texts.flush()
    return {
        "bench": "dedup_stream",
        "index_docs": index_docs,
        "drawn": drawn,
        "batches": batches,
        "batch_p50_ms": _quantile_ms(walls, 0.5),
        "batch_p95_ms": _quantile_ms(walls, 0.95),
        "batch_max_ms": _quantile_ms(walls, 1.0),
        "cpu_p50_ms": _quantile_ms(cpus, 0.5),
        "cpu_p95_ms": _quantile_ms(cpus, 0.95),
        "upkeep_mean_ms": round(sum(upkeep) / len(upkeep) * 1000, 1),
        "upkeep_p95_ms": _quantile_ms(upkeep, 0.95),
        "sketch_cpu_p50_ms": _quantile_ms(sketching, 0.5),
        "disk_bytes_per_doc": round(disk[-1], 1),
        "disk_bytes_per_doc_max": round(max(disk), 1),
        "rss_mb": max(rss),
        "reopen_s": round(reopen_s, 3),
        "recall80": round(found / due, 4),
        "near_copies_due": due,
        "wrong_merges": wrong,
    }


def _similarity(new: Sketch, source: str) -> float:
    return jaccard(new.shingles(), shingles_of(source))


def _quantile_ms(values: list[float], share: float) -> float:
    return round(float(np.quantile(values, share)) * 1000, 1)


def _resident_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _vocabulary(docs: Path | None) -> list[str]:
    if docs is None:
        random = np.random.default_rng(1)
        letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
        return ["".join(letters[random.integers(0, 26, size)]) for size in random.integers(2, 10, 30_000)]
    import pyarrow.parquet as pq

    words = {
        word
        for text in pq.read_table(docs).column("text").slice(0, 3_000).to_pylist()
        for word in text.split()
    }
    return sorted(word for word in words if word.isalpha())


def main() -> None:
    """Fill in a process that is killed, then measure in this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--index-docs", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--fill-words", type=int, default=60)
    parser.add_argument("--drawn", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept, and used again when it is filled")
    parser.add_argument("--only-fill", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    writer = Writer(options.docs, options.words, options.fill_words)
    if options.only_fill:
        fill(options.folder, writer, options.index_docs, options.drawn)
    with tempfile.TemporaryDirectory(prefix="windrow-dedup-") as name:
        folder = options.folder or Path(name)
        if not (folder / "index").exists():
            command = [sys.executable, *sys.argv, "--only-fill", "--folder", str(folder)]
            ended = subprocess.run(command, check=False)
            assert ended.returncode == -signal.SIGKILL
        print(json.dumps(stream(folder, writer, options.batches, options.drawn)), flush=True)


if __name__ == "__main__":
    main()
