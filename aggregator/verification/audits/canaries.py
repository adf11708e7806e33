"""Canaries: leases of control pages whose text only a real fetch made now can know, and what their answers say.

    text handed in                                          verdict    reason
    like one of the minutes between lease and receipt       accepted   canary_matched
    like none of them                                       rejected   canary_differs
    none (a report of any kind)                             no verdict: perhaps our page was down

Rules: the lease has the shape of any other, the host answers and lists its pages like any small site, and its text
never gets into the lake. A page is given again on other days, as pages are, and never to the same hands, so that a copy
of what somebody else was shown is wrong too. An escalated node gets more of them, and so does one that has not passed
many audits yet (`audit_rate.canary_rate_of`). It needs no validator: the house's key and clock say what was to be seen.

An answer costs the house little whatever it says: of the minutes that come into question those nearest to when the
node says it fetched are looked at first, the rest only where they do not match, and a text too long to match never.

Does not: choose hosts (the operator's `canary_hosts`), say when pages change (`canary_site`) or what it means
from where they are asked for (`egress_challenges`), or pay.

Usage: `serve(canary_routes(house, origin), host=…, port=…)`; `url = canary_url(house, connection)`;
`judge_canary(house, lease, text, AnsweredAt(fetched_at_ms, received_at_ms))`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, Final

import sqlalchemy as sa

from aggregator.assignment.placement import in_same_hands
from aggregator.verification.audits.egress_challenges import note_fetch
from aggregator.verification.audits.verdict_log import Ruling
from aggregator.verification.comparing.alignment import share_in_order
from aggregator.verification.comparing.canary_site import ControlSite
from aggregator.verification.comparing.canary_text import CONTROL_TEXT_CHARS_MAX, canary_text, html_paragraphs
from aggregator.verification.comparing.comparison import likeness
from aggregator.verification.standings.audit_rate import canary_rate_of
from aggregator.verification.standings.exposure import passed_of
from aggregator.verification.standings.standing_rows import standing_of
from storage.env import Request, Response, Route
from storage.house import House
from storage.tables.contributions import leases
from windrow_protocol.content import shingles_in_order, text_sha256
from windrow_protocol.limits import MATCH_SIMILARITY_MIN
from windrow_protocol.trust_rules import DAY_MS, PPM
from windrow_protocol.urls import canonical_url, split_http_url, url_sha256

_MINUTE_MS: Final = 60_000
LEASES_A_PAGE_MAX: Final = 4
# So many of 256 control leases are of a page that somebody was given before, if there is one.
AGAIN_OF_256: Final = 154
MINUTES_LOOKED_AT_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class AnsweredAt:
    """When a node says that it fetched, and when the house got it; milliseconds since 1970."""

    fetched_at_ms: int
    received_at_ms: int


def canary_rate_ppm(house: House, connection: sa.Connection, node_id: str) -> int:
    """Return how many of a million leases of a node are to be of control pages."""
    if not house.canary_hosts or not house.rules.on("canaries"):
        return 0
    return canary_rate_of(house.rules, standing_of(connection, node_id), passed_of(connection, node_id))


def falls_by_lot(house: House, rate_ppm: int) -> bool:
    """Say by lot whether a node's next lease is to be another one than its turn."""
    return bool(rate_ppm) and int.from_bytes(house.env.randomness.token(8), "big") * PPM < rate_ppm << 64


