"""Whether a part of a page is main content, by a learnt score; what is not is cut.

Rules: of each part some forty whole numbers are known: what was counted in it and around it, where it stands, and what
the words of its class and id, of those around it and the first words it says speak for. Small decision trees over them
add up to the score, in thousandths of a logit. A part at or above the least score is cut out with all that stands in
it, and so is what the page hides and what calls itself comments; what holds an `h1` or most of the paragraphs stays.
All of it is whole numbers, so that each machine cuts alike.

Does not: read the markup (`page_parts`), or write text (`extract`).

Source of the weights: `bench/part_weights.py`, learnt from labelled pages; docs/extraction.md says how well.

Usage::

    rest = without_parts(tree.body.html)
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from contributor_node.extraction.page_parts import (
    CHARS,
    H1,
    LINKED,
    LINKS,
    PARAGRAPHS,
    TEXTS,
    Part,
    Parts,
    parts_of,
    plain_lines,
)
from contributor_node.extraction.part_trees import margin
from contributor_node.extraction.part_words import meaning_of

LEAST_SCORE: Final = 500  # in thousandths of a logit
PROSE_CHARS_MIN: Final = 150
BULK_SHARE: Final = 5  # one part in so many
SAID_TEXTS: Final = 6
SAID_CHARS: Final = 100
SAID_WORDS: Final = 8

_NAMES: Final = re.compile(r'\b(?:class|id|role|itemprop|aria-label)="([^"]{0,300})')
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SAID: Final = re.compile(r"[^\W\d_]{2,}")
_HIDDEN: Final = re.compile(r'\shidden(?:="|\s|$)|\sstyle="[^"]*(?:display:\s?none|visibility:\s?hidden)')
_COMMENTS: Final = frozenset(
    (
        *("comments", "comment-list", "commentlist", "comments-area", "comments-section", "comment-section"),
        *("comments-wrapper", "post-comments", "article-comments", "disqus_thread", "disqus-thread"),
    )
)
_SIDES: Final = "nhbia"

Scores = tuple[int, int, int]  # sum, highest and lowest of what words speak for
NONE: Final = (0, 0, 0)


def without_parts(html: str) -> str:
    """Return the markup of a body without the parts that are no main content."""
    html = plain_lines(html)
    found = parts_of(html)
    if found is None:
        return html
    kept: list[str] = []
    place = 0
    for part in found.inner:
        if part.begin < place:
            continue
        note_names(part)
        if may_go(part) and goes(part, found):
            kept.append(html[place : part.begin])
            place = part.end
    kept.append(html[place:])
    return "".join(kept)


def may_go(part: Part) -> bool:
    """Whether a part has text, and neither the page's heading nor most of its paragraphs."""
    opened, closed = part.opened, part.closed
    return not part.holds_core and closed[CHARS] > opened[CHARS] and closed[H1] == opened[H1]


def goes(part: Part, found: Parts) -> bool:
    """Whether a part is to be cut: the cheap questions first."""
    if hides(part) or holds_comments(part):
        return True
    if is_prose(part) or is_bulk(part, found):
        return False
    return margin(features(part, found)) >= LEAST_SCORE


def holds_comments(part: Part) -> bool:
    """Whether a part calls itself the comments of the page."""
    names = part.names
    return ("omment" in names or "isqus" in names) and not _COMMENTS.isdisjoint(names.lower().split())


def is_prose(part: Part) -> bool:
    """Whether a part is a longer paragraph of the core without a link: so many stay that none need be scored."""
    return (
        part.name == "p"
        and part.side == "i"
        and part.closed[LINKS] == part.opened[LINKS]
        and part.closed[CHARS] - part.opened[CHARS] >= PROSE_CHARS_MIN
    )


def is_bulk(part: Part, found: Parts) -> bool:
    """Whether a part is much of the page's text, and not of links: too much to hang on a score near its edge."""
    chars = part.closed[CHARS] - part.opened[CHARS]
    linked = part.closed[LINKED] - part.opened[LINKED]
    return chars * BULK_SHARE >= found.body.closed[CHARS] and 2 * linked < chars


def hides(part: Part) -> bool:
    """Whether a part says itself that it is not shown."""
    attributes = part.attributes
    return ("hidden" in attributes or "none" in attributes) and _HIDDEN.search(attributes) is not None


