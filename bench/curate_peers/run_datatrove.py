"""datatrove's Gopher, C4 and FineWeb filters over a file of documents: its processor time, and what each filter drops.

Rules: each filter sees every document, as it was read. `own` takes words as datatrove does for English; `blanks` gives
it the words between blanks, so that its numbers can be compared with others that count those. It imports nothing of
this project. A filter that fails on a document drops it.

Does not: judge the answer (that is `bench/curate.py`).

Usage: `python run_datatrove.py DOCS.parquet OUT.json own|blanks` prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.utils.text import split_into_sentences, split_into_words

FILTERS = {
    "gopher_quality": GopherQualityFilter,
    "gopher_repetition": GopherRepetitionFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}


def between_blanks(text: str, language: str = "") -> list[str]:
    """Return the words of a text as `str.split` gives them."""
    return text.split()


def reason_of(each: Any, text: str) -> str:
    """Return why a filter drops a text, empty when it keeps it."""
    try:
        verdict = each.filter(Document(text=text, id="0"))
    except (ZeroDivisionError, ValueError, IndexError) as error:
        return type(error).__name__
    return "" if verdict is True else verdict[1]


def main() -> None:
    """Run all filters over all documents."""
    warnings.simplefilter("ignore")
    docs, out, words = sys.argv[1:4]
    if words == "blanks":
        for module in (fineweb_quality_filter, gopher_quality_filter, gopher_repetition_filter):
            module.split_into_words = between_blanks
    texts = pq.read_table(docs, columns=["text"]).column("text").to_pylist()
    filters = {name: make() for name, make in FILTERS.items()}
    split_into_words("what is loaded once is loaded here.")
    split_into_sentences("This too.")
    begun = time.process_time()
    dropped = {name: [reason_of(each, text) for text in texts] for name, each in filters.items()}
    cpu_s = time.process_time() - begun
    Path(out).write_text(json.dumps(dropped))
    print(
        json.dumps({"system": "datatrove", "version": version("datatrove"), "words": words, "cpu_s": cpu_s})
    )


main()
