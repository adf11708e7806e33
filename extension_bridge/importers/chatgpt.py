"""Conversations with assistants: ChatGPT's and Claude's `conversations.json`, and Grok's in the archive of X.

Rules: each message that has words is an item, in the order of its branch; `author` is the role, `thread` the
conversation; answers that were tried again are all read, since all were given; what nobody said to anybody is counted:
hidden messages, calls of tools and what they gave back, a model's thoughts, what is kept about the person.

Does not: read pictures or files that were sent along.

Usage: `FORMATS` of the registry's `chatgpt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import Moment, moment
from extension_bridge.importers.formats import (
    JSON_SUFFIXES,
    Answer,
    Format,
    answered,
    has_shape,
    json_format,
)
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM, Place, first_text, list_at, records_of, text_at

_ROLES: Final = frozenset({"user", "assistant", "human"})
_NOT_SAID: Final = frozenset(
    {"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"}
)
# Where an answer cites a source: signs of private use around a name of the interface's own, or brackets.
_CITATION: Final = re.compile("\ue200[^\ue201]{0,2000}\ue201|【\\d+[:†][^】\\n]{0,200}】")
# Many conversations, many in an object, one alone.
_PLACES: Final[tuple[Place, ...]] = ((ITEM,), ("conversations", ITEM), ())


def _chatgpt_words(content: Any) -> str:
    """Return what a message says: its parts, whichever way the version names them."""
    parts = [part if isinstance(part, str) else text_at(part, "text") for part in list_at(content, "parts")]
    return "\n\n".join(filter(None, parts)) or first_text(content, "text", "result", "content")


def _is_said(message: dict[str, Any], role: str) -> bool:
    """Say whether a message is one side's words to the other."""
    metadata = message.get("metadata")
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation") is True
    to_a_tool = text_at(message, "recipient") not in ("", "all")
    kind = text_at(message, "content", "content_type")
    return role in _ROLES and not hidden and not to_a_tool and kind not in _NOT_SAID


def _chatgpt_message(node: Any, title: str, thread: str, began: Moment) -> Answer:
    message = node.get("message") if isinstance(node, dict) else None
    if not isinstance(message, dict):
        return None  # the root of a conversation's tree is an empty node
    role = text_at(message, "author", "role") or text_at(message, "role")
    if not _is_said(message, role):
        return "service_notice"
    words = _CITATION.sub("", _chatgpt_words(message.get("content")))
    if not words:
        sent_along = [*list_at(message, "content", "parts"), *list_at(message, "metadata", "attachments")]
        return "attachment" if any(isinstance(each, dict) for each in sent_along) else "no_content"
    own = moment(message.get("create_time"))
    at = own if own[0] else began
    mark = text_at(message, "id") or text_at(node, "id")
    return Draft("message", at[0], at[1], title, words, author=role, thread=thread, mark=mark)


def _messages(conversation: Any) -> Iterator[Answer]:
    if not isinstance(conversation, dict):
        yield "malformed"
        return
    title = first_text(conversation, "title", "name")
    began = moment(conversation.get("create_time") or conversation.get("created_at"))
    thread = first_text(conversation, "conversation_id", "id", "uuid") or f"{title} {began[0]}"
    mapping = conversation.get("mapping")
    if isinstance(mapping, dict):
        for node in mapping.values():
            yield _chatgpt_message(node, title, thread, began)
    for message in list_at(conversation, "chat_messages"):
        yield _claude_message(message, title, thread, began)


def _claude_message(message: Any, title: str, thread: str, began: Moment) -> Answer:
    role = text_at(message, "sender")
    if role not in _ROLES:
        return "malformed"
    parts = [text_at(part, "text") for part in list_at(message, "content")]
    words = "\n\n".join(filter(None, parts)) or text_at(message, "text")
    if not words:
        sent_along = list_at(message, "attachments") or list_at(message, "files")
        return "attachment" if sent_along else "no_content"
    own = moment(text_at(message, "created_at"))
    at = own if own[0] else began
    author = "user" if role == "human" else role
    return Draft(
        "message", at[0], at[1], title, words, author=author, thread=thread, mark=text_at(message, "uuid")
    )


def _place_of(member: Member) -> Place | None:
    """Return where a file's conversations are, None when it has none."""
    forms = ("mapping", "chat_messages")
    found = (place for place in _PLACES if has_shape(member, tuple(((*place, form),) for form in forms)))
    return next(found, None)


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    place = _place_of(member)
    if place is None:
        return
    with member.open() as stream:
        for _, conversation in records_of(stream, place, lambda: tally.skip("item_too_large")):
            for answer in _messages(conversation):
                yield from answered(answer, tally)


def _grok_message(_: str, record: Any) -> Answer:
    inner = record.get("grokChatItem") if isinstance(record, dict) else None
    words = text_at(inner, "message")
    if not words:
        return "attachment" if list_at(inner, "attachments") else "no_content"
    at_ms, clock = moment(text_at(inner, "createdAt"))
    role = "user" if text_at(inner, "sender", "originalName") == "USER" else "assistant"
    return Draft("message", at_ms, clock, text=words, author=role, thread=text_at(inner, "chatId"))


FORMATS: Final = (
    Format("conversations", JSON_SUFFIXES, lambda member: _place_of(member) is not None, _reads),
    json_format("grok", needs=(((ITEM, "grokChatItem", "sender"),),), place=(ITEM,), draft=_grok_message),
)
