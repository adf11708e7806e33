"""Which blocks of a page are its main text, by two additive scores with weights learnt from labelled pages.

Rules: whole numbers only, no randomness, weights from the file beside this module: every machine decides alike. The
first score sees a block and what stands around it, the second the first scores of its neighbours and of the places
it stands in. The weights are made by `bench/extraction_training.py`; their digest is part of the extractor's version.

Does not: parse, or know page addresses.

Usage::

    kept = [block for block, score in zip(page.blocks, scores(page, kind)) if score > 0]

Source: boilerplate detection by shallow text features, Kohlschütter et al. (WSDM 2010); stacked context, Vogels et
al., Web2Text (ECIR 2018).
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from contributor_node.block_features import FIRST, SECOND, context_of, features_of
from contributor_node.page_blocks import PageBlocks

WEIGHTS = Path(__file__).with_name("block_weights.json")


def weights_digest() -> str:
    """Return the first hex digits of the SHA-256 of the weights' file."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:8]


@cache
def weights() -> tuple[list[int], list[int]]:
    """Return the weights of both scores in thousandths of a logit. Raises ValueError for those of another layout."""
    found = json.loads(WEIGHTS.read_bytes())
    first, second = found["first"], found["second"]
    if (len(first), len(second)) != (FIRST.size, SECOND.size):
        raise ValueError("the weights were made for another layout of features")
    return first, second


def scores(page: PageBlocks, kind_of_page: int) -> list[int]:
    """Return a score for each block, in thousandths of a logit; above 0 it is more likely main text than not."""
    first, second = weights()
    of_first = [sum(map(first.__getitem__, row)) for row in features_of(page, kind_of_page)]
    return [sum(map(second.__getitem__, row)) for row in context_of(page, of_first)]
