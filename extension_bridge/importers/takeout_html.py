"""Google Takeout as HTML: the cells of My Activity and of YouTube's history, read one by one.

Rules: the page is cut at the cells' beginnings as it streams, so its size does not matter; of a cell, the line that is
a date says when, the first line what was done, the lines between more about it, in whatever language.

Does not: read pictures, or the list of places ("Locations").

Usage: `FORMATS` of the registry's `google_takeout`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import UNKNOWN, Moment
from extension_bridge.importers.formats import Answer, Format, answered
from extension_bridge.importers.html_boxes import boxes
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.takeout_json import activity_draft
from extension_bridge.importers.wall_times import wall_moment

_CELL: Final = b'<div class="outer-cell'
_DATE_CHARS_MAX: Final = 80


@dataclass
class _Line:
    """A line of a cell: its text and the first address in it."""

    text: str = ""
    url: str = ""


@dataclass
class _Part:
    """One of a cell's boxes: its class and its lines."""

    name: str
    lines: list[_Line] = field(default_factory=lambda: [_Line()])


class _Cell(HTMLParser):
    """Collects the boxes of one cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[_Part] = [_Part("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "div":
            self.parts.append(_Part(given.get("class") or ""))
        elif tag == "br":
            self.parts[-1].lines.append(_Line())
        elif tag == "a" and not self.parts[-1].lines[-1].url:
            self.parts[-1].lines[-1].url = given.get("href") or ""

    def handle_data(self, data: str) -> None:
        self.parts[-1].lines[-1].text += data


def _answer(cell: str) -> Answer:
    parser = _Cell()
    parser.feed(cell)
    parser.close()
    body = next((part for part in parser.parts if "body-1" in part.name), None)
    if body is None:
        return "malformed"
    header = next((part for part in parser.parts if "header-cell" in part.name), _Part(""))
    lines = [_Line(" ".join(line.text.split()), line.url) for line in body.lines if line.text.strip()]
    when, at = _dated(lines)
    if when is None:
        return "no_date" if lines else "no_content"
    lines = lines[:when]
    title, url = (lines[0].text, lines[0].url) if lines else ("", "")
    product = " ".join("".join(line.text for line in header.lines).split())
    return activity_draft(title, url, at, [line.text for line in lines[1:]], product)


def _dated(lines: list[_Line]) -> tuple[int | None, Moment]:
    """Return which line says when, the last one that does, and what it says."""
    for i in range(len(lines) - 1, -1, -1):
        at = wall_moment(lines[i].text) if len(lines[i].text) <= _DATE_CHARS_MAX else UNKNOWN
        if at[0] and not lines[i].url:
            return i, at
    return None, UNKNOWN


def _claims(member: Member) -> bool:
    head = member.head
    return b"<html" in head[:1_024].lower() and (
        _CELL in head
        or (b"mdl-" in head and b"<style" in head)  # the styles alone may be longer than the head
    )


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    with member.open() as stream:
        for cell in boxes(stream, re.compile(_CELL), lambda: tally.skip("item_too_large")):
            yield from answered(_answer(cell), tally)


FORMATS: Final = (Format("takeout_html", frozenset({".html", ".htm"}), _claims, _reads),)
