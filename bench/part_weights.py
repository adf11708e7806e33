"""Learns weights and trees of `contributor_node/extraction/part_score.py` from pages; judges them on other sites.

Usage, with lightgbm and trafilatura beside the house's own packages:

    python bench/part_weights.py --pages PAGES.parquet --judge 500,700     JSON lines: parts of the sites, least scores
    python bench/part_weights.py --pages PAGES.parquet --out contributor_node/extraction     from all pages

PAGES is made by `bench/labelled_pages.py`. A part is none of main content where under 15 % of its runs of four words
stand in the expected text, and is some where over 40 % do. On pages that have only snippets it is to go where it holds
one that must not be had and none that must, to stay where it holds one that must; of their other parts trafilatura's
text says the same with three tenths of the weight. A part weighs as the square root of its words, more where
resiliparse's main content holds it, and a page as the square root of its parts.

A word speaks for the logarithm of the sites' shares where its parts go to those where they stay, `PRIOR` added to both.
While the trees are learnt, each site's parts see the words without what that site has to say. Sites are in three parts
by a digest of their domain; each part is judged with weights it had no share in.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import lightgbm  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import trafilatura  # noqa: E402
from resiliparse.extract.html2text import extract_plain_text  # noqa: E402
from resiliparse.parse.html import HTMLTree  # noqa: E402

from bench.extract import HTML, judged, words  # noqa: E402
from contributor_node.extraction import main_text as extract  # noqa: E402
from contributor_node.extraction import part_score  # noqa: E402
from contributor_node.extraction.page_parts import Part, Parts, parts_of, plain_lines  # noqa: E402
from windrow_protocol.domains import registrable_domain  # noqa: E402

SITES_PARTS = 3
RUN_WORDS = 4
GOES_SHARE_MAX = 0.15
STAYS_SHARE_MIN = 0.4
SNIPPET_WEIGHT = 4.0
TAUGHT_WEIGHT = 0.3
WORDS_MAX = 400
PRIOR = 2.0
SITES_WITH_WORD_MIN = 10
TREES = 60
SETTINGS = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.25,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10,
    "num_threads": 1,
    "deterministic": True,
    "seed": 1,
    "verbose": -1,
}
_MARKUP = re.compile(r"<[^>]*>")
Label = tuple[bool, float]
Word = tuple[str, str]  # one of KINDS, and the word
Weights = dict[str, dict[str, int]]
KINDS = ("place", "own", "around", "said")


class Page(NamedTuple):
    """A labelled page: its parts, and of those that may go whether they are to, and how much they count."""

    site: str
    third: int
    found: Parts
    labels: list[tuple[Part, Label | None]]


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


class Table:
    """What each word speaks for, met in one of the ways of `KINDS`, with or without what one site has to say."""

    def __init__(self, pages: Sequence[Page]) -> None:
        by_word: dict[Word, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
        for page in pages:
            for part, label in page.labels:
                if label:
                    for word in set(words_of(part, page.found)):
                        by_word[word][page.site][label[0]] += label[1]
        self._shares: dict[Word, dict[str, tuple[float, float]]] = {}
        self._sums: dict[Word, tuple[float, float]] = {}
        self.without = ""
        for word, sites in by_word.items():
            if len(sites) >= SITES_WITH_WORD_MIN:
                shares = {site: _share(*weighed) for site, weighed in sites.items()}
                self._shares[word] = shares
                self._sums[word] = (
                    sum(stays for stays, _ in shares.values()),
                    sum(goes for _, goes in shares.values()),
                )

    def weight(self, word: Word) -> int | None:
        """Return what a word speaks for, in thousandths of a logit."""
        found = self._sums.get(word)
        if found is None:
            return None
        stays, goes = found
        own = self._shares[word].get(self.without)
        if own:
            stays, goes = stays - own[0], goes - own[1]
        return round(1_000 * math.log((goes + PRIOR) / (stays + PRIOR)))

    def whole(self) -> Weights:
        """Return the weights of all sites together."""
        self.without = ""
        whole: Weights = {kind: {} for kind in KINDS}
        for kind, word in sorted(self._sums):
            whole[kind][word] = self.weight((kind, word)) or 0
        return whole

    def lent(self) -> dict[str, Any]:
        """Return what `part_score` may ask in place of its weights."""
        return {kind: _Lent(self, kind) for kind in KINDS}


class _Lent:
    def __init__(self, table: Table, kind: str) -> None:
        self._table, self._kind = table, kind

    def get(self, word: str, default: int | None = None) -> int | None:
        found = self._table.weight((self._kind, word))
        return default if found is None else found


def _share(stays: float, goes: float) -> tuple[float, float]:
    counts = min(1.0, stays + goes) / (stays + goes)
    return stays * counts, goes * counts


def words_of(part: Part, found: Parts) -> Iterator[Word]:
    """Yield the keys into the weights that `part_score` will ask for."""
    yield from (("place", word) for word in part_score.places(part))
    yield from (("own", word) for word in part_score.words(part.names))
    yield from (("said", word) for word in part_score.said_first(part, found.texts))
    around = part.parent
    while around and around.parent:
        yield from (("around", word) for word in part_score.words(around.names))
        around = around.parent


def site_of(page: dict[str, Any]) -> str:
    """Return the registrable domain of a page's address, its id without one."""
    host = urlsplit(page["url"] or "").hostname
    return (registrable_domain(host) if host else None) or str(page["id"])


