"""Curation: documents per processor second, beside datatrove's filters; how often both agree; what good pages lose.

Usage: `python bench/curate.py --docs DOCS.parquet [--good PAGES.parquet] [--peers FOLDER] [--limit N] [--recipe NAME]`
prints one JSON line for each case. DOCS has a column `text`, GOOD has `text` or `expected_text`: pages that people
chose. FOLDER holds a virtual environment `datatrove`, which is made with pip if it is not there. Fails unless it ran.

    speed      all of `annotate_all`, in one thread, `us` microseconds a document, each met for the first time; `us_of`
               is what each part takes of one by itself, where `tokens` meets pieces that it remembers
    peer       datatrove's Gopher, C4 and FineWeb filters, which are less than all of `annotate`; `ratio` is ours to
               theirs for all of ours, `ratio_of_quality` for the same signals alone
    agreement  for each of its filters, with published thresholds, the share of documents with the same verdict; `words`
               is whose words datatrove counted: its own tokenizer's, or those between blanks, as we do
    good       the share of good pages that the recipe's filters drop
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from aggregator.curation import Annotations, Fetched, annotate, annotate_all  # noqa: E402
from aggregator.curation.language import detect_language  # noqa: E402
from aggregator.curation.licences import detect_licence  # noqa: E402
from aggregator.curation.personal_findings import count_personal  # noqa: E402
from aggregator.curation.quality import Quality, measure_quality  # noqa: E402
from aggregator.curation.tokens import count_tokens  # noqa: E402
from aggregator.publish.filters import Dropped, curated_view  # noqa: E402
from aggregator.publish.recipe import load_recipe  # noqa: E402
from storage.lake import LAKE_SCHEMA  # noqa: E402
from windrow_protocol.content import normalise_text  # noqa: E402

PROGRAM = ROOT / "bench" / "curate_peers" / "run_datatrove.py"
PACKAGES = ["datatrove[processing]", "spacy", "pyarrow"]
BATCH = 64  # documents, as the house judges them together
# No language for sure: the second model, which takes 0.2 s to be read, is asked only of texts like these.
UNSURE = ("ma la da", "abcd efgh")
PARTS: dict[str, Callable[[str], Any]] = {
    "language": detect_language,
    "licence": detect_licence,
    "personal": count_personal,
    "quality": measure_quality,
    "tokens": count_tokens,
}
judged = partial(annotate, url="https://example.org/", robots_state="allowed", optout_signals=[])


def cpu_s_of(work: Callable[[str], Any], texts: Sequence[str]) -> float:
    """Return the processor seconds of some work on all texts, after it was warmed up."""
    for text in texts[:50]:
        work(text)
    begun = time.process_time()
    for text in texts:
        work(text)
    return time.process_time() - begun


def speed(texts: Sequence[str]) -> dict[str, Any]:
    """Measure all of curation, then each part by itself."""
    documents = [Fetched(text, "https://example.org/", "allowed", []) for text in texts]
    warm_up = len(documents) // 4  # tables are read and frequent words met; these are not measured
    annotate_all(
        [*documents[:warm_up], *(Fetched(text, "https://example.org/", "allowed", []) for text in UNSURE)]
    )
    begun = time.process_time()
    for first in range(warm_up, len(documents), BATCH):
        annotate_all(documents[first : first + BATCH])
    whole = (time.process_time() - begun) * len(documents) / (len(documents) - warm_up)
    parts = {name: cpu_s_of(work, texts) for name, work in PARTS.items()}
    return {
        "case": "speed",
        "system": "windrow",
        "docs": len(texts),
        "bytes_per_doc": round(sum(len(text.encode()) for text in texts) / len(texts)),
        "docs_per_cpu_s": round(len(texts) / whole),
        "docs_per_cpu_s_of_quality": round(len(texts) / parts["quality"]),
        "us": round(whole / len(texts) * 1e6),
        "us_of": {name: round(used / len(texts) * 1e6) for name, used in parts.items()},
    }


def run_peer(python: Path, docs: Path, out: Path, words: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Run datatrove and return its facts and, for each filter, why it drops each document."""
    command = [python, PROGRAM, docs, out, words]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1]), json.loads(out.read_text())