def note_names(part: Part) -> None:
    """Note a part's names and what those around it speak for; its parent must have been noted before."""
    part.names = " ".join(_NAMES.findall(part.attributes)) if part.attributes else ""
    parent = part.parent
    if parent and parent.parent:
        near, far = score_of_names(parent.names, "around"), parent.upper_scores
        part.upper_scores = (near[0] + far[0], max(near[1], far[1]), min(near[2], far[2]))


def words(names: str) -> frozenset[str]:
    """Return the words of a class and an id, folded: `entryFooter` and `entry-footer` have the same two."""
    return frozenset(word.lower() for word in _WORD.findall(names) if len(word) > 2)


def said_first(part: Part, texts: list[str]) -> list[str]:
    """Return the first words that a part says, folded, and the meanings that some of them have in many languages."""
    first, end = part.opened[TEXTS], min(part.closed[TEXTS], part.opened[TEXTS] + SAID_TEXTS)
    said = _SAID.findall(" ".join(texts[first:end])[:SAID_CHARS].lower())[:SAID_WORDS]
    return said + [f"={meaning}" for meaning in {meaning_of(word) for word in said} if meaning]


def places(part: Part) -> tuple[str, str]:
    """Return two features of what a part is and where: keys into the weights."""
    return (
        f"{part.name} {part.place}",
        f"{part.name} in {part.parent.name if part.parent else ''}",
    )


def features(part: Part, found: Parts) -> list[int]:
    """Return what is known of a part, the columns of the trees; its names must have been noted."""
    around = part.parent or found.body
    before, linked_before, links_before, paragraphs_before, marks_before, h1_before, texts_before = (
        part.opened
    )
    after, linked_after, links_after, paragraphs_after, marks_after, _, texts_after = part.closed
    page_chars, page_linked, _, page_paragraphs, *_ = found.body.closed
    opened, closed = around.opened, around.closed
    chars, texts = after - before, texts_after - texts_before
    chars_around = closed[CHARS] - opened[CHARS] or 1
    paragraphs = page_paragraphs or 1
    weight_of = weights()["place"].get
    where, inside = places(part)
    weight_of_said = weights()["said"].get
    return [
        weight_of(where, 0),
        weight_of(inside, 0),
        *score_of_names(part.names, "own"),
        *score_of_names(around.names, "around"),
        *part.upper_scores,
        *added([weight_of_said(word) for word in said_first(part, found.texts)]),
        chars // (links_after - links_before + 1),
        100 * (linked_after - linked_before) // chars,
        chars.bit_length(),
        1_000 * chars // page_chars,
        100 * chars // chars_around,
        texts,
        chars // (texts or 1),
        1_000 * (marks_after - marks_before) // chars,
        100 * (paragraphs_after - paragraphs_before) // chars,
        part.levels,
        _SIDES.index(part.side),
        part.depth,
        100 * paragraphs_before // paragraphs,
        100 * (page_paragraphs - paragraphs_after) // paragraphs,
        1_000 * before // page_chars,
        1_000 * (page_chars - after) // page_chars,
        h1_before,
        around.alike.get((part.name, part.attributes), 1),
        part.index,
        around.children - part.index,
        part.children,
        100 * (closed[LINKED] - opened[LINKED]) // chars_around,
        100 * (closed[PARAGRAPHS] - opened[PARAGRAPHS]) // chars_around,
        page_chars.bit_length(),
        100 * page_paragraphs // page_chars,
        100 * page_linked // page_chars,
    ]


def added(found: list[int | None]) -> Scores:
    """Return the sum, the highest and the lowest of what words speak for; zeros where none is known."""
    known = [weight for weight in found if weight is not None]
    return (sum(known), max(known), min(known)) if known else NONE


@lru_cache(maxsize=2_048)
def score_of_names(names: str, kind: str) -> Scores:
    """Return what the words of a part's names speak for: "own" for itself, "around" for what stands in it."""
    weight_of = weights()[kind].get
    return added([weight_of(word) for word in words(names)]) if names else NONE


@cache
def weights() -> dict[str, dict[str, int]]:
    """Return what each word and place speaks for, in thousandths of a logit, by where it was met."""
    return dict(json.loads(files(__package__).joinpath("part_weights.json").read_text(encoding="utf-8")))
