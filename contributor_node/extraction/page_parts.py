"""The parts of a page: each block element with what was counted in it and where it stands.

Rules: a parsed body that was written out anew is read in one pass. Each block element (`div`, `section`, `p`, `h2`, …)
becomes a `Part`; what it holds is the difference of two running counts, before its start tag and after its end tag. The
innermost part with most of the characters of paragraphs is the core: each part holds it, stands in it, before or after
it. Linear in the page; a page with more than `TAGS_MAX` tags has no parts.

Does not: say which parts are main content (`part_score`), or choose pages.

Usage::

    found = parts_of(plain_lines(tree.body.html))
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

TAGS_MAX: Final = 20_000
PARAGRAPH_CHARS_MIN: Final = 60
PARAGRAPH_CHARS_A_LINK: Final = 80
CORE_CHARS_MIN: Final = 400
CORE_PERCENT_MIN: Final = 70
LEVELS_MAX: Final = 4
NO_LEVEL: Final = 9

# Tags of a body written out anew: end tags are there, values stand in double quotes, no text holds a `<`. What an
# attribute with a quote in its name breaks runs to the end, so that nothing is read twice.
_ATTRIBUTES: Final = r'[^>"]*+(?:"[^"]*+(?:"|\Z)[^>"]*+)*+'
_COMMENT: Final = r"!--(?:[^-]++|-(?!->))*+(?:-->|\Z)"
# The whole of what follows the `<`, the tag's name with the `/` of an end tag, its attributes, the text after it.
_TAG: Final = re.compile(
    rf'(<(?:{_COMMENT}|(/?[a-z][^\s/>"]*+)({_ATTRIBUTES})(?:>|\Z)|)\s*+)([^<]*+)', re.IGNORECASE
)
# What only a line of text is made of: half of all tags, and none changes the text.
_IN_LINES: Final = re.compile(
    rf"<(?:{_COMMENT}|/?(?:span|strong|b|em|i|u|font|small|source|picture|time|abbr|img|input|label|button|path|use|g)(?=[\s>])"
    rf"{_ATTRIBUTES}(?:>|\Z))"
)
BLOCKS: Final = frozenset(
    (
        *("div", "section", "aside", "ul", "ol", "dl", "header", "footer", "nav", "form", "table", "article"),
        *("main", "figure", "details", "dialog", "blockquote", "fieldset"),
    )
)
_BEGINS, _ENDS, _PARAGRAPH_BEGINS, _PARAGRAPH_ENDS, _LINK, _LINK_ENDS, _H1 = range(7)
_HEADINGS: Final = ("h2", "h3", "h4", "h5", "h6", "figcaption")
_MEANING: Final = {
    **dict.fromkeys((*BLOCKS, *_HEADINGS), _BEGINS),
    **dict.fromkeys((f"/{name}" for name in (*BLOCKS, *_HEADINGS)), _ENDS),
    "p": _PARAGRAPH_BEGINS,
    "/p": _PARAGRAPH_ENDS,
    "a": _LINK,
    "/a": _LINK_ENDS,
    "h1": _H1,
}


# What was read up to a place: characters, those in links, links, characters in paragraphs that are long for their
# links, commas and full stops before a blank, first headings, texts. A plain tuple: a thousand are made for a page.
Counts = tuple[int, int, int, int, int, int, int]
CHARS, LINKED, LINKS, PARAGRAPHS, MARKS, H1, TEXTS = range(7)
NOTHING: Final[Counts] = (0, 0, 0, 0, 0, 0, 0)


class Part:
    """A block element: where it stands in the markup, and what was counted before its tags."""

    __slots__ = (
        *("alike", "attributes", "begin", "children", "closed", "depth", "end", "holds_core", "index"),
        *("levels", "name", "names", "opened", "parent", "side", "upper_scores"),
    )

    def __init__(self, name: str, attributes: str, parent: Part | None, begin: int, opened: Counts) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent
        self.begin = self.end = begin
        self.opened = self.closed = opened
        self.children = 0
        self.alike: dict[tuple[str, str], int] = {}  # how many children have the same tag
        self.side, self.levels, self.holds_core = "n", NO_LEVEL, False
        self.upper_scores = (0, 0, 0)  # `part_score` notes them and the names, each part after its parent
        self.names = ""  # its class, id and role
        if parent is None:
            self.depth = self.index = 0
            return
        self.depth = parent.depth + 1
        self.index = parent.children
        parent.children += 1
        key = (name, attributes)
        parent.alike[key] = parent.alike.get(key, 0) + 1

    @property
    def place(self) -> str:
        """Where it stands to the core, as one word."""
        return f"{self.side}{self.levels}"


class Parts(NamedTuple):
    """The parts of a page in the order of their start tags; `body` is around them all, `texts` is what they say."""

    body: Part
    inner: list[Part]
    texts: list[str]


def plain_lines(html: str) -> str:
    """Return a body's markup without comments and without the tags that only stand in lines of text."""
    return _IN_LINES.sub("", html)