def environment(folder: Path) -> Path:
    """Return the interpreter of datatrove's own environment, which is made if it is not there."""
    python = folder / "datatrove" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "datatrove"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def published(quality: Quality, chars: int) -> dict[str, bool]:
    """Return which of datatrove's filters would drop a text by our numbers and its default thresholds."""
    q = quality
    tops = (q.top_pair_chars_share, q.top_3gram_chars_share, q.top_4gram_chars_share)
    again = [getattr(q, f"duplicate_{size}gram_chars_share") for size in range(5, 11)]
    return {
        "gopher_quality": not 50 <= q.words <= 100_000
        or not 3 <= q.word_chars_mean <= 10
        or q.symbol_word_ratio > 0.1
        or q.bullet_line_share > 0.9
        or q.ellipsis_line_share > 0.3
        or q.alpha_word_share < 0.8
        or (q.stop_words or 0) < 2,
        "gopher_repetition": not chars
        or max(q.duplicate_line_share, q.duplicate_paragraph_share) > 0.3
        or max(q.duplicate_line_chars_share, q.duplicate_paragraph_chars_share) > 0.2
        or any(share > most for share, most in zip(tops, (0.2, 0.18, 0.16), strict=True))
        or any(share > most for share, most in zip(again, (0.15, 0.14, 0.13, 0.12, 0.11, 0.1), strict=True)),
        "c4": q.sentences < 5 or q.placeholder_texts > 0 or q.brace_lines > 0,
        "fineweb": q.ended_line_share < 0.12
        or q.short_line_share > 0.67
        or q.repeated_chars_share > 0.01
        or q.newline_word_ratio > 0.3,
    }


def agreement(texts: Sequence[str], theirs: dict[str, list[str]], words: str) -> list[dict[str, Any]]:
    """Compare verdicts filter by filter; which reasons of theirs we do not share is named, most frequent first."""
    ours = [published(measure_quality(text, "en"), len(text)) for text in texts]
    rows = []
    for name, reasons in theirs.items():
        both = list(zip((each[name] for each in ours), reasons, strict=True))
        missed: dict[str, int] = {}
        for drops, reason in both:
            if reason and not drops:
                missed[reason] = missed.get(reason, 0) + 1
        rows.append(
            {
                "case": "agreement",
                "filter": name,
                "words": words,
                "same": round(sum(drops == bool(reason) for drops, reason in both) / len(both), 4),
                "dropped_by_us": sum(drops for drops, _ in both),
                "dropped_by_datatrove": sum(bool(reason) for _, reason in both),
                "only_by_us": sum(drops and not reason for drops, reason in both),
                "only_by_datatrove": dict(sorted(missed.items(), key=lambda item: -item[1])[:4]),
            }
        )
    return rows


def good_pages(path: Path, recipe_name: str) -> dict[str, Any]:
    """Return what the recipe drops of pages that people chose."""
    table = pq.read_table(path)
    column = "text" if "text" in table.column_names else "expected_text"
    notes: list[Annotations] = [judged(normalise_text(text)) for text in table[column].to_pylist() if text]
    lake = pa.Table.from_pylist([note.columns for note in notes], schema=LAKE_SCHEMA)
    recipe, dropped = load_recipe(ROOT / "datasets", recipe_name), Dropped()
    engine = duckdb.connect()
    engine.register("lake", lake)
    engine.execute(curated_view(recipe.settings.filters))
    for (names,) in engine.execute("SELECT dropped_by FROM curated WHERE len(dropped_by) > 0").fetchall():
        dropped.count(names)
    return {
        "case": "good",
        "recipe": recipe_name,
        "pages": len(notes),
        "dropped": dropped.rows,
        "dropped_share": round(dropped.rows / len(notes), 4),
        "filters": [[each["filter"], each["rows"], each["alone"]] for each in dropped.table()],
    }


def main() -> int:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True)
    parser.add_argument("--good", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--limit", type=int, default=5_000, help="documents, evenly spread; 5000")
    parser.add_argument("--recipe", default="web_text")
    options = parser.parse_args()
    table = pq.read_table(options.docs, columns=["text"])
    step = max(1, table.num_rows // options.limit)
    texts = [normalise_text(text) for text in table["text"].to_pylist()[::step] if text]
    ours = speed(texts)
    show(ours)
    with tempfile.TemporaryDirectory(prefix="windrow-curate-") as name:
        folder = Path(name)
        docs = folder / "docs.parquet"
        pq.write_table(pa.table({"text": texts}), docs)
        python = environment(options.peers or folder)
        for words in ("own", "blanks"):
            facts, theirs = run_peer(python, docs, folder / f"{words}.json", words)
            if words == "own":
                rate = len(texts) / facts["cpu_s"]
                show(
                    {
                        "case": "peer",
                        "system": facts["system"],
                        "version": facts["version"],
                        "docs_per_cpu_s": round(rate),
                        "ratio": round(ours["docs_per_cpu_s"] / rate, 2),
                        "ratio_of_quality": round(ours["docs_per_cpu_s_of_quality"] / rate, 2),
                    }
                )
            for row in agreement(texts, theirs, words):
                show(row)
    if options.good:
        show(good_pages(options.good, options.recipe))
    return 0


def show(row: dict[str, Any]) -> None:
    """Print one line."""
    print(json.dumps({"bench": "curate", **row}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
