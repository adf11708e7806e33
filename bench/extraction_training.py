"""Learns the weights of `contributor_node.block_scores` from labelled pages, and tells how well they do elsewhere.

Usage: `python bench/extraction_training.py --pages PAGES.parquet --out contributor_node/block_weights.json`. The
columns are those of `bench/labelled_pages.py`. Before the weights of all pages are written, each fifth of the sites is
judged with weights learnt from the other four (`--folds 5`; 0 leaves that out): one JSON line per set and page type.
Seeded: the same pages, numpy and command give the same weights.

A block's label is the share of its four-word sequences that the expected text has; a short block has to stand in it
and next to a longer one that does. Where a page only has snippets, only blocks that hold one are learnt from. A
block weighs as many words as it has, divided by the page's.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from bench.extract import HTML, word_f1, words  # noqa: E402
from contributor_node.block_features import FIRST, SECOND, context_of, features_of  # noqa: E402
from contributor_node.extract import decoded, parsed  # noqa: E402
from contributor_node.main_text import threshold, written  # noqa: E402
from contributor_node.page_blocks import PageBlocks, blocks_of  # noqa: E402
from contributor_node.page_facts import facts_of  # noqa: E402
from windrow_protocol.urls import registrable_domain  # noqa: E402

FIRST_WIDTH, SECOND_WIDTH = 72, 12
SNIPPET_PAGES_SHARE = 0.5
SNIPPET_WEIGHT = 0.03
Floats = NDArray[np.float64]
Numbers = NDArray[np.int32]


@dataclass
class Sample:
    """One labelled page: blocks, their labels and weights, and the rows of the first score."""

    page: dict[str, Any]
    blocks: PageBlocks
    label: Floats
    weight: Floats
    rows: Numbers

    def fold(self, folds: int) -> int:
        """Return the part that all pages of this site are in."""
        url = self.page["url"] or ""
        site = registrable_domain(url) if urlsplit(url).netloc else self.page["id"]
        return zlib.crc32(site.encode()) % folds


def samples_of(pages: list[dict[str, Any]]) -> list[Sample]:
    """Return the pages that have text, of those with snippets only a seeded half."""
    chance, found = random.Random(7), []
    for page in pages:
        if not page["expected_text"] and chance.random() > SNIPPET_PAGES_SHARE:
            continue
        markup = decoded(page.pop("html"), HTML)
        root = parsed(markup)
        blocks = blocks_of(root) if root is not None else None
        if blocks is None or not blocks.blocks:
            continue
        label, weight = (
            labels_from_text(page, blocks) if page["expected_text"] else labels_from_snippets(page, blocks)
        )
        rows = padded(features_of(blocks, facts_of(root, markup).kind), FIRST.size, FIRST_WIDTH)
        found.append(Sample(page, blocks, label, weight, rows))
    return found


def labels_from_text(page: dict[str, Any], blocks: PageBlocks) -> tuple[Floats, Floats]:
    """Return label and weight of each block against the page's expected text."""
    expected = words(page["expected_text"])
    spaced, fours = f" {' '.join(expected)} ", set(zip(*(expected[n:] for n in range(4)), strict=False))
    label, weight = np.zeros(len(blocks.blocks)), np.zeros(len(blocks.blocks))
    short = []
    for index, block in enumerate(blocks.blocks):
        own = words(block.text)
        weight[index] = min(len(own), 150)
        if len(own) >= 5:
            share = sum(four in fours for four in zip(*(own[n:] for n in range(4)), strict=False)) / (
                len(own) - 3
            )
            label[index] = share if len(own) > 12 else float(share >= 0.5)
        elif own:
            label[index] = float(f" {' '.join(own)} " in spaced)
            short += [index] if len(own) <= 3 and label[index] else []
    for index in short:
        near = [n for n in range(max(0, index - 4), min(len(label), index + 5)) if weight[n] >= 5]
        if near and not any(label[n] > 0.5 for n in near):
            label[index] = 0.0
    return label, np.minimum(weight / (len(expected) + 60.0), 0.3)


