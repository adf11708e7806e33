"""Pages of exports as a stream of boxes, one for each entry, and a box as pieces of text with what stands around each.

Rules: a page is cut where a box begins, so its size does not matter, and a box is bounded; what stands before the first
one is dropped as it comes.

Does not: know what a box means.

Usage::

    for box in boxes(stream, re.compile(rb'<div class="message '), count):
        words = words_of(piece for piece in pieces_of(box) if piece.is_in("text"))
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

_BOX_BYTES_MAX: Final = 1_000_000
_PIECE_BYTES: Final = 65_536
_TAG_BYTES_MAX: Final = 512  # of the tag that begins a box
_DEPTH_MAX: Final = 64
_BREAKING: Final = frozenset(
    {"div", "br", "p", "li", "td", "tr", "h1", "h2", "h3", "footer", "section", "ul"}
)
_EMPTY: Final = frozenset({"br", "img", "input", "meta", "link", "hr", "source", "wbr"})


def boxes(
    stream: io.BufferedReader, begins: re.Pattern[bytes], on_too_large: Callable[[], None]
) -> Iterator[str]:
    """Yield the HTML of each box from its first tag on; one that is too large is reported and left out."""
    held, in_box = b"", False
    while piece := stream.read(_PIECE_BYTES):
        held, at = held + piece, 0
        for found in begins.finditer(held):
            if in_box and found.start() > at:
                yield held[at : found.start()].decode("utf-8", "replace")
            at, in_box = found.start(), True
        held = held[at:] if in_box else held[-_TAG_BYTES_MAX:]
        if in_box and len(held) > _BOX_BYTES_MAX:
            on_too_large()
            held, in_box = held[-_TAG_BYTES_MAX:], False
    if in_box:
        yield held.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Element:
    """An open element: its tag, the words of its class, and the attributes that say something."""

    tag: str
    classes: tuple[str, ...] = ()
    title: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text, or the end of a line, and the elements that it stands in, the outermost first."""

    text: str
    within: tuple[Element, ...]

    def is_in(self, *names: str) -> bool:
        """Say whether one of the elements has one of these as its tag or in its class."""
        return any(each.tag in names or not {*names}.isdisjoint(each.classes) for each in self.within)


class _Pieces(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Piece] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._break(tag)
        if tag not in _EMPTY and len(self._open) < _DEPTH_MAX:
            classes = tuple(given.get("class", "").split())
            self._open.append(Element(tag, classes, given.get("title", ""), given.get("href", "")))

    def handle_endtag(self, tag: str) -> None:
        self._break(tag)
        if any(each.tag == tag for each in self._open):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.found.append(Piece(data, tuple(self._open)))

    def _break(self, tag: str) -> None:
        if tag in _BREAKING:
            self.found.append(Piece("\n", tuple(self._open)))


def pieces_of(box: str) -> list[Piece]:
    """Return the pieces of a box in order; line ends between the tags of the page itself are blanks."""
    parser = _Pieces()
    parser.feed(box.replace("\n", " "))
    parser.close()
    return parser.found


def words_of(pieces: Iterable[Piece]) -> str:
    """Return the text of pieces, without empty lines and without blanks that a page does not show."""
    lines = "".join(piece.text for piece in pieces).split("\n")
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))
