"""Instagram and Facebook as JSON: messages, posts, comments, likes, saved things and searches.

Rules: their texts are written as if each byte of UTF-8 were a letter, which is undone; an entry's fields have names in
the person's language, so it is their form that counts.

Does not: read contacts, followers, advertising interests or places.

Usage: `FORMATS` of the registry's `instagram`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import UNKNOWN, Moment, from_epoch
from extension_bridge.importers.formats import (
    JSON_SUFFIXES,
    Answer,
    Format,
    answered,
    has_shape,
    json_format,
    json_records_reader,
)
from extension_bridge.importers.items import Draft, Kind, Tally
from extension_bridge.importers.json_records import ITEM, list_at, records_at, text_at

_LIKED: Final = re.compile(r"liked_(?:posts|comments)|story_likes|saved_posts")
_MESSAGES: Final = ("messages", ITEM)
_LISTS: Final[dict[str, Kind]] = {
    "likes_media_likes": "reaction",
    "likes_comment_likes": "reaction",
    "story_activities_story_likes": "reaction",
    "saved_saved_media": "reaction",
    "comments_media_comments": "post",
    "comments_reels_comments": "post",
    "comments_story_comments": "post",
    "searches_user": "search",
    "searches_keyword": "search",
    "searches_hashtag": "search",
    "impressions_history_videos_watched": "watch",
    "impressions_history_posts_seen": "activity",
}
# Reels, stories and what was archived, and Threads.
_POSTED: Final = (
    *("ig_reels_media", "ig_stories", "ig_archived_post_media", "ig_igtv_media"),
    "text_post_app_text_posts",
)


def right_letters(text: str) -> str:
    """Return a text whose UTF-8 bytes were written as letters, as it was meant; any other text as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _message(record: Any, thread: str) -> Answer:
    if not isinstance(record, dict):
        return "malformed"
    if record.get("is_unsent") is True:
        return "deleted"
    words = right_letters(text_at(record, "content"))
    at_ms, clock = from_epoch(record.get("timestamp_ms"))
    if not words:
        shared = right_letters(text_at(record, "share", "share_text"))
        if not shared and not text_at(record, "share", "link"):
            return "attachment"
        words = shared
    if not at_ms:
        return "no_date"
    author = right_letters(text_at(record, "sender_name"))
    return Draft(
        "message",
        at_ms,
        clock,
        text=words,
        url=text_at(record, "share", "link"),
        author=author,
        thread=thread,
    )


def _messages(member: Member, tally: Tally) -> Iterator[Draft]:
    thread = member.name.rpartition("/")[0] or member.name
    with member.open() as stream:
        for _, _, record in records_at(stream, (_MESSAGES,), lambda: tally.skip("item_too_large")):
            yield from answered(_message(record, thread), tally)


def _fields(record: Any) -> tuple[list[str], str, Moment]:
    """Return the words, the address and the moment in an entry's `string_list_data` or `string_map_data`."""
    entries = list_at(record, "string_list_data")
    named = record.get("string_map_data") if isinstance(record, dict) else None
    entries = [*entries, *(named.values() if isinstance(named, dict) else ())]
    words = [right_letters(text_at(each, "value")) for each in entries]
    url = next(filter(None, (text_at(each, "href") for each in entries)), "")
    times = (from_epoch(each.get("timestamp")) for each in entries if isinstance(each, dict))
    return [word for word in words if word], url, next((at for at in times if at[0]), UNKNOWN)


def _listed(kind: Kind) -> Callable[[str, Any], Answer]:
    def draft(_: str, record: Any) -> Answer:
        words, url, at = _fields(record)
        title = right_letters(text_at(record, "title"))
        if not (words or url or title):
            return "no_content"
        return Draft(kind, at[0], at[1], title, "\n".join(words[:1] if kind == "post" else words), url)

    return draft


def _posted(_: str, record: Any) -> Answer:
    """A post: its words stand with it, or with its first picture when there is only one."""
    media = list_at(record, "media")
    data = [text_at(each, "post") for each in list_at(record, "data")]
    words = right_letters(
        next(filter(None, data), "")
        or text_at(record, "title")
        or "".join(text_at(m, "title") for m in media[:1])
    )
    times = [text_at(each, "creation_timestamp") for each in (record, *media)]
    at_ms, clock = from_epoch(text_at(record, "timestamp") or next(filter(None, times), ""))
    if not words:
        return "attachment" if media or list_at(record, "attachments") else "no_content"
    return Draft("post", at_ms, clock, text=words)


