"""Telegram's export: one chat or the whole account as JSON (`result.json`), or a chat as pages (`messages.html`).

Rules: the words of a message are joined from its pieces; the chat's name stands before its messages; in a page, who
wrote several in a row is named once; words that were passed on have the author that they are passed on from.

Does not: read contacts, sessions or media.

Usage: `FORMATS` of the registry's `telegram`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import UNKNOWN, moment
from extension_bridge.importers.formats import (
    JSON_SUFFIXES,
    Answer,
    Format,
    answered,
    has_shape,
    text_of_head,
)
from extension_bridge.importers.html_boxes import Piece, boxes, pieces_of, words_of
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM, Place, first_text, records_at, text_at
from extension_bridge.importers.wall_times import wall_moment

_CHATS: Final[tuple[Place, ...]] = ((), ("chats", "list", ITEM), ("left_chats", "list", ITEM))
_NAMES: Final = tuple((*place, "name") for place in _CHATS)
_MESSAGES: Final = tuple((*place, "messages", ITEM) for place in _CHATS)


def _words(text: Any) -> str:
    """Return a message's words: a text, or pieces of which some are links or bold."""
    if isinstance(text, str):
        return text
    joined = ""
    for piece in text if isinstance(text, list) else ():
        more = piece if isinstance(piece, str) else text_at(piece, "text")
        runs_into = joined[-1:].isalnum() or joined.endswith((":", ",", ";"))
        joined += f" {more}" if more[:1].isalnum() and runs_into else more
    return joined


def _message(record: Any, chat: str) -> Answer:
    if not isinstance(record, dict):
        return "malformed"
    if text_at(record, "type") not in ("message", ""):
        return "service_notice"
    words = _words(record.get("text"))
    if not words:
        media = (
            "photo",
            "file",
            "media_type",
            "sticker_emoji",
            "location_information",
            "poll",
            "contact_information",
        )
        return "attachment" if any(name in record for name in media) else "no_content"
    at_ms, clock = moment(record.get("date_unixtime"))
    if not at_ms:
        at_ms, clock = moment(record.get("date"))
    author = first_text(record, "forwarded_from", "from", "from_id")  # who passes words on did not write them
    mark = text_at(record, "id")
    return (
        Draft("message", at_ms, clock, text=words, author=author, thread=chat, mark=mark)
        if at_ms
        else "no_date"
    )


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    chat = ""
    with member.open() as stream:
        places = (*_NAMES, *_MESSAGES)
        for place, _, record in records_at(stream, places, lambda: tally.skip("item_too_large")):
            if place in _NAMES:
                chat = record if isinstance(record, str) else ""
            else:
                yield from answered(_message(record, chat), tally)


def _claims(member: Member) -> bool:
    return has_shape(
        member,
        tuple(
            ((*place, written), (*place, sender))
            for place in _MESSAGES
            for written in ("date_unixtime", "date")
            for sender in ("from", "actor")
        ),
    )


# --- the same as pages ------------------------------------------------------------------------------------------

_BOX: Final = re.compile(rb'<div class="message ')
_CHAT: Final = re.compile(r'<div class="text bold">\s*([^<]{1,300}?)\s*</div>')


def _boxed(pieces: list[Piece], author: str, chat: str) -> Answer:
    if pieces and pieces[-1].is_in("service"):
        return "service_notice"
    words = words_of(piece for piece in pieces if piece.is_in("text"))
    titles = (each.title for piece in pieces for each in piece.within if "date" in each.classes)
    at_ms, clock = next((at for at in map(wall_moment, titles) if at[0]), UNKNOWN)
    if not words:
        return "attachment"
    return Draft("message", at_ms, clock, text=words, author=author, thread=chat) if at_ms else "no_date"


def _reads_pages(member: Member, tally: Tally) -> Iterator[Draft]:
    named = _CHAT.search(text_of_head(member))
    chat, author = html.unescape(named[1]) if named else "", ""
    with member.open() as stream:
        for box in boxes(stream, _BOX, lambda: tally.skip("item_too_large")):
            pieces = [each for each in pieces_of(box) if not each.is_in("forwarded")]
            author = words_of(each for each in pieces if each.is_in("from_name")) or author
            yield from answered(_boxed(pieces, author, chat), tally)


def _claims_pages(member: Member) -> bool:
    return _BOX.search(member.head) is not None and b'class="page_' in member.head


FORMATS: Final = (
    Format("telegram", JSON_SUFFIXES, _claims, _reads),
    Format("telegram_pages", frozenset({".html", ".htm"}), _claims_pages, _reads_pages),
)
