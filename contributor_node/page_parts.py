"""Which parts of an article's page are no main content: footers, teasers, authors' boxes, by a learnt additive score.

Rules: the parsed body is written out once and read in one pass. Each block element (`div`, `section`, `ul`, …) becomes
a `Part` with what was counted in it. A part's score is the sum of the weights of its features: words of its class and
id and of those around it, its element, its text and links, and where it stands to the element that holds most of the
paragraphs. A part at or above the least score is cut out with all that stands in it; what holds an `h1` or most of the
paragraphs stays. Linear in the page; pages with more than `TAGS_MAX` tags are left as they are.

Does not: choose what main content is of what stays (`extract`), or say which pages are articles (`page_kind`).

Source of the weights: `bench/part_weights.py`, learnt from labelled pages; docs/extraction.md says how well.

Usage::

    rest = without_parts(tree.body.html)
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from operator import sub
from typing import Final

TAGS_MAX: Final = 20_000
PARAGRAPH_CHARS_MIN: Final = 60
PARAGRAPH_CHARS_A_LINK: Final = 80
CORE_CHARS_MIN: Final = 400
CORE_SHARE_MIN: Final = 0.7
LEAST_SCORE: Final = 1_500  # in thousandths of a logit

# Tags of a body written out anew: end tags are there, values stand in double quotes, no text holds a `<`. What an
# attribute with a quote in its name breaks runs to the end, so that nothing is read twice.
_TAG: Final = re.compile(
    r"""<(?:!--(?:[^-]++|-(?!->))*+(?:-->|\Z)"""
    r"""|(/?)([a-z][^\s/>"]*+)([^>"]*+(?:"[^"]*+(?:"|\Z)[^>"]*+)*+)(?:>|\Z))\s*+([^<]*+)""",
    re.IGNORECASE,
)
_NAMES: Final = re.compile(r'\b(?:class|id)="([^"]{0,300})')
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PARTS: Final = frozenset(
    (
        *("div", "section", "aside", "ul", "ol", "dl", "header", "footer", "nav", "form", "table", "article"),
        *("main", "figure", "details", "dialog", "blockquote", "fieldset"),
    )
)
_CHARS, _LINKS, _IMAGES, _HEADINGS, _ITEMS, _INPUTS, _H1, _PARAGRAPHS = range(8)
_PARAGRAPH, _PART = 8, 9  # what a tag means, where it is not one of the counts
_MEANING: Final = {
    "a": _LINKS,
    "img": _IMAGES,
    "h2": _HEADINGS,
    "h3": _HEADINGS,
    "h4": _HEADINGS,
    "li": _ITEMS,
    "input": _INPUTS,
    "button": _INPUTS,
    "h1": _H1,
    "p": _PARAGRAPH,
    **dict.fromkeys(_PARTS, _PART),
}


class Part:
    """A block element: where it stands in the markup, and what was counted before its tags."""

    __slots__ = (
        "_names",
        "attributes",
        "begin",
        "closed",
        "depth",
        "end",
        "name",
        "opened",
        "parent",
        "place",
    )

    def __init__(
        self, name: str, attributes: str, parent: Part | None, begin: int, opened: list[int]
    ) -> None:
        self.name, self.attributes, self.parent, self.begin, self.opened = (
            name,
            attributes,
            parent,
            begin,
            opened,
        )
        self.depth: int = parent.depth + 1 if parent else 0
        self.closed = opened
        self.end = begin
        self.place = "none"
        self._names: str | None = None

    def counted(self, what: int) -> int:
        """Return how many characters, links, … stand in it."""
        return self.closed[what] - self.opened[what]

    @property
    def names(self) -> str:
        """Its class and id."""
        if self._names is None:
            self._names = " ".join(_NAMES.findall(self.attributes)) if self.attributes else ""
        return self._names


def without_parts(html: str) -> str:
    """Return the markup of an article's body without the parts that are no main content."""
    kept: list[str] = []
    place = 0
    for part in parts_of(html):
        if part.begin >= place and may_go(part) and score(part) >= LEAST_SCORE:
            kept.append(html[place : part.begin])
            place = part.end
    kept.append(html[place:])
    return "".join(kept)


def may_go(part: Part) -> bool:
    """Whether a part has text, and neither the page's heading nor most of its paragraphs."""
    return part.place != "holds" and part.counted(_CHARS) > 0 and not part.counted(_H1)