def _liked(_: str, record: Any) -> Answer:
    """An entry of the newest lists: values with what they are called in the person's language."""
    values = list_at(record, "label_values")
    url = next((text_at(each, "href") for each in values if text_at(each, "href")), "")
    at_ms, clock = from_epoch(text_at(record, "timestamp"))
    return Draft("reaction", at_ms, clock, url=url) if url else "no_content"


def _is_liked(member: Member) -> bool:
    """Many lists have this form, of places and groups too: only its name says what it holds, in English everywhere."""
    name = PurePosixPath(member.name).stem
    return bool(_LIKED.fullmatch(name)) and has_shape(
        member, (((ITEM, "label_values"), (ITEM, "timestamp")),)
    )


def _commented(_: str, record: Any) -> Answer:
    data = list_at(record, "data")
    words = right_letters(next((text_at(each, "comment", "comment") for each in data), ""))
    at_ms, clock = from_epoch(text_at(record, "timestamp"))
    return Draft("post", at_ms, clock, text=words) if words else "attachment"


def _sought(_: str, record: Any) -> Answer:
    words = right_letters(next((text_at(each, "text") for each in list_at(record, "data")), ""))
    at_ms, clock = from_epoch(text_at(record, "timestamp"))
    return Draft("search", at_ms, clock, text=words) if words else "no_content"


def _encrypted(member: Member, tally: Tally) -> Iterator[Draft]:
    """Chats that Messenger kept encrypted: fields with names of their own, texts with the right letters."""
    thread = PurePosixPath(member.name).stem
    with member.open() as stream:
        for _, _, record in records_at(stream, (_MESSAGES,), lambda: tally.skip("item_too_large")):
            yield from answered(_encrypted_message(record, thread), tally)


def _encrypted_message(record: Any, thread: str) -> Answer:
    if not isinstance(record, dict):
        return "malformed"
    if record.get("isUnsent") is True:
        return "deleted"
    words, author = text_at(record, "text"), text_at(record, "senderName")
    if not words:
        return "attachment" if list_at(record, "media") else "no_content"
    at_ms, clock = from_epoch(record.get("timestamp"))
    return Draft("message", at_ms, clock, text=words, author=author, thread=thread) if at_ms else "no_date"


def _is_chat(member: Member) -> bool:
    return has_shape(member, (((*_MESSAGES, "sender_name"), (*_MESSAGES, "timestamp_ms")),))


FORMATS: Final = (
    Format("meta_messages", JSON_SUFFIXES, _is_chat, _messages),
    Format(
        "meta_encrypted",
        JSON_SUFFIXES,
        lambda member: has_shape(member, (((*_MESSAGES, "senderName"), (*_MESSAGES, "timestamp")),)),
        _encrypted,
    ),
    Format("meta_liked", JSON_SUFFIXES, _is_liked, json_records_reader((ITEM,), _liked)),
    *(
        json_format(
            f"meta_{name}",
            needs=(((name, ITEM, "data", ITEM, "comment", "comment"),),),
            place=(name, ITEM),
            draft=_commented,
        )
        for name in ("comments_v2", "comments")
    ),
    *(
        json_format(
            f"meta_{name}", needs=(((name, ITEM, "data", ITEM, "text"),),), place=(name, ITEM), draft=_sought
        )
        for name in ("searches_v2", "searches")
    ),
    *(
        json_format(f"meta_{name}", needs=(((name, ITEM),),), place=(name, ITEM), draft=_listed(kind))
        for name, kind in _LISTS.items()
    ),
    json_format(
        "meta_comments",
        needs=(
            ((ITEM, "string_map_data", "Comment"),),
            ((ITEM, "media_list_data"), (ITEM, "string_map_data", ITEM, "value")),
        ),
        place=(ITEM,),
        draft=_listed("post"),
    ),
    *(
        json_format(f"meta_{name}", needs=(((name, ITEM),),), place=(name, ITEM), draft=_posted)
        for name in _POSTED
    ),
    json_format(
        "meta_posts",
        needs=(
            ((ITEM, "media"), (ITEM, "media", ITEM, "creation_timestamp")),
            ((ITEM, "data", ITEM, "post"), (ITEM, "timestamp")),
        ),
        place=(ITEM,),
        draft=_posted,
    ),
)
