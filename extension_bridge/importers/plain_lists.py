"""Lists that other programs write as JSON: history collectors, searches, bookmarks, stars.

Rules: a record counts when it has an address, words looked for or a title, and a field that says when; which of them
says what somebody did.

Does not: take any JSON for a history: the places of `FORMATS` are all there are.

Usage: `FORMATS` of the registry's `plain_lists`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from extension_bridge.importers.clocks import UNKNOWN, Moment, moment
from extension_bridge.importers.formats import Answer, json_format
from extension_bridge.importers.items import Draft, Kind
from extension_bridge.importers.json_records import ITEM, Place, first_text
from extension_bridge.importers.takeout_json import web_address

_TIMES: Final = ("dt", "timestamp", "time", "date", "visited_at", "starred_at", "time_added")


def _when(record: dict[str, Any]) -> Moment:
    found = (moment(record.get(name)) for name in _TIMES if record.get(name))
    return next((at for at in found if at[0]), UNKNOWN)


def _listed(kind: Kind, must_have_date: bool = True) -> Callable[[str, Any], Answer]:
    def draft(_: str, record: Any) -> Answer:
        if not isinstance(record, dict):
            return "malformed"
        more = record.get("metadata")
        url = first_text(record, "resolved_url", "given_url", "html_url", "url")
        title = first_text(record, "resolved_title", "given_title", "title", "full_name", "name")
        title = title or first_text(more, "title")
        words = first_text(record, "query", "q", "excerpt", "description") or first_text(more, "description")
        if not (url or title or words):
            return "no_content"
        if url and web_address(url)[0] not in ("http", "https"):
            return "local_page"
        at = _when(record)
        if must_have_date and not at[0]:
            return "no_date"
        return Draft(kind, at[0], at[1], title, words if words != title else "", url)

    return draft


_VISIT: Final = (
    *(((ITEM, "url"), (ITEM, name)) for name in ("dt", "visited_at")),
    ((ITEM, "url"), (ITEM, "title"), (ITEM, "timestamp")),
)
_LINES: Final[tuple[tuple[Place, ...], ...]] = ((("url",), ("dt",)), (("url",), ("visited_at",)))

FORMATS: Final = (
    json_format("visits", needs=_VISIT, place=(ITEM,), draft=_listed("visit")),
    json_format("visits_by_line", needs=_LINES, place=(), draft=_listed("visit")),
    json_format(
        "searches",
        needs=((("searches", ITEM, "query"),),),
        place=("searches", ITEM),
        draft=_listed("search"),
    ),
    json_format(
        "watched",
        needs=((("history", ITEM, "title"), ("history", ITEM, "date")),),
        place=("history", ITEM),
        draft=_listed("watch"),
    ),
    json_format(
        "saved_pages",
        needs=((("list", ITEM, "given_url"),),),
        place=("list", ITEM),
        draft=_listed("reaction", must_have_date=False),
    ),
    json_format(
        "stars",
        needs=(((ITEM, "html_url"), (ITEM, "starred_at")), ((ITEM, "full_name"), (ITEM, "stargazers_count"))),
        place=(ITEM,),
        draft=_listed("reaction"),
    ),
)
