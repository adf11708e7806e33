"""The archive of X (Twitter) and Reddit's data request: posts, comments, messages, likes and votes.

Rules: what somebody else wrote and was passed on (a retweet) is a reaction, not a post; numbers of accounts and network
addresses in these exports are not read.

Does not: read advertising profiles, followers, or what was deleted.

Usage: `FORMATS_X` and `FORMATS_REDDIT` of the registry.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import moment
from extension_bridge.importers.formats import JSON_SUFFIXES, Answer, Format, answered, has_shape, json_format
from extension_bridge.importers.items import Draft, Kind, Tally
from extension_bridge.importers.json_records import ITEM, first_text, list_at, records_of, text_at
from extension_bridge.importers.tables import heading_of, rows_of


def _table(
    name: str, columns: tuple[str, ...], without: frozenset[str], draft: Callable[[dict[str, str]], Answer]
) -> Format:
    """Return the format of a table that has all of some columns and none of others."""
    needs = tuple(frozenset({column}) for column in columns)

    def reads(member: Member, tally: Tally) -> Iterator[Draft]:
        heading = heading_of(member, *needs)
        for row in rows_of(member, heading) if heading else ():
            yield from answered(draft(row), tally)

    def claims(member: Member) -> bool:
        heading = heading_of(member, *needs)
        return heading is not None and not without & {*heading.columns}

    return Format(name, frozenset({".csv"}), claims, reads)


# --- X ----------------------------------------------------------------------------------------------------------


def _tweet(_: str, record: Any) -> Answer:
    inner = record.get("tweet", record) if isinstance(record, dict) else None
    words = html.unescape(first_text(inner, "full_text", "text"))  # written for web pages: `&amp;`
    at_ms, clock = moment(text_at(inner, "created_at"))
    if not words:
        return "no_content"
    if not at_ms:
        return "no_date"
    kind: Kind = "reaction" if words.startswith("RT @") else "post"
    return Draft(kind, at_ms, clock, text=words, mark=first_text(inner, "id_str", "id"))


def _old_tweet(row: dict[str, str]) -> Answer:
    """A row of `tweets.csv`, until 2018."""
    return _tweet("", {"text": row["text"], "created_at": row["timestamp"], "id_str": row["tweet id"]})


def _note(_: str, record: Any) -> Answer:
    words = text_at(record, "noteTweet", "core", "text")
    at_ms, clock = moment(text_at(record, "noteTweet", "createdAt"))
    if not words:
        return "no_content"
    return Draft("post", at_ms, clock, text=words, mark=text_at(record, "noteTweet", "noteTweetId"))


def _like(_: str, record: Any) -> Answer:
    words, url = html.unescape(text_at(record, "like", "fullText")), text_at(record, "like", "expandedUrl")
    return Draft("reaction", text=words, url=url, mark=text_at(record, "like", "tweetId"))


def _direct(member: Member, tally: Tally) -> Iterator[Draft]:
    with member.open() as stream:
        for _, record in records_of(stream, (ITEM,), lambda: tally.skip("item_too_large")):
            thread = text_at(record, "dmConversation", "conversationId")
            for message in list_at(record, "dmConversation", "messages"):
                yield from answered(_direct_message(message, thread), tally)


def _direct_message(message: Any, thread: str) -> Answer:
    inner = message.get("messageCreate") if isinstance(message, dict) else None
    if not isinstance(inner, dict):
        return "service_notice"  # somebody joined, left or renamed the conversation
    words = text_at(inner, "text")
    at_ms, clock = moment(text_at(inner, "createdAt"))
    if not words:
        return "attachment" if list_at(inner, "mediaUrls") else "no_content"
    author = text_at(inner, "senderId")
    return Draft("message", at_ms, clock, text=words, author=author, thread=thread, mark=text_at(inner, "id"))


def _is_kept(member: Member) -> bool:
    return not PurePosixPath(member.name).name.startswith("deleted")


# Their headings come in a file of their own, with neither words nor pictures.
_IN_MESSAGE: Final = (ITEM, "dmConversation", "messages", ITEM, "messageCreate")
_TWEETS: Final = json_format(
    "x_posts",
    needs=(
        ((ITEM, "tweet", "full_text"),),
        ((ITEM, "full_text"), (ITEM, "created_at")),
        ((ITEM, "tweet", "created_at"), (ITEM, "tweet", "id_str")),
        ((ITEM, "text"), (ITEM, "created_at"), (ITEM, "id_str")),  # a month of the archive, until 2018
    ),
    place=(ITEM,),
    draft=_tweet,
)
FORMATS_X: Final = (
    Format(
        "x_posts", JSON_SUFFIXES, lambda member: _is_kept(member) and _TWEETS.claims(member), _TWEETS.reads
    ),
    json_format("x_notes", needs=(((ITEM, "noteTweet", "core"),),), place=(ITEM,), draft=_note),
    json_format("x_likes", needs=(((ITEM, "like", "tweetId"),),), place=(ITEM,), draft=_like),
    Format(
        "x_messages",
        JSON_SUFFIXES,
        lambda member: has_shape(member, (((*_IN_MESSAGE, "text"),), ((*_IN_MESSAGE, "mediaUrls"),))),
        _direct,
    ),
    _table("x_table", ("tweet id", "timestamp", "text"), frozenset(), _old_tweet),
)

# --- Reddit -----------------------------------------------------------------------------------------------------


def _post(row: dict[str, str]) -> Answer:
    at_ms, clock = moment(row["date"])
    body = row["body"] if row["body"] not in ("[deleted]", "[removed]") else ""
    if not (row.get("title") or body):
        return "deleted" if row["body"] else "no_content"
    if not at_ms:
        return "no_date"
    title = row.get("title") or f"r/{row['subreddit']}"
    link = row.get("url", "")
    url = link if link.startswith("http") else row.get("permalink", "")
    return Draft("post", at_ms, clock, title, body, url, mark=row["id"])


def _message(row: dict[str, str]) -> Answer:
    words = row.get("body") or row.get("message", "")
    at_ms, clock = moment(row.get("date") or row.get("created at", ""))
    if not words:
        return "no_content"
    author = row.get("from") or row.get("username", "")
    thread = row.get("thread id") or row.get("channel url") or row.get("permalink", "")
    mark = row.get("id") or row.get("message id", "")
    return Draft(
        "message", at_ms, clock, row.get("subject", ""), words, author=author, thread=thread, mark=mark
    )


def _vote(row: dict[str, str]) -> Answer:
    if row.get("direction") == "none":
        return "no_content"
    return Draft("reaction", title=row.get("direction", "saved"), url=row["permalink"], mark=row["id"])


def _listed_post(_: str, record: Any) -> Answer:
    at_ms, clock = moment(first_text(record, "timestamp", "date", "created_utc", "created"))
    title, body = text_at(record, "title"), first_text(record, "body", "selftext", "text")
    if not (title or body):
        return "no_content"
    return Draft("post", at_ms, clock, title, body, mark=first_text(record, "id", "name"))


_VOTES: Final = _table("reddit_votes", ("id", "permalink"), frozenset({"date", "body", "url"}), _vote)
FORMATS_REDDIT: Final = (
    _table("reddit_posts", ("id", "date", "subreddit", "body"), frozenset(), _post),
    _table("reddit_messages", ("id", "date", "from", "to", "body"), frozenset({"subreddit"}), _message),
    _table("reddit_chat", ("message id", "created at", "username", "message"), frozenset(), _message),
    Format(
        "reddit_votes",
        _VOTES.suffixes,
        lambda member: not PurePosixPath(member.name).name.startswith("hidden") and _VOTES.claims(member),
        _VOTES.reads,
    ),
    json_format(
        "reddit_list",
        needs=(
            (("posts", ITEM, "subreddit"), ("posts", ITEM, "title")),
            (("comments", ITEM, "subreddit"), ("comments", ITEM, "body")),
        ),
        place=(ITEM, ITEM),
        draft=_listed_post,
    ),
)
