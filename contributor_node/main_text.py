"""The main text of a page from its blocks: how much to keep, and how it is written down.

Rules: blocks are kept from the best score downwards as long as that raises the expected F1 of the words kept, so a
page that is hard to tell keeps more than one that is plain. Paragraphs and headings are parted by an empty line,
items and rows of one list or table by a line end; preformatted text keeps its lines.

Does not: parse or score.

Usage::

    text = main_text(blocks_of(root), facts.kind)

Source: the threshold that maximises expected F1 is half of it: Lipton et al., "Optimal thresholding of classifiers
to maximize F1 measure" (ECML PKDD 2014).
"""

from __future__ import annotations

from contributor_node.block_scores import scores
from contributor_node.page_blocks import Block, PageBlocks

SCORE_MIN = -2_000  # nothing below is kept, however little the page says
_STEP = 100
# The chance that a score stands for, in ten-thousandths, at every tenth of a logit from -5 to 5 (fixed numbers: the
# exponential of another machine may differ in its last digit).
_CHANCES = tuple(round(10_000 / (1 + 2.718281828459045 ** (-step / 10))) for step in range(-50, 51))
_TIGHT = frozenset([6, 7, 9])


def main_text(page: PageBlocks, kind_of_page: int) -> str:
    """Return the main text of a page; empty only where the page has no text at all."""
    if not page.blocks:
        return ""
    found = scores(page, kind_of_page)
    least = threshold(found, [block.words for block in page.blocks])
    return written([block for block, score in zip(page.blocks, found, strict=True) if score >= least])


def threshold(found: list[int], words: list[int]) -> int:
    """Return the least score to keep, in thousandths of a logit; never above 0 where something is above 0."""
    chances = [_CHANCES[min(100, max(0, score // _STEP + 50))] for score in found]
    total = sum(chance * count for chance, count in zip(chances, words, strict=True))
    order = sorted(range(len(found)), key=found.__getitem__, reverse=True)
    kept = right = 0
    best, least = -1, 0
    for index in order:
        kept += words[index]
        right += words[index] * chances[index]
        value = right * 1_000_000 // (kept * 10_000 + total)
        if value > best:
            best, least = value, found[index]
    return min(max(least, SCORE_MIN), 0, found[order[0]])


def written(blocks: list[Block]) -> str:
    """Return blocks as text."""
    parts: list[str] = []
    last = -1
    for block in blocks:
        if parts:
            parts.append("\n" if block.kind in _TIGHT and last in _TIGHT else "\n\n")
        parts.append(block.text)
        last = block.kind
    return "".join(parts)