def canary_url(house: House, connection: sa.Connection, node: Any) -> str | None:
    """Return the URL of a control page that a node (its row of `nodes`) may be given, None when there is none."""
    lot = house.env.randomness.token(16)
    first = lot[0] % len(house.canary_hosts)
    for origin in (*house.canary_hosts[first:], *house.canary_hosts[:first]):
        url_of = _leasable(_plain(origin), site_of(house, origin), house.now_ms() // _MINUTE_MS)
        given, barred = _given(house, connection, node, url_of)
        again, fresh = sorted(given - barred), sorted(url_of.keys() - given)
        free = again if again and (lot[1] < AGAIN_OF_256 or not fresh) else fresh
        if free:
            return url_of[free[int.from_bytes(lot[2:10], "big") % len(free)]]
    return None


@lru_cache(maxsize=64)
def _leasable(origin: str, site: ControlSite, minute: int) -> Mapping[str, str]:
    """Return the URLs that may be leased in a minute, by their ids; many leases are asked for in each."""
    urls = (canonical_url(origin + page.path) for page in site.lately_woken(minute))
    return {url_sha256(url): url for url in urls}


def _given(
    house: House, connection: sa.Connection, node: Any, url_ids: Collection[str]
) -> tuple[set[str], set[str]]:
    """Return which control pages were given to anybody, and which of them may not be given to this node now."""
    rows = connection.execute(
        sa.select(
            leases.c.url_id,
            sa.func.count().label("times"),
            sa.func.max(leases.c.issued_at_ms).label("last_ms"),
            sa.func.max(sa.case((in_same_hands(node), 1), else_=0)).label("theirs"),
        )
        .where(leases.c.url_id.in_(url_ids))
        .group_by(leases.c.url_id)
    ).all()
    a_day_ago = house.now_ms() - DAY_MS
    barred = {
        row.url_id for row in rows if row.theirs or row.times >= LEASES_A_PAGE_MAX or row.last_ms > a_day_ago
    }
    return {row.url_id for row in rows}, barred


def site_of(house: House, origin: str) -> ControlSite:
    """Return the control site that one of the house's `canary_hosts` is; each has pages of its own."""
    return ControlSite(house.keyed(f"canary/site/{_plain(origin)}"), house.rules.canary_pages_a_day)


def canary_routes(house: House, origin: str) -> list[Route]:
    """Return what a host of control pages answers: its list of shelves, each shelf's pages, and the pages."""
    site = site_of(house, origin)

    async def answer(request: Request) -> Response:
        minute = house.now_ms() // _MINUTE_MS
        found = _shown(house, site, request.path, minute)
        if site.page_at(request.path, minute) is not None:
            note_fetch(house, _plain(origin) + request.path, request.peer)
        if found is None:
            return Response(404, b"<!doctype html><title>Not found</title><h1>Not found</h1>\n", "text/html")
        return Response(200, found.encode(), "text/html; charset=utf-8")

    return [Route("GET", "/{path:.*}", answer, "A page")]


def _shown(house: House, site: ControlSite, path: str, minute: int) -> str | None:
    page = site.page_at(path, minute)
    if page is not None:
        text = canary_text(_text_key(house), path, page.text_minute(minute))
        return site.style.framed(page.name.title, html_paragraphs(text))
    names = [page.name for page in site.pages_at(minute)]
    if path == "/":
        lists = sorted({name.listed_at for name in names})
        return site.style.framed(site.style.site, _links([(each, _heading(each)) for each in lists]))
    on_it = [(name.path, name.title) for name in names if name.listed_at == path]
    return site.style.framed(_heading(path), _links(on_it)) if on_it else None


def _heading(list_path: str) -> str:
    return list_path.split("/")[2].partition(".")[0].capitalize()


def _links(pages: list[tuple[str, str]]) -> str:
    rows = "\n".join(f'<li><a href="{escape(path)}">{escape(title)}</a></li>' for path, title in pages)
    return f"<ul>\n{rows}\n</ul>"


def judge_canary(house: House, lease: Any, text: str, at: AnsweredAt) -> Ruling:
    """Compare a text with what its page held in the minutes between the lease and the receipt."""
    path = split_http_url(lease.url).path
    said = shingles_in_order(text) if len(text) <= CONTROL_TEXT_CHARS_MAX else ()
    best, confirmed, held = -1.0, 0.0, ""
    for minute in _minutes(lease.issued_at_ms, at):
        shown = canary_text(_text_key(house), path, minute)
        there = shingles_in_order(shown)
        found = likeness(said, there)
        if found > best:
            best, confirmed, held = found, share_in_order(said, there), shown
        if best >= MATCH_SIMILARITY_MIN or not said:
            break
    matched = best >= MATCH_SIMILARITY_MIN
    return Ruling(
        "accepted" if matched else "rejected",
        "canary_matched" if matched else "canary_differs",
        best,
        round(PPM * confirmed),
        (text_sha256(held),),
    )


def _minutes(issued_at_ms: int, at: AnsweredAt) -> list[int]:
    """Return the minutes that come into question, the likeliest first."""
    first, last = issued_at_ms // _MINUTE_MS, max(issued_at_ms, at.received_at_ms) // _MINUTE_MS
    likely = min(max(at.fetched_at_ms // _MINUTE_MS, first), last)
    near = range(
        max(first, likely - MINUTES_LOOKED_AT_MAX // 2), min(last, likely + MINUTES_LOOKED_AT_MAX // 2) + 1
    )
    return sorted(near, key=lambda minute: (abs(minute - likely), minute))


def _plain(origin: str) -> str:
    return origin.rstrip("/")


def _text_key(house: House) -> bytes:
    return house.keyed("canary/text")
