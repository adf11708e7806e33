"""Instagram and Facebook as HTML pages: messages, posts, comments, likes, saved things and searches.

Rules: which of them a page holds is told by its name, which is English in every language; in a box, the heading, the
day and the rest are told by their classes, of which there were two sets over the years; times have no zone.

Does not: read followers, contacts, advertising, or reactions to a message.

Usage: `FORMATS` of the registry's `instagram`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import UNKNOWN, Moment
from extension_bridge.importers.formats import Answer, Format, answered
from extension_bridge.importers.html_boxes import Piece, boxes, pieces_of, words_of
from extension_bridge.importers.items import Draft, Kind, Tally
from extension_bridge.importers.wall_times import wall_moment

_BOX: Final = re.compile(
    rb'<(?:div|section) class="(?:[^">]{0,200} )?(?:_a6-g|uiBoxWhite)(?: [^">]{0,200})?">'
)
_HEADING: Final = ("h2", "_a6-h", "_2lel")
_DAY: Final = ("_a6-o", "_2lem")
_NAMES: Final[tuple[tuple[re.Pattern[str], Kind], ...]] = (
    (re.compile(r"message_\d+"), "message"),
    (re.compile(r"(?:post_|reels_|story_)?comments(?:_\d+)?"), "post"),
    (re.compile(r"(?:your_)?posts(?:_\d+)?|your_posts__.{1,80}"), "post"),
    (re.compile(r"liked_(?:posts|comments)|story_likes|saved_posts"), "reaction"),
    (re.compile(r"(?:word_or_phrase|account|profile|tag|hashtag)_searches|your_search_history"), "search"),
)


def _kind(member: Member) -> Kind | None:
    name = PurePosixPath(member.name).stem
    return next((kind for pattern, kind in _NAMES if pattern.fullmatch(name)), None)


def _when(pieces: list[Piece]) -> tuple[Moment, str]:
    """Return the moment that a box says, and the line that says it: one for the day, or the last that is a date."""
    own = words_of(piece for piece in pieces if piece.is_in(*_DAY))
    lines = [own] if own else [line for line in reversed(words_of(pieces).split("\n")) if line]
    return next(((at, line) for line in lines if (at := wall_moment(line))[0]), (UNKNOWN, ""))


def _rows(pieces: list[Piece]) -> list[str]:
    """Return what stands in the boxes within the cells of a table: values, without what they are called."""
    values, before = list[str](), -1
    for i, piece in enumerate(pieces):
        if _is_value(piece) and piece.text.strip():
            apart = before < 0 or any(not each.is_in("td") for each in pieces[before:i])
            values.append(piece.text) if apart else values.__setitem__(-1, f"{values[-1]}\n{piece.text}")
            before = i
    return [value.strip() for value in values]


def _is_value(piece: Piece) -> bool:
    tags = [each.tag for each in piece.within]
    return "td" in tags and "div" in tags[tags.index("td") :]


def _answer(box: str, kind: Kind, thread: str) -> Answer:
    pieces = [piece for piece in pieces_of(box) if not piece.is_in("ul")]
    (at_ms, clock), when = _when(pieces)
    heading = words_of(piece for piece in pieces if piece.is_in(*_HEADING))
    rest = words_of(piece for piece in pieces if not piece.is_in(*_HEADING, *_DAY))
    url = next((each.href for piece in pieces for each in piece.within if each.href.startswith("http")), "")
    if not at_ms:
        return "no_date" if heading or rest else None
    if kind == "message":
        return Draft(kind, at_ms, clock, text=rest, author=heading, thread=thread) if rest else "attachment"
    if kind == "reaction":
        return Draft(kind, at_ms, clock, heading, url=url) if url or heading else "no_content"
    values = [value for value in _rows(pieces) if value != when]
    words = values[0] if values else "" if any(piece.is_in("td") for piece in pieces) else heading
    return Draft(kind, at_ms, clock, text=words) if words else "attachment"


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    kind = _kind(member)
    thread = member.name.rpartition("/")[0] or member.name
    with member.open() as stream:
        for box in boxes(stream, _BOX, lambda: tally.skip("item_too_large")):
            if kind is not None:
                yield from answered(_answer(box, kind, thread), tally)


def _claims(member: Member) -> bool:
    head = member.head
    marks = (b"_a6-", b"uiBoxWhite", b"._3-9")  # the styles alone may be longer than the head
    return _kind(member) is not None and b"<html" in head[:1_024].lower() and any(m in head for m in marks)


FORMATS: Final = (Format("meta_pages", frozenset({".html", ".htm"}), _claims, _reads),)
