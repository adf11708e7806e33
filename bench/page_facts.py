"""Titles, authors and days of labelled pages, beside trafilatura's metadata: one JSON line per system and set.

Usage: `python bench/page_facts.py FOLDER [--every 4]`, FOLDER as in `bench/labelled_pages.py`; trafilatura beside the
house's own packages. Each figure is of the pages whose set has that label:

    title        share of titles with the same words (\\w+, folded, in order)
    authors      mean F1 of the sets of names; a label that names several is parted at commas, semicolons and "and"
    published    share of days that are the same
    unasked_day  share of the pages without a labelled day for which one is given; many of them do have one
    cpu_ms       processor time a page, reading and parsing left out for Windrow, parsing included for trafilatura

Does not: judge the main text (`bench/extract.py` does).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import pyarrow.parquet as pq  # noqa: E402
from resiliparse.parse.html import HTMLTree  # noqa: E402
from trafilatura.metadata import extract_metadata  # noqa: E402

from contributor_node.extraction.main_text import decoded  # noqa: E402
from contributor_node.extraction.page_facts import PageFacts, page_facts  # noqa: E402

_WORD = re.compile(r"\w+")
_AND = re.compile(r"[;,]| and | & | und ")
COLUMNS = ["url", "html", "title", "author", "date"]


def by_windrow(markup: str, url: str) -> tuple[PageFacts, float]:
    """What a node hands in, and the processor seconds it took."""
    tree = HTMLTree.parse(markup)
    begun = time.process_time()
    return page_facts(tree, url), time.process_time() - begun


def by_trafilatura(markup: str, url: str) -> tuple[PageFacts, float]:
    """The same of trafilatura's metadata."""
    begun = time.process_time()
    found = extract_metadata(markup, default_url=url or None)
    spent_s = time.process_time() - begun
    names = tuple((found.author or "").split("; ")) if found else ()
    return PageFacts(
        (found.title or "") if found else "", names, (found.date or "") if found else ""
    ), spent_s


def folded(text: str) -> str:
    """Return the words of a text, folded."""
    return " ".join(_WORD.findall(text.lower()))


def names_of(said: str) -> set[str]:
    """Return the names in a label or an answer."""
    return {folded(name) for name in _AND.split(said)} - {""}


def f1_of_names(found: PageFacts, label: str) -> float:
    """Return the F1 of two sets of names."""
    ours, theirs = names_of(";".join(found.authors)), names_of(label)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs) or 1)


def line_of(system: str, of_set: str, pages: list[dict[str, Any]]) -> dict[str, Any]:
    """Run one system over a set and return its line."""
    figures: dict[str, list[float]] = {
        each: [] for each in ("title", "authors", "published", "unasked_day", "cpu_ms")
    }
    for page in pages:
        body = page["html"] if isinstance(page["html"], bytes) else page["html"].encode()
        found, spent_s = SYSTEMS[system](decoded(body, "text/html"), page["url"] or "")
        figures["cpu_ms"].append(spent_s * 1_000)
        if page["title"]:
            figures["title"].append(folded(found.title) == folded(page["title"]))
        if page["author"]:
            figures["authors"].append(f1_of_names(found, page["author"]))
        if page["date"]:
            figures["published"].append(found.published[:10] == page["date"][:10])
        else:
            figures["unasked_day"].append(bool(found.published))
    means = {name: round(mean(values), 3) if values else None for name, values in figures.items()}
    return {"bench": "page facts", "system": system, "set": of_set, "pages": len(pages), **means}


SYSTEMS = {"windrow": by_windrow, "trafilatura": by_trafilatura}


def main() -> None:
    """Run both over every set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only every so many pages")
    options = parser.parse_args()
    for file in sorted(options.folder.glob("html_*/pages.parquet")):
        pages = pq.read_table(file, columns=COLUMNS).to_pylist()[:: options.every]
        for system in SYSTEMS:
            print(json.dumps(line_of(system, file.parent.name.removeprefix("html_"), pages)), flush=True)


if __name__ == "__main__":
    main()