def third_of(site: str) -> int:
    """Return which of the parts of all sites one belongs to."""
    return int(hashlib.sha256(site.encode()).hexdigest(), 16) % SITES_PARTS


def taught(page: dict[str, Any], markup: str) -> str | None:
    """Return trafilatura's main text of a page that has only snippets."""
    return None if page["expected_text"] else trafilatura.extract(markup)


def labelled(page: dict[str, Any]) -> Page | None:
    """Return what can be learnt from a page; None where it has no parts."""
    markup = extract.decoded(page["html"], HTML)
    tree = HTMLTree.parse(markup)
    if tree.body is None or extract.too_deep(tree):
        return None
    main = Words(extract_plain_text(tree, main_content=True, alt_texts=False))
    text = taught(page, markup)
    expected, teacher = (Words(each) if each else None for each in (page["expected_text"], text))
    snippets = [
        [_spaced(words(each)) for each in page[kind] or []] for kind in ("must_have", "must_not_have")
    ]
    body = plain_lines(extract.written_out(HTMLTree.parse(markup)))
    found = parts_of(body)
    if found is None:
        return None
    labels: list[tuple[Part, Label | None]] = []
    for part in found.inner:
        part_score.note_names(part)  # the names are what is needed here
        label = None
        if part_score.may_go(part):
            said = words(html.unescape(_MARKUP.sub(" ", body[part.begin : part.end])))
            label = _label(said, expected, teacher, main.share_of(said), snippets) if said else None
        labels.append((part, label))
    scale = sum(label[1] for _, label in labels if label) ** -0.5 if any(label for _, label in labels) else 0
    weighed = [(part, (label[0], label[1] * scale) if label else None) for part, label in labels]
    site = site_of(page)
    return Page(site, third_of(site), found, weighed)


def _label(
    said: list[str], expected: Words | None, teacher: Words | None, shown: float, snippets: list[list[str]]
) -> Label | None:
    shown += 0.15
    weight = min(len(said), WORDS_MAX) ** 0.5 * shown / 10
    if expected:
        return _by_share(expected.share_of(said), weight)
    text = _spaced(said)
    if any(snippet in text for snippet in snippets[0]):
        return False, SNIPPET_WEIGHT if len(said) < 2_000 else 0.3
    if any(snippet in text for snippet in snippets[1]):
        return True, SNIPPET_WEIGHT * shown
    return _by_share(teacher.share_of(said), TAUGHT_WEIGHT * weight) if teacher else None


def _by_share(share: float, weight: float) -> Label | None:
    if GOES_SHARE_MAX <= share < STAYS_SHARE_MIN:
        return None
    return share < GOES_SHARE_MAX, weight


def _runs(said: list[str]) -> list[str]:
    return [" ".join(said[at : at + RUN_WORDS]) for at in range(len(said) - RUN_WORDS + 1)]


def _spaced(said: Sequence[str]) -> str:
    return f" {' '.join(said)} "