def parts_of(html: str) -> list[Part]:
    """Return the parts of a body's markup in the order of their start tags; none where it has too many tags."""
    if html.count("<") > TAGS_MAX:
        return []
    parts: list[Part] = []
    stack: list[Part] = []
    counts = [0] * 8
    paragraph: list[int] | None = None
    meaning_of = _MEANING.get
    for match in _TAG.finditer(html):
        closes, name, attributes, text = match.groups()
        meaning = meaning_of(name)
        if meaning is None:
            pass
        elif meaning == _PART:
            if not closes:
                part = Part(name, attributes, stack[-1] if stack else None, match.start(), counts[:])
                parts.append(part)
                stack.append(part)
            elif stack and stack[-1].name == name:
                part = stack.pop()
                part.end = match.start(4)
                part.closed = counts[:]
        elif meaning == _PARAGRAPH:
            if closes and paragraph:
                _count_paragraph(counts, paragraph)
            paragraph = None if closes else counts[:]
        elif not closes:
            counts[meaning] += 1
        counts[_CHARS] += len(text)
    if stack:
        return []  # not as a body is written out: nothing is known of its ends
    _place(parts, counts[_PARAGRAPHS])
    return parts


def _count_paragraph(counts: list[int], opened: list[int]) -> None:
    chars = counts[_CHARS] - opened[_CHARS]
    if chars >= PARAGRAPH_CHARS_MIN and chars > PARAGRAPH_CHARS_A_LINK * (counts[_LINKS] - opened[_LINKS]):
        counts[_PARAGRAPHS] += chars


def _place(parts: Sequence[Part], paragraphs: int) -> None:
    """Say of each part where it stands to the innermost that holds most of the paragraphs, the core."""
    if paragraphs < CORE_CHARS_MIN:
        return
    holding = [part for part in parts if part.counted(_PARAGRAPHS) >= CORE_SHARE_MIN * paragraphs]
    core = holding[-1] if holding else None
    part, up = core, 0
    above: dict[int, int] = {}
    while part:
        above[id(part)] = up
        part, up = part.parent, up + 1
    for part in parts:
        if id(part) in above:
            part.place = "holds"
        elif part.parent is None or id(part.parent) in above:
            levels = min(4, above[id(part.parent)]) if part.parent else 9
            side = "before" if core is None or part.begin < core.begin else "after"
            part.place = "in" if levels == 0 else f"{side}{levels}"
        else:
            part.place = part.parent.place


def features(part: Part) -> list[str]:
    """Return what is known of a part besides the words of its names, each a key into the weights."""
    opened, closed = part.opened, part.closed
    chars, links, images, headings, items, inputs, _, paragraphs = map(sub, closed, opened)
    size = chars.bit_length()
    side = part.place[0]
    return [
        f"element {part.name} {side}",
        f"place {part.place}",
        f"size {side} {size}",
        f"size {opened[_H1] > 0:d} {size}",
        f"per link {side} {(chars // (links + 1)).bit_length()}",
        f"links {min(4, links.bit_length())}",
        f"paragraphs {side} {4 * paragraphs // chars}",
        f"images {side} {min(3, images)}",
        f"headings {side} {min(3, headings.bit_length())}",
        f"items {side} {min(4, items.bit_length())}",
        f"inputs {min(2, inputs)}",
        f"depth {min(12, part.depth)}",
        f"inside {part.parent.name if part.parent else 'body'}",
    ]


def words(names: str) -> frozenset[str]:
    """Return the words of a class and an id, folded: `entryFooter` and `entry-footer` have the same two."""
    return frozenset(word.lower() for word in _WORD.findall(names) if len(word) > 2)


def score(part: Part) -> int:
    """Return by how much a part is likelier no main content, in thousandths of a logit."""
    total = score_of_names(part.names, "")
    if part.parent:
        total += score_of_names(part.parent.names, "in ")
    weight_of = weights().get
    return total + sum(weight_of(feature, 0) for feature in ("all", *features(part)))


@lru_cache(maxsize=1_024)
def score_of_names(names: str, of: str) -> int:
    """Return what the words of a part's names add; `of` is "in " for those of the part around it."""
    weight_of = weights().get
    return sum(weight_of(f"{of}.{word}", 0) for word in words(names))


@cache
def weights() -> dict[str, int]:
    """Return the weight of each feature, in thousandths of a logit."""
    found = files(__package__).joinpath("part_weights.json").read_text(encoding="utf-8")
    return dict(json.loads(found))
