"""Google Takeout as JSON: My Activity, YouTube watches and searches, Chrome's history, and older forms of them; and
YouTube's comments as a table.

Rules: what somebody did is told by the address of the entry first, because the titles are translated; an address that
only leads through Google is replaced by the one it leads to.

Does not: read where somebody was (`Location History`), mail, or files.

Usage: `FORMATS` of the registry's `google_takeout`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import from_epoch, from_webkit, moment
from extension_bridge.importers.formats import Answer, Format, answered, json_format
from extension_bridge.importers.items import Draft, Kind, Tally
from extension_bridge.importers.json_records import ITEM, first_text, list_at, text_at
from extension_bridge.importers.tables import heading_of, rows_of

_WATCH_HOSTS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("youtube.com", "m.youtube.com", "youtu.be"), "watch"),
    "music.youtube.com": "listen",
}
_DID: Final[dict[str, Kind]] = {
    "searched for": "search",
    "watched": "watch",
    "visited": "visit",
    "listened to": "listen",
    "liked": "reaction",
    "disliked": "reaction",
    "saved": "reaction",
    "commented": "post",
}


def web_address(url: str) -> tuple[str, str]:
    """Return (scheme, host without `www.`) of an address, empty ones when it is none."""
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return "", ""


def query_of(url: str) -> dict[str, str]:
    """Return the first value of each field in an address' query."""
    try:
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query, max_num_fields=200).items()}
    except ValueError:
        return {}


def straight(url: str) -> str:
    """Return where an address of Google's that only leads on leads to, or the address itself."""
    _, host = web_address(url)
    if host.startswith("google.") and urlsplit(url).path == "/url":
        fields = query_of(url)
        target = fields.get("q") or fields.get("url") or ""
        return target if web_address(target)[0] in ("http", "https") else url
    return url


def kind_and_words(title: str, url: str) -> tuple[Kind, str]:
    """Return what somebody did, by address and title, and the words they looked for, if that is what they did."""
    _, host = web_address(url)
    path = urlsplit(url).path if host else ""
    fields = query_of(url)
    if host in _WATCH_HOSTS and (path == "/watch" or host == "youtu.be" or path.startswith("/shorts/")):
        return _WATCH_HOSTS[host], ""
    words = fields.get("q") or fields.get("search_query") or fields.get("query") or ""
    if words and path.rstrip("/").rpartition("/")[2] in ("search", "results", "imghp", "webhp"):
        return "search", words
    if straight(url) != url:
        return "visit", ""  # a result that was followed, whatever language says so
    lowered = title.lower()
    for beginning, kind in _DID.items():
        if lowered.startswith(beginning):
            rest = title[len(beginning) :].strip().strip('"')
            return kind, rest if kind == "search" else ""
    return "activity", ""


def activity_draft(title: str, url: str, at: tuple[int, Any], details: list[str], product: str) -> Answer:
    """Return the draft of one entry of My Activity, from whichever form it came."""
    target = straight(url)
    kind, words = kind_and_words(title, url)
    if kind == "activity" and product == "Chrome" and web_address(target)[0] in ("http", "https"):
        kind = "visit"
    if not title and not target:
        return "no_content"
    if not at[0]:
        return "no_date"
    text = words or "\n".join(dict.fromkeys(filter(None, details)))
    return Draft(kind, at[0], at[1], title, text, target, mark=product)


def _activity(_: str, record: Any) -> Answer:
    if not isinstance(record, dict):
        return "malformed"
    details = [text_at(each, "name") for each in list_at(record, "subtitles")]
    details.append(text_at(record, "description"))
    product = text_at(record, "header") or next(
        (each for each in list_at(record, "products") if isinstance(each, str)), ""
    )
    return activity_draft(
        text_at(record, "title"),
        text_at(record, "titleUrl"),
        moment(text_at(record, "time")),
        details,
        product,
    )


