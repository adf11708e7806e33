"""A parsed page as a list of text blocks, in one pass, with what is known of each block's surroundings.

Rules: a block is the text between two block-level boundaries; inline markup is dropped, table rows stay one line
with ` | ` between short cells, preformatted text keeps its lines. Nothing recurses, every element is visited once,
and at most `PAGE_ELEMENTS_MAX` elements are looked at, so that time grows with the page and no faster.

Does not: judge which blocks are main text (`block_scores`), or fetch or decode anything.

Usage::

    page = blocks_of(tree)
    [block.text for block in page.blocks]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from contributor_node.page_names import HIDDEN_BIT, TAG_BITS, name_bits
from windrow_protocol.limits import PAGE_BLOCKS_MAX, PAGE_ELEMENTS_MAX

SKIPPED = frozenset(
    """script style template svg iframe select option datalist object embed head math audio video canvas textarea
    map input""".split()  # noqa: SIM905  # a list of forty strings is harder to read
)
_INLINE = frozenset(
    """a span b i em strong u s small sub sup code font abbr cite q mark time label kbd samp var tt big del ins
    acronym bdi bdo nobr wbr data img picture source ruby rb rt rp strike dfn""".split()  # noqa: SIM905
)
_CELLS = frozenset(["td", "th"])
_KINDS = {
    "p": 1,
    "h1": 2,
    "h2": 3,
    "h3": 4,
    "h4": 5,
    "h5": 5,
    "h6": 5,
    "li": 6,
    "dt": 6,
    "dd": 7,
    "pre": 8,
    "tr": 9,
    "td": 9,
    "th": 9,
    "blockquote": 10,
    "button": 11,
    "figcaption": 12,
    "caption": 12,
    "section": 13,
    "article": 13,
    "main": 13,
    "form": 14,
    "fieldset": 14,
    "a": 15,
}
KINDS = 16
_CELL_WORDS_MAX = 30


@dataclass(slots=True)
class Block:
    """One run of text; `mask` has the bits of all enclosing elements, `near` those of the nearest two."""

    text: str
    kind: int
    mask: int
    near: int
    words: int
    link_words: int
    place: int
    preformatted: bool


@dataclass(slots=True)
class Places:
    """The page's elements as a tree of places: parent, words and linked words of each, children included."""

    parent: list[int] = field(default_factory=lambda: [0])
    words: list[int] = field(default_factory=lambda: [0])
    link_words: list[int] = field(default_factory=lambda: [0])
    blocks: list[int] = field(default_factory=lambda: [0])

    def enter(self, parent: int) -> int:
        """Add a place within another and return its number."""
        self.parent.append(parent)
        self.words.append(0)
        self.link_words.append(0)
        self.blocks.append(0)
        return len(self.parent) - 1

    def add_up(self) -> None:
        """Add each place's counts to its parent's; children have higher numbers than parents."""
        for counts in (self.words, self.link_words, self.blocks):
            for place in range(len(counts) - 1, 0, -1):
                counts[self.parent[place]] += counts[place]


@dataclass(slots=True)
class PageBlocks:
    """A page's blocks in reading order and the places they stand in."""

    blocks: list[Block]
    places: Places
    cut: bool = False


def blocks_of(root: Any) -> PageBlocks:
    """Return the blocks of a parsed page (an lxml element, usually `html`)."""
    walk = _Walk()
    context = etree.iterwalk(root, events=("start", "end"))
    seen = 0
    for event, element in context:
        if event == "start":
            seen += 1
            if seen > PAGE_ELEMENTS_MAX or len(walk.blocks) >= PAGE_BLOCKS_MAX:
                walk.flush()
                return walk.finished(cut=True)
            tag = element.tag
            if tag.__class__ is not str or tag in SKIPPED:
                context.skip_subtree()
                walk.opened.append(None)
            else:
                walk.start(tag, element)
        else:
            walk.end(element)
    walk.flush()
    return walk.finished(cut=False)


class _Walk:
    """The state of one pass."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.places = Places()
        self.opened: list[tuple[Any, ...] | None] = []
        self._names: dict[str, int] = {}
        self._text: list[str] = []
        self._link_words = self._links = self._pre = 0
        self._mask = self._near = self._own = self._place = self._kind = 0

    def finished(self, cut: bool) -> PageBlocks:
        self.places.add_up()
        return PageBlocks(self.blocks, self.places, cut)

    def start(self, tag: str, element: Any) -> None:
        if tag in _INLINE:
            self._start_inline(tag, element)
            return
        if tag == "br" or tag == "hr":
            self._text.append("\n")
            self.opened.append(None)
            return
        is_cell = tag in _CELLS
        if is_cell and self._text and sum(map(len, self._text)) < _CELL_WORDS_MAX * 6:
            if any(part.strip() for part in self._text):
                self._text.append(" | ")
        elif self._text:
            self.flush()
        self.opened.append((tag, self._mask, self._near, self._own, self._place, self._kind, is_cell))
        own = TAG_BITS.get(tag, 0) | self._named(element)
        self._near = self._own | own
        self._own = own
        self._mask |= own
        if not is_cell:
            self._place = self.places.enter(self._place)
        self._kind = _KINDS.get(tag, 0) or (self._kind if is_cell else 0)
        if tag == "pre":
            self._pre += 1
        if text := element.text:
            self._add(text)

    def _start_inline(self, tag: str, element: Any) -> None:
        self.opened.append((tag,))
        if tag == "a":
            self._links += 1
        if text := element.text:
            self._add(text)

    def end(self, element: Any) -> None:
        frame = self.opened.pop()
        if frame is not None:
            if frame[0] == "a":
                self._links -= 1
            elif len(frame) > 1:
                if frame[0] == "pre":
                    self._pre -= 1
                if not frame[6] and self._text:
                    self.flush(pre=frame[0] == "pre")
                _, self._mask, self._near, self._own, self._place, self._kind, _ = frame
        if tail := element.tail:
            self._add(tail)

    def _add(self, text: str) -> None:
        self._text.append(text)
        if self._links:
            self._link_words += len(text.split())

    def _named(self, element: Any) -> int:
        attributes = element.attrib
        if not attributes:
            return 0
        name = attributes.get("class", "")
        if own_id := attributes.get("id"):
            name = f"{name} {own_id}"
        if role := attributes.get("role"):
            name = f"{name} {role}"
        bits = 0
        if name:
            bits = self._names.get(name, -1)
            if bits < 0:
                bits = self._names[name] = name_bits(name)
        if (style := attributes.get("style")) and "none" in style and "display" in style:
            bits |= HIDDEN_BIT
        return bits

    def flush(self, pre: bool = False) -> None:
        """End the block that is being read."""
        raw = "".join(self._text)
        link_words, self._link_words = self._link_words, 0
        self._text.clear()
        pre = pre or bool(self._pre)
        if pre:
            text = raw.strip("\n")
        elif "\n" in raw or "  " in raw:
            text = " ".join(raw.split())
        else:
            text = raw.strip()
        count = text.count(" ") + 1
        if not text or text.isspace():
            return
        place = self._place
        self.places.words[place] += count
        self.places.link_words[place] += min(link_words, count)
        self.places.blocks[place] += 1
        self.blocks.append(
            Block(text, self._kind, self._mask, self._near, count, min(link_words, count), place, pre)
        )
