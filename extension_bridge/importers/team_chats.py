"""Discord and Slack: Discord's own package, the channels that a known program saves, and the export of a workspace.

Rules: Discord's package holds nothing but the person's own messages and does not name them, so their author is `me`;
Slack's marks for people, channels and links become what a reader sees; times are in UTC.

Does not: read members, servers, files, or what a bot wrote.

Usage: `FORMATS_DISCORD` and `FORMATS_SLACK` of the registry.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import Moment, from_epoch, moment
from extension_bridge.importers.formats import JSON_SUFFIXES, Answer, Format, answered, has_shape
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM, Place, first_text, list_at, records_at, text_at
from extension_bridge.importers.tables import heading_of, rows_of

OWN: Final = "me"  # who wrote what is in Discord's package


def _folder(member: Member) -> str:
    return PurePosixPath(member.name).parent.name or PurePosixPath(member.name).stem


# --- Discord ----------------------------------------------------------------------------------------------------

_COLUMNS: Final = tuple(frozenset({name}) for name in ("id", "timestamp", "contents", "attachments"))
_SAID: Final = frozenset({"Default", "Reply"})
_CHANNEL: Final = ("channel", "name")
_MESSAGES: Final = ("messages", ITEM)


def _in_utc(written: str) -> Moment:
    at_ms, clock = moment(written)
    return at_ms, ("utc" if clock == "local" else clock)  # Discord writes UTC and did not always say so


def _own(row: dict[str, str], thread: str) -> Answer:
    at_ms, clock = _in_utc(row["timestamp"])
    if not row["contents"].strip():
        return "attachment" if row["attachments"] else "no_content"
    if not at_ms:
        return "no_date"
    return Draft("message", at_ms, clock, text=row["contents"], author=OWN, thread=thread, mark=row["id"])


def _package_table(member: Member, tally: Tally) -> Iterator[Draft]:
    heading = heading_of(member, *_COLUMNS)
    for row in rows_of(member, heading) if heading else ():
        yield from answered(_own(row, _folder(member)), tally)


def _package_list(member: Member, tally: Tally) -> Iterator[Draft]:
    names = ("ID", "Timestamp", "Contents", "Attachments")
    with member.open() as stream:
        for _, _, record in records_at(stream, ((ITEM,),), lambda: tally.skip("item_too_large")):
            row = {name.lower(): text_at(record, name) for name in names}
            yield from answered(_own(row, _folder(member)), tally)


def _saved(record: Any, channel: str) -> Answer:
    if text_at(record, "type") not in _SAID:
        return "service_notice"
    words = text_at(record, "content")
    if not words:
        return "attachment" if list_at(record, "attachments") or list_at(record, "stickers") else "no_content"
    at_ms, clock = _in_utc(text_at(record, "timestamp"))
    if not at_ms:
        return "no_date"
    author = text_at(record, "author", "nickname") or text_at(record, "author", "name")
    mark = text_at(record, "id")
    return Draft("message", at_ms, clock, text=words, author=author, thread=channel, mark=mark)


def _saved_channel(member: Member, tally: Tally) -> Iterator[Draft]:
    channel, places = "", (_CHANNEL, _MESSAGES)
    with member.open() as stream:
        for place, _, record in records_at(stream, places, lambda: tally.skip("item_too_large")):
            if place == _CHANNEL:
                channel = record if isinstance(record, str) else ""
            else:
                yield from answered(_saved(record, channel), tally)


_PACKAGED: Final[tuple[Place, ...]] = ((ITEM, "ID"), (ITEM, "Timestamp"), (ITEM, "Contents"))
_SAVED: Final[tuple[Place, ...]] = (_CHANNEL, (*_MESSAGES, "author", "name"), (*_MESSAGES, "content"))
FORMATS_DISCORD: Final = (
    Format(
        "discord_table",
        frozenset({".csv"}),
        lambda member: heading_of(member, *_COLUMNS) is not None,
        _package_table,
    ),
    Format("discord_list", JSON_SUFFIXES, lambda member: has_shape(member, (_PACKAGED,)), _package_list),
    Format("discord_channel", JSON_SUFFIXES, lambda member: has_shape(member, (_SAVED,)), _saved_channel),
)

# --- Slack ------------------------------------------------------------------------------------------------------

_SAID_IN_SLACK: Final = frozenset({"", "thread_broadcast", "me_message", "file_share", "reply_broadcast"})
_MARK: Final = re.compile(r"<([@#!]?)([^<>|]{1,2000})(?:\|([^<>]{0,2000}))?>")


def _as_seen(text: str) -> str:
    def shown(found: re.Match[str]) -> str:
        sign, what, label = found.groups()
        what = what.removeprefix("subteam^")
        return f"{'@' if sign == '!' else sign}{(label or what).removeprefix('@')}"

    return html.unescape(_MARK.sub(shown, text))


def _posted(record: Any, channel: str) -> Answer:
    if text_at(record, "subtype") not in _SAID_IN_SLACK or text_at(record, "bot_id"):
        return "service_notice"
    words = _as_seen(text_at(record, "text"))
    if not words:
        return "attachment" if list_at(record, "files") else "no_content"
    at_ms, clock = from_epoch(text_at(record, "ts"))
    if not at_ms:
        return "no_date"
    author = first_text(record.get("user_profile"), "real_name", "display_name", "name")
    mark = text_at(record, "ts")
    author = author or text_at(record, "user")
    return Draft("message", at_ms, clock, text=words, author=author, thread=channel, mark=mark)


def _day(member: Member, tally: Tally) -> Iterator[Draft]:
    with member.open() as stream:
        for _, _, record in records_at(stream, ((ITEM,),), lambda: tally.skip("item_too_large")):
            yield from answered(_posted(record, _folder(member)), tally)


_DAY: Final[tuple[Place, ...]] = ((ITEM, "ts"), (ITEM, "type"), (ITEM, "text"))
FORMATS_SLACK: Final = (Format("slack_day", JSON_SUFFIXES, lambda member: has_shape(member, (_DAY,)), _day),)