def chrome_visit(_: str, record: Any) -> Answer:
    """Return the draft of one visit as Chrome's export writes it, and Safari's, in microseconds."""
    url = text_at(record, "url")
    if not url:
        return "malformed"
    if web_address(url)[0] not in ("http", "https"):
        return "local_page"
    micros = record.get("time_usec") if isinstance(record, dict) else None
    at_ms, clock = from_webkit(micros) if isinstance(micros, int) else moment(micros)
    if not at_ms:
        return "no_date"
    return Draft("visit", at_ms, clock, text_at(record, "title"), url=url, mark=text_at(record, "time_usec"))


def _comment(member: Member, tally: Tally) -> Iterator[Draft]:
    heading = heading_of(member, *_COMMENT)
    for row in rows_of(member, heading) if heading else ():
        at_ms, clock = moment(row["comment create timestamp"])
        mark = row["comment id"]
        words = _spoken(row["comment text"])
        answer = Draft("post", at_ms, clock, text=words, mark=mark) if words else "no_content"
        yield from answered(answer, tally)


def _spoken(cell: str) -> str:
    """Return the words of a comment, which lately come as pieces of JSON with commas between them."""
    try:
        pieces = msgspec.json.decode(f"[{cell}]") if cell.startswith("{") else [cell]
    except (msgspec.DecodeError, RecursionError):
        pieces = [cell]
    return "".join(piece if isinstance(piece, str) else text_at(piece, "text") for piece in pieces)


def _old_search(_: str, record: Any) -> Answer:
    """`Searches/*.json`, until 2016."""
    words = text_at(record, "query", "query_text")
    ids = list_at(record, "query", "id")
    at_ms, clock = from_epoch(text_at(ids[0], "timestamp_usec")) if ids else (0, "none")
    if not words:
        return "no_content"
    return Draft("search", at_ms, clock, text=words) if at_ms else "no_date"


def _old_watch(_: str, record: Any) -> Answer:
    """`watch-history.json` as a playlist, until 2017: a snippet with the video's name and number."""
    video = text_at(record, "contentDetails", "videoId") or text_at(
        record, "snippet", "resourceId", "videoId"
    )
    title = text_at(record, "snippet", "title")
    at_ms, clock = moment(text_at(record, "snippet", "publishedAt"))
    if not (title or video):
        return "no_content"
    url = f"https://www.youtube.com/watch?v={video}" if video else ""
    channel = first_text(record.get("snippet"), "channelTitle") if isinstance(record, dict) else ""
    return Draft("watch", at_ms, clock, title, channel, url) if at_ms else "no_date"


_COMMENT: Final = tuple(
    frozenset({name}) for name in ("comment id", "comment create timestamp", "comment text")
)
FORMATS: Final = (
    Format(
        "takeout_comments",
        frozenset({".csv"}),
        lambda member: heading_of(member, *_COMMENT) is not None,
        _comment,
    ),
    json_format(
        "takeout_activity",
        needs=(
            ((ITEM, "header"), (ITEM, "title"), (ITEM, "time")),
            ((ITEM, "products"), (ITEM, "title"), (ITEM, "time")),
            ((ITEM, "titleUrl"), (ITEM, "time")),
        ),
        place=(ITEM,),
        draft=_activity,
    ),
    json_format(
        "takeout_chrome",
        needs=(
            (("Browser History", ITEM),),
            (("Typed Url", ITEM), ("Session", ITEM)),  # the visits may stand behind much else
        ),
        place=("Browser History", ITEM),
        draft=chrome_visit,
    ),
    json_format(
        "takeout_searches",
        needs=((("event", ITEM, "query", "query_text"),),),
        place=("event", ITEM),
        draft=_old_search,
    ),
    json_format(
        "takeout_playlist",
        needs=(
            ((ITEM, "snippet", "title"), (ITEM, "snippet", "publishedAt")),
            ((ITEM, "contentDetails", "videoId"),),
        ),
        place=(ITEM,),
        draft=_old_watch,
    ),
)
