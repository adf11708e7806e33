"""Learns the weights of `contributor_node/page_parts.py` from labelled pages, and judges them on sites kept aside.

Usage, with scikit-learn beside the house's own packages:

    python bench/part_weights.py --pages PAGES.parquet --judge             JSON lines: parts of the sites, before, now
    python bench/part_weights.py --pages PAGES.parquet --out WEIGHTS.json  weights from all pages

PAGES is made by `bench/labelled_pages.py`. A part is none of main content where under 15 % of its runs of four words
stand in the expected text, and is some where over half do; on pages that have only snippets, where it holds one that
must not be had and none that must, or one that must. A part weighs as the square root of its words, more where
resiliparse's main content holds it. Pages that are no articles are learnt from too, with what is different there
as features of their own, which are then left behind. Sites are in three parts by a digest of their domain; each part
is judged with weights it had no share in.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from resiliparse.extract.html2text import extract_plain_text  # noqa: E402
from resiliparse.parse.html import HTMLTree  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from bench.extract import HTML, judged, words  # noqa: E402
from contributor_node import extract, page_parts  # noqa: E402
from contributor_node.page_kind import is_article, is_discussion  # noqa: E402
from contributor_node.page_parts import Part  # noqa: E402
from windrow_protocol.domains import registrable_domain  # noqa: E402

SITES_PARTS = 3
RUN_WORDS = 4
PAGES_WITH_FEATURE_MIN = 12
SNIPPET_WEIGHT = 4.0
WORDS_MAX = 400
INVERSE_PENALTY = 0.1
ELSEWHERE = "elsewhere"  # before the features of pages that are no articles
LEAST_WEIGHT = 50  # thousandths of a logit
_MARKUP = re.compile(r"<[^>]*>")


class Example(NamedTuple):
    """One part of a page: what is known of it, whether it is to go, and how much it counts."""

    features: list[str]
    goes: bool
    weight: float


class Words:
    """A text to look parts up in."""

    def __init__(self, text: str) -> None:
        said = words(text)
        self._runs, self._spaced = set(_runs(said)), _spaced(said)

    def share_of(self, said: list[str]) -> float:
        """Return how much of a part stands in it, by runs of words."""
        if len(said) < RUN_WORDS:
            return float(_spaced(said) in self._spaced)
        runs = _runs(said)
        return sum(run in self._runs for run in runs) / len(runs)


def site_part(page: dict[str, Any]) -> int:
    """Return which of the parts a page's site belongs to."""
    host = urlsplit(page["url"] or "").hostname
    site = registrable_domain(host) if host else page["id"]
    return int(hashlib.sha256(site.encode()).hexdigest(), 16) % SITES_PARTS


def examples_of(page: dict[str, Any]) -> Iterator[Example]:
    """Yield what can be learnt from a page; nothing from one that calls itself a discussion."""
    markup = extract.decoded(page["html"], HTML)
    article = is_article(markup)
    tree = HTMLTree.parse(markup)
    if tree.body is None or (not article and is_discussion(markup)):
        return
    main = Words(extract_plain_text(tree, main_content=True, comments=not article, alt_texts=False))
    expected = Words(page["expected_text"]) if page["expected_text"] else None
    snippets = [
        [_spaced(words(each)) for each in page[kind] or []] for kind in ("must_have", "must_not_have")
    ]
    body = extract.written_out(tree)
    for part in filter(page_parts.may_go, page_parts.parts_of(body)):
        said = words(html.unescape(_MARKUP.sub(" ", body[part.begin : part.end])))
        label = _label(said, expected, main.share_of(said), snippets) if said else None
        if label:
            yield Example(_features(part, article), *label)


def _label(
    said: list[str], expected: Words | None, shown: float, snippets: list[list[str]]
) -> tuple[bool, float] | None:
    shown += 0.15
    if expected:
        share = expected.share_of(said)
        known = share < 0.15 or share > 0.5
        return (share < 0.15, min(len(said), WORDS_MAX) ** 0.5 * shown / 10) if known else None
    text = _spaced(said)
    if any(snippet in text for snippet in snippets[0]):
        return False, SNIPPET_WEIGHT if len(said) < 2_000 else 0.3
    return (True, SNIPPET_WEIGHT * shown) if any(snippet in text for snippet in snippets[1]) else None


def _features(part: Part, article: bool) -> list[str]:
    found = [*page_parts.features(part), *(f".{word}" for word in page_parts.words(part.names))]
    if part.parent:
        found += [f"in .{word}" for word in page_parts.words(part.parent.names)]
    return found if article else [*found, ELSEWHERE, *(f"{ELSEWHERE} {each}" for each in found)]


def _runs(said: list[str]) -> list[str]:
    return [" ".join(said[at : at + RUN_WORDS]) for at in range(len(said) - RUN_WORDS + 1)]


def _spaced(said: Sequence[str]) -> str:
    return f" {' '.join(said)} "


def learnt(pages: Sequence[list[Example]]) -> dict[str, int]:
    """Return weights in thousandths of a logit, by L2-penalised logistic regression."""
    seen = Counter(each for page in pages for each in {name for part in page for name in part.features})
    column = {name: at for at, name in enumerate(sorted(seen)) if seen[name] >= PAGES_WITH_FEATURE_MIN}
    column = {name: at for at, name in enumerate(column)}
    parts = [part for page in pages for part in page]
    rows = [[column[name] for name in part.features if name in column] for part in parts]
    ends = np.cumsum([0, *map(len, rows)])
    matrix = csr_matrix((np.ones(ends[-1]), np.concatenate(rows), ends), (len(rows), len(column)))
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=200)
    model.fit(matrix, [part.goes for part in parts], sample_weight=[part.weight for part in parts])
    weights = {name: round(1_000 * float(model.coef_[0][at])) for name, at in column.items()}
    kept = {
        name: weight
        for name, weight in weights.items()
        if abs(weight) >= LEAST_WEIGHT and not name.startswith(ELSEWHERE)
    }
    return {"all": round(1_000 * float(model.intercept_[0])), **kept}


def judge(pages: list[dict[str, Any]], examples: list[list[Example]]) -> None:
    """Print for each part of the sites and each set what comes out without weights and with those of the others."""
    parts = [site_part(page) for page in pages]
    for part in range(SITES_PARTS):
        weights = learnt([each for each, of in zip(examples, parts, strict=True) if of != part])
        held_out = [page for page, of in zip(pages, parts, strict=True) if of == part]
        for name, used in (("before", {}), ("now", weights)):
            page_parts.score_of_names.cache_clear()
            with patch.object(page_parts, "weights", lambda used=used: used):
                facts = [
                    (page["set"], judged(page, extract.extract(page["html"], HTML).text, None))
                    for page in held_out
                ]
            for of_set in sorted({of for of, _ in facts}):
                line: dict[str, Any] = {"sites": part, "weights": name, "set": of_set}
                for figure in ("f1", "must_have", "must_not_have"):
                    values = [value for of, found in facts if of == of_set for value in found[figure]]
                    line |= {figure: round(mean(values), 4), f"{figure}_count": len(values)} if values else {}
                print(json.dumps(line), flush=True)


def main() -> int:
    """Learn, and judge or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pages = pq.read_table(options.pages).to_pylist()
    examples = [list(examples_of(page)) for page in pages]
    if options.judge:
        judge(pages, examples)
    if options.out:
        written = json.dumps(learnt(examples), indent=0, sort_keys=True, ensure_ascii=False)
        options.out.write_text(f"{written}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