def parts_of(html: str) -> Parts | None:
    """Return the parts of a body's markup; None where it has too many tags or was not written out by a parser."""
    if html.count("<") > TAGS_MAX:
        return None
    body = Part("body", "", None, 0, NOTHING)
    inner: list[Part] = []
    stack: list[Part] = [body]
    texts: list[str] = []
    chars = linked = links = paragraphs = marks = h1 = 0
    paragraph: tuple[int, int] | None = None
    in_link = False
    meaning_of = _MEANING.get
    place = max(0, html.find("<"))
    for tag, name, attributes, text in _TAG.findall(html):
        meaning = meaning_of(name)
        if meaning is None:
            pass
        elif meaning == _LINK:
            in_link = True
            links += 1
        elif meaning == _LINK_ENDS:
            in_link = False
        elif meaning == _H1:
            h1 += 1
        elif meaning in (_BEGINS, _PARAGRAPH_BEGINS):
            part = Part(
                name, attributes, stack[-1], place, (chars, linked, links, paragraphs, marks, h1, len(texts))
            )
            inner.append(part)
            stack.append(part)
            paragraph = (chars, links) if meaning == _PARAGRAPH_BEGINS else paragraph
        else:
            if meaning == _PARAGRAPH_ENDS and paragraph:
                said = chars - paragraph[0]
                if said >= PARAGRAPH_CHARS_MIN and said > PARAGRAPH_CHARS_A_LINK * (links - paragraph[1]):
                    paragraphs += said
                paragraph = None
            if len(stack) > 1 and f"/{stack[-1].name}" == name:
                part = stack.pop()
                part.end = place + len(tag)
                part.closed = (chars, linked, links, paragraphs, marks, h1, len(texts))
        place += len(tag)
        if text:
            said = len(text)
            place += said
            chars += said
            if in_link:
                linked += said
            marks += text.count(", ") + text.count(". ")
            texts.append(text)
    if len(stack) > 1:
        return None  # not as a body is written out: nothing is known of its ends
    body.closed = (chars, linked, links, paragraphs, marks, h1, len(texts))
    body.end = len(html)
    if paragraphs >= CORE_CHARS_MIN:
        _place(body, inner)
    return Parts(body, inner, texts)


def _place(body: Part, inner: Sequence[Part]) -> None:
    """Say of each part where it stands to the innermost that holds most of the paragraphs, the core."""
    least = CORE_PERCENT_MIN * body.closed[PARAGRAPHS]
    core = body
    for part in inner:
        if part.name in BLOCKS and 100 * (part.closed[PARAGRAPHS] - part.opened[PARAGRAPHS]) >= least:
            core = part
    around: Part | None = core
    levels = 0
    while around:
        around.side, around.levels, around.holds_core = "h", levels, True
        around, levels = around.parent, levels + 1
    for part in inner:
        parent = part.parent or body
        if part.holds_core:
            continue
        if not parent.holds_core:
            part.side, part.levels = parent.side, parent.levels
        elif parent is core:
            part.side, part.levels = "i", 0
        else:
            part.side = "b" if part.begin < core.begin else "a"
            part.levels = NO_LEVEL if parent is body else min(LEVELS_MAX, parent.levels)
