"""Recall and precision of the judgement on labelled sets of real texts.

Usage: `python bench/neardup_truth.py --docs DOCS.parquet --pairs PAIRS.csv` (both may be repeated, in the same order)
prints one JSON line for each set. DOCS has the columns `id` and `text`; PAIRS `id1`, `id2` and `jaccard_w5`, every pair
of some similarity. The set is judged as one log in the order of ids, by the same code as the house's.

    recall80          of texts with an earlier one at labelled J ≥ 0.8, share judged copy or near-copy
    precision75       of texts judged so, share with an earlier one at labelled J ≥ 0.75
    pairs_found80     of pairs at J ≥ 0.8, share that share a band, so that they are compared
    pairs_clustered80 of these pairs, share that end in one cluster: a text joins the nearest one's, and two clusters
                      that it lies between stay two
    byte_copies       texts equal byte by byte to an earlier one, how many were judged exact copies, and how many texts
                      were judged so for their normal form alone
    words_apart       decisions that differ from the labels only because these take a clause of Chinese, Thai or
                      Japanese for one word, or other characters for letters: the protocol's own exact Jaccard agrees
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

import pyarrow.parquet as pq  # noqa: E402
from seen_world import Seen  # noqa: E402

from aggregator.dedup import sketch_all  # noqa: E402
from windrow_protocol.content import normalise_text, shingle_hashes  # noqa: E402


def measure(docs: Path, pairs_file: Path) -> dict[str, object]:
    """Judge one set and compare with its labels."""
    rows = pq.read_table(docs, columns=["id", "text"]).sort_by("id").to_pylist()
    places = {row["id"]: place for place, row in enumerate(rows)}
    texts = [row["text"] for row in rows]
    with pairs_file.open(newline="") as lines:
        pairs = {
            tuple(sorted((places[int(r["id1"])], places[int(r["id2"])]))): float(r["jaccard_w5"])
            for r in csv.DictReader(lines)
        }
    begun_s = time.process_time()
    judged = Seen().judge_all([(str(place), text) for place, text in enumerate(texts)])
    used_s = time.process_time() - begun_s
    best = [0.0] * len(texts)
    for (_, later), value in pairs.items():
        best[later] = max(best[later], value)
    keys = [frozenset(each.band_keys()) for each in sketch_all(texts)]
    similar = [pair for pair, value in pairs.items() if value >= 0.8]
    due = [place for place, value in enumerate(best) if value >= 0.8]
    removed = [place for place, duplicate in enumerate(judged) if duplicate.kind != "unique"]
    missed = [place for place in due if judged[place].kind == "unique"]
    wrong = [place for place in removed if best[place] < 0.75]
    apart = sum(_similarity(texts, judged[place].first_contribution_id, place) >= 0.8 for place in wrong)
    first = {text: place for place, text in reversed(list(enumerate(texts)))}
    copies = [place for place, text in enumerate(texts) if first[text] != place]
    exact = {place for place, duplicate in enumerate(judged) if duplicate.kind == "exact"}
    together = sum(judged[a].cluster_id == judged[b].cluster_id for a, b in similar)
    return {
        "bench": "neardup_truth",
        "set": docs.parent.name,
        "docs": len(texts),
        "due": len(due),
        "recall80": _share(len(due) - len(missed), due),
        "precision75": _share(len(removed) - len(wrong), removed),
        "pairs_found80": _share(sum(not keys[a].isdisjoint(keys[b]) for a, b in similar), similar),
        "pairs_clustered80": _share(together, similar),
        "byte_copies": len(copies),
        "byte_copies_exact": len(exact & set(copies)),
        "equal_in_normal_form_only": len(exact - set(copies)),
        "words_apart": apart,
        "docs_per_cpu_s": round(len(texts) / used_s),
    }


def _share(part: int, whole: list[Any]) -> float | None:
    return round(part / len(whole), 4) if whole else None


def _similarity(texts: list[str], earlier: str, later: int) -> float:
    a, b = (shingle_hashes(normalise_text(texts[place])) for place in (int(earlier), later))
    return len(a & b) / len(a | b) if a and b else 0.0


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--docs", type=Path, action="append", required=True)
    parser.add_argument("--pairs", type=Path, action="append", required=True)
    options = parser.parse_args()
    for docs, pairs in zip(options.docs, options.pairs, strict=True):
        print(json.dumps(measure(docs, pairs)), flush=True)


if __name__ == "__main__":
    main()
