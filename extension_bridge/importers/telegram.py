"""Telegram's export as JSON: one chat, or the whole account (`result.json`).

Rules: the words of a message are joined from its pieces; the chat's name stands before its messages.

Does not: read contacts, sessions or media.

Usage: `FORMATS` of the registry's `telegram`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import moment
from extension_bridge.importers.formats import JSON_SUFFIXES, Answer, Format, answered, has_shape
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM, Place, records_at, text_at

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
    author = text_at(record, "from") or text_at(record, "from_id")
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


FORMATS: Final = (Format("telegram", JSON_SUFFIXES, _claims, _reads),)
