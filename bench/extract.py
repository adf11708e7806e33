"""Main text of labelled pages: word F1, snippets and pages per processor second, beside trafilatura and resiliparse.

Usage: `python bench/extract.py --pages PAGES.parquet [--types]` prints one JSON line per system and set; with
`--types` one per page type as well. PAGES is one set's own file, or one of several sets that `bench/labelled_pages.py`
has joined. All systems run in this process, page by page, from the same decoded text; decoding counts for each of them.

    f1                mean over pages of the F1 of words (\\w+, folded, with repeats) against `expected_text`
    must_have         share of those snippets found; must_not_have: share of those absent
    browser_recall    share of pages marked `needs_browser` that Windrow sends to a browser; browser_wrong: of others
    pages_per_cpu_s   user and system time, imports and one warm-up page not counted
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import trafilatura  # noqa: E402
from resiliparse.extract.html2text import extract_plain_text  # noqa: E402
from resiliparse.parse.html import HTMLTree  # noqa: E402

from bench.labelled_pages import pages_of  # noqa: E402
from contributor_node.extraction.main_text import decoded, extract  # noqa: E402

_WORD = re.compile(r"\w+")
HTML = "text/html"


def by_resiliparse(body: bytes) -> tuple[str, bool | None]:
    """Main content by resiliparse alone."""
    tree = HTMLTree.parse(decoded(body, HTML))
    return str(extract_plain_text(tree, main_content=True, alt_texts=False)), None


def by_trafilatura(body: bytes) -> tuple[str, bool | None]:
    """Main content by trafilatura alone, as it comes."""
    return trafilatura.extract(decoded(body, HTML)) or "", None


def by_windrow(body: bytes) -> tuple[str, bool | None]:
    """What a node submits, and whether it asks for a browser."""
    found = extract(body, HTML)
    return found.text, found.needs_browser


SYSTEMS: dict[str, Callable[[bytes], tuple[str, bool | None]]] = {
    "windrow": by_windrow,
    "resiliparse": by_resiliparse,
    "trafilatura": by_trafilatura,
}


def words(text: str) -> list[str]:
    """Return the words of a text, folded."""
    return _WORD.findall(text.lower())


def word_f1(found: str, expected: str) -> float:
    """Return the F1 of two bags of words; 1.0 for two empty ones."""
    left, right = Counter(words(found)), Counter(words(expected))
    shared = (left & right).total()
    return 2 * shared / (left.total() + right.total()) if shared else float(not left and not right)


def judged(page: dict[str, Any], text: str, asks: bool | None) -> dict[str, list[float]]:
    """Return what one page adds to each figure."""
    spaced = f" {' '.join(words(text))} "
    held = {
        kind: [f" {' '.join(words(snippet))} " in spaced for snippet in page[kind] or []]
        for kind in ("must_have", "must_not_have")
    }
    needs = page["needs_browser"]
    return {
        "f1": [word_f1(text, page["expected_text"])] if page["expected_text"] else [],
        "must_have": [float(found) for found in held["must_have"]],
        "must_not_have": [float(not found) for found in held["must_not_have"]],
        "browser_recall": [float(asks)] if asks is not None and needs else [],
        "browser_wrong": [float(asks)] if asks is not None and needs is False else [],
    }


def lines_of(system: str, pages: list[dict[str, Any]], by_type: bool) -> list[dict[str, Any]]:
    """Run one system over all pages and return its lines."""
    run = SYSTEMS[system]
    run(pages[0]["html"])
    groups: dict[tuple[str, str], list[tuple[float, dict[str, list[float]]]]] = {}
    for page in pages:
        begun = time.process_time()
        text, asks = run(page["html"])
        row = (time.process_time() - begun, judged(page, text, asks))
        keys = [(page["set"], "")] + (
            [(page["set"], page["page_type"])] if by_type and page["page_type"] else []
        )
        for key in keys:
            groups.setdefault(key, []).append(row)
    return [line_of(system, *key, rows) for key, rows in sorted(groups.items())]


def line_of(
    system: str, of_set: str, page_type: str, rows: list[tuple[float, dict[str, list[float]]]]
) -> dict[str, Any]:
    """Return one line: the means over a group's pages."""
    line: dict[str, Any] = {
        "bench": "extract",
        "system": system,
        "set": of_set,
        "page_type": page_type or "all",
    }
    line["pages"] = len(rows)
    for figure in rows[0][1]:
        values = [value for _, facts in rows for value in facts[figure]]
        line[figure] = round(mean(values), 4) if values else None
    line["pages_per_cpu_s"] = round(len(rows) / sum(cpu_s for cpu_s, _ in rows), 1)
    return line


def main() -> int:
    """Run every system on every page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--types", action="store_true", help="one line per page type as well")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="some of them, joined by commas")
    options = parser.parse_args()
    pages = pages_of(options.pages)
    for system in options.systems.split(","):
        for line in lines_of(system, pages, options.types):
            print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