@contextmanager
def using(weights: Any, trees: str = "") -> Iterator[None]:
    """Let `part_score` use other weights, and trees by their source."""
    module: dict[str, Any] = {"margin": part_score.margin}
    exec(trees, module)  # what `module_of` has just written
    part_score.score_of_names.cache_clear()
    with (
        patch.object(part_score, "weights", lambda: weights),
        patch.object(part_score, "margin", module["margin"]),
    ):
        yield
    part_score.score_of_names.cache_clear()


def learnt(pages: Sequence[Page]) -> tuple[Weights, str]:
    """Return the weights of words and the source of a module with the trees."""
    table = Table(pages)
    rows: list[list[int]] = []
    labels: list[Label] = []
    with using(table.lent()):
        for page in sorted(pages, key=lambda page: page.site):
            if page.site != table.without:
                table.without = page.site
                part_score.score_of_names.cache_clear()
            for part, label in page.labels:
                part_score.note_names(part)
                if label:
                    rows.append(part_score.features(part, page.found))
                    labels.append(label)
    goes, weights = np.array([label[0] for label in labels]), np.array([label[1] for label in labels])
    data = lightgbm.Dataset(np.array(rows, dtype=np.float64), goes, weight=weights)
    model = lightgbm.train(SETTINGS, data, TREES).dump_model()
    trees = [_expression(each["tree_structure"]) for each in model["tree_info"]]
    return table.whole(), module_of(trees, len(rows[0]))


def module_of(trees: list[str], columns: int) -> str:
    """Return the source of `contributor_node/extraction/part_trees.py`."""
    lines = "\n".join(f"    total += {tree}" for tree in trees)
    names = ", ".join(f"c{at}" if f"c{at} " in lines else f"_c{at}" for at in range(columns))
    return _MODULE.format(names=names, lines=lines)


_MODULE = '''"""The trees of `part_score`, written by `bench/part_weights.py`: learnt from labelled pages, not by hand.

A line is a tree over the columns that `part_score.features` returns, in its order; leaves are thousandths of a logit.
"""

from __future__ import annotations

# fmt: off


def margin(row: list[int]) -> int:
    """Return by how much a part is likelier no main content, in thousandths of a logit."""
    {names} = row
    total = 0
{lines}
    return total
'''


def _expression(node: dict[str, Any]) -> str:
    """Return a tree as nested conditional expressions."""
    if "leaf_value" in node:
        return str(round(1_000 * node["leaf_value"]))
    left, right = _expression(node["left_child"]), _expression(node["right_child"])
    return f"({left} if c{node['split_feature']} <= {math.floor(node['threshold'])} else {right})"


def judge(rows: list[dict[str, Any]], pages: list[Page | None], least_scores: list[int]) -> None:
    """Print for each part of the sites and each set what comes out with the weights of the others."""
    for third in range(SITES_PARTS):
        found = learnt([page for page in pages if page and page.third != third])
        held_out = [row for row in rows if third_of(site_of(row)) == third]
        for least in least_scores:
            with using(*found), patch.object(part_score, "LEAST_SCORE", least):
                facts = [
                    (row, judged(row, extract.extract(row["html"], HTML).text, None)) for row in held_out
                ]
            for of_set in sorted({row["set"] for row, _ in facts}):
                line: dict[str, Any] = {"sites": third, "least": least, "set": of_set}
                for figure in ("f1", "must_have", "must_not_have"):
                    values = [value for row, fact in facts if row["set"] == of_set for value in fact[figure]]
                    line |= {figure: round(mean(values), 4), f"{figure}_count": len(values)} if values else {}
                print(json.dumps(line), flush=True)


def main() -> int:
    """Learn, and judge or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--judge", help="least scores in thousandths of a logit, joined by commas")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = pq.read_table(options.pages).to_pylist()
    pages = [labelled(row) for row in rows]
    if options.judge:
        judge(rows, pages, [int(least) for least in options.judge.split(",")])
    if options.out:
        weights, trees = learnt([page for page in pages if page])
        listed = json.dumps(weights, indent=0, separators=(",", ":"), ensure_ascii=False)
        (options.out / "part_weights.json").write_text(f"{listed}\n", encoding="utf-8")
        (options.out / "part_trees.py").write_text(trees, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
