"""Conversations with ChatGPT (`conversations.json`), and with Claude, whose export has the same name and another shape.

Rules: each message that has words is an item, in the order of its branch; `author` is the role, `thread` the
conversation; answers that were tried again are all read, since all were given; hidden system messages are skipped.

Does not: read pictures or files that were sent along.

Usage: `FORMATS` of the registry's `chatgpt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import Moment, moment
from extension_bridge.importers.formats import JSON_SUFFIXES, Answer, Format, answered, has_shape
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM, first_text, list_at, records_of, text_at

_ROLES: Final = frozenset({"user", "assistant", "human"})


def _chatgpt_words(content: Any) -> str:
    """Return what a message says: its parts, whichever way the version names them."""
    parts = [part if isinstance(part, str) else text_at(part, "text") for part in list_at(content, "parts")]
    return "\n\n".join(filter(None, parts)) or first_text(content, "text", "result", "content")


def _chatgpt_message(node: Any, title: str, thread: str, began: Moment) -> Answer:
    message = node.get("message") if isinstance(node, dict) else None
    if not isinstance(message, dict):
        return None  # the root of a conversation's tree is an empty node
    role = text_at(message, "author", "role") or text_at(message, "role")
    metadata = message.get("metadata")
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation") is True
    if role not in _ROLES or hidden:
        return "service_notice"
    words = _chatgpt_words(message.get("content"))
    if not words:
        return "attachment" if list_at(message, "content", "parts") else "no_content"
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
        return "no_content"
    own = moment(text_at(message, "created_at"))
    at = own if own[0] else began
    author = "user" if role == "human" else role
    return Draft(
        "message", at[0], at[1], title, words, author=author, thread=thread, mark=text_at(message, "uuid")
    )


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    with member.open() as stream:
        for _, conversation in records_of(stream, (ITEM,), lambda: tally.skip("item_too_large")):
            for answer in _messages(conversation):
                yield from answered(answer, tally)


def _claims(member: Member) -> bool:
    return has_shape(member, (((ITEM, "mapping"),), ((ITEM, "chat_messages"),)))


FORMATS: Final = (Format("conversations", JSON_SUFFIXES, _claims, _reads),)