def labels_from_snippets(page: dict[str, Any], blocks: PageBlocks) -> tuple[Floats, Floats]:
    """Return label and weight of the blocks that hold a snippet; the others weigh nothing."""
    label, weight = np.zeros(len(blocks.blocks)), np.zeros(len(blocks.blocks))
    wanted = [(f" {' '.join(words(text))} ", 1.0) for text in page["must_have"] or []]
    wanted += [(f" {' '.join(words(text))} ", 0.0) for text in page["must_not_have"] or []]
    for index, block in enumerate(blocks.blocks):
        spaced = f" {' '.join(words(block.text))} "
        for snippet, value in wanted:
            if snippet.strip() and (snippet in spaced or (len(spaced) > 20 and spaced in snippet)):
                label[index], weight[index] = value, SNIPPET_WEIGHT
    return label, weight


def padded(rows: list[list[int]], filler: int, width: int) -> Numbers:
    """Return rows of unequal length as one array; the filler's weight is always 0."""
    array = np.full((len(rows), width), filler, np.int32)
    for index, row in enumerate(rows):
        array[index, : len(row)] = row[:width]
    return array


def fitted(rows: Numbers, label: Floats, weight: Floats, size: int, epochs: int) -> NDArray[np.int64]:
    """Return the weights in thousandths of a logit that a logistic model learns (Kingma and Ba's Adam)."""
    order, count = np.random.default_rng(1), len(label)
    weight = weight / weight.mean()
    theta, slope, square = np.zeros(size + 1), np.zeros(size + 1), np.zeros(size + 1)
    step = 0
    for epoch in range(epochs):
        rate = 0.05 * (1 - epoch / epochs) + 0.004
        mixed = order.permutation(count)
        for begin in range(0, count, 4096):
            batch = mixed[begin : begin + 4096]
            of_batch = rows[batch]
            wrong = (1 / (1 + np.exp(-theta[of_batch].sum(1))) - label[batch]) * weight[batch] / len(batch)
            gradient = np.bincount(of_batch.ravel(), np.repeat(wrong, rows.shape[1]), size + 1) + 2e-5 * theta
            gradient[size] = 0
            step += 1
            slope = 0.9 * slope + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            theta -= rate * (slope / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    theta[size] = 0
    return np.rint(theta * 1000).astype(np.int64)


Weights = tuple[NDArray[np.int64], NDArray[np.int64]]


def learnt(samples: list[Sample]) -> Weights:
    """Return the weights of both scores."""
    label = np.concatenate([sample.label for sample in samples])
    weight = np.concatenate([sample.weight for sample in samples])
    used = weight > 0
    rows = np.concatenate([sample.rows for sample in samples])[used]
    first = fitted(rows, label[used], weight[used], FIRST.size, 5)
    context = []
    for sample in samples:
        found = context_of(sample.blocks, first[sample.rows].sum(1).tolist())
        context += [found[index] for index in np.flatnonzero(sample.weight > 0)]
    second = fitted(padded(context, SECOND.size, SECOND_WIDTH), label[used], weight[used], SECOND.size, 3)
    return first, second


def text_by(weights: Weights, sample: Sample) -> str:
    """Return the main text of a page by given weights."""
    first, second = weights
    blocks = sample.blocks.blocks
    found = [int(second[row].sum()) for row in context_of(sample.blocks, first[sample.rows].sum(1).tolist())]
    least = threshold(found, [block.words for block in blocks])
    return written([block for block, score in zip(blocks, found, strict=True) if score >= least])


def cross_validated(samples: list[Sample], folds: int) -> dict[tuple[str, str], list[float]]:
    """Return the word F1 of each page by weights that its site had no part in."""
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)
    for fold in range(folds):
        weights = learnt([sample for sample in samples if sample.fold(folds) != fold])
        for sample in samples:
            if sample.fold(folds) == fold and sample.page["expected_text"]:
                value = word_f1(text_by(weights, sample), sample.page["expected_text"])
                figures[sample.page["set"], "all"].append(value)
                figures[sample.page["set"], sample.page["page_type"]].append(value)
    return figures


def main() -> int:
    """Cross-validate, then learn from all pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    samples = samples_of(pq.read_table(options.pages).to_pylist())
    for (of_set, kind), values in sorted(cross_validated(samples, options.folds).items()):
        line = {"bench": "extraction_training", "set": of_set, "page_type": kind, "pages": len(values)}
        print(json.dumps(line | {"f1_held_out": round(mean(values), 4)}), flush=True)
    first, second = (weights[:-1].tolist() for weights in learnt(samples))
    options.out.write_text(json.dumps({"first": first, "second": second}, separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
