"""Canaries: leases of control pages whose text only a real fetch made now can know, and what their answers say.

    text handed in                                          verdict    reason
    like one of the minutes between lease and receipt       accepted   canary_matched
    like none of them                                       rejected   canary_differs
    none (a report of any kind)                             no verdict: perhaps our page was down

Rules: the lease has the shape of any other, the host answers and lists its pages like any small site, and its text
never gets into the lake. A page is given again on other days, as pages are, and never to the same hands, so that a copy
of what somebody else was shown is wrong too. An escalated node gets more of them. It needs no validator: the house's
key and clock say what was to be seen.

Does not: choose hosts (the operator's `canary_hosts`), say when pages change (`canary_site`), or pay.

Usage: `serve(canary_routes(house, origin), host=…, port=…)`; `url = canary_url(house, connection)`; `judge_canary(…)`.
"""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from typing import Any

import sqlalchemy as sa

from aggregator.assignment.placement import in_same_hands
from aggregator.verification.audits.verdict_log import Ruling
from aggregator.verification.comparing.canary_site import ControlPage, ControlSite
from aggregator.verification.comparing.canary_text import canary_page, canary_text, html_page, title_of
from aggregator.verification.comparing.comparison import similarity
from aggregator.verification.standings.standing_rows import standing_of
from storage.env import Request, Response, Route
from storage.house import House
from storage.tables import leases
from windrow_protocol.content import text_sha256
from windrow_protocol.limits import MATCH_SIMILARITY_MIN
from windrow_protocol.trust_rules import DAY_MS, PPM
from windrow_protocol.urls import canonical_url, split_http_url, url_sha256

_MINUTE_MS = 60_000
LEASES_A_PAGE_MAX = 4
AGAIN_OF_256 = (
    154  # so many of 256 control leases are of a page that somebody was given before, if there is one
)


def canary_rate_ppm(house: House, connection: sa.Connection, node_id: str) -> int:
    """Return how many of a million leases of a node are to be of control pages."""
    if not house.canary_hosts or not house.rules.on("canaries"):
        return 0
    rules, rate_ppm = house.rules, house.rules.canary_ppm
    watched = rules.on("escalation") and standing_of(connection, node_id).escalation is not None
    return max(rate_ppm, rules.canary_watched_ppm) if watched and rate_ppm else rate_ppm


def is_canarys_turn(house: House, rate_ppm: int) -> bool:
    """Say by lot whether a node's next lease is of a control page."""
    return bool(rate_ppm) and int.from_bytes(house.env.randomness.token(8), "big") * PPM < rate_ppm << 64


def canary_url(house: House, connection: sa.Connection, node: Any) -> str | None:
    """Return the URL of a control page that a node (its row of `nodes`) may be given, None when there is none."""
    lot = house.env.randomness.token(16)
    first = lot[0] % len(house.canary_hosts)
    for origin in (*house.canary_hosts[first:], *house.canary_hosts[:first]):
        woken = site_of(house, origin).lately_woken(house.now_ms() // _MINUTE_MS)
        urls = (canonical_url(_plain(origin) + page.path) for page in woken)
        url_of = {url_sha256(url): url for url in urls}
        given, barred = _given(house, connection, node, url_of)
        again, fresh = sorted(given - barred), sorted(url_of.keys() - given)
        free = again if again and (lot[1] < AGAIN_OF_256 or not fresh) else fresh
        if free:
            return url_of[free[int.from_bytes(lot[2:10], "big") % len(free)]]
    return None


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
        if found is None:
            return Response(404, b"<!doctype html><title>Not found</title><h1>Not found</h1>\n", "text/html")
        return Response(200, found.encode(), "text/html; charset=utf-8")

    return [Route("GET", "/{path:.*}", answer, "A page")]


def _shown(house: House, site: ControlSite, path: str, minute: int) -> str | None:
    if path.startswith("/notes/"):
        page = site.page_at(path, minute)
        return None if page is None else canary_page(_text_key(house), path, page.text_minute(minute))
    pages = site.pages_at(minute)
    shelves = sorted({f"/shelf/{_shelf(page)}" for page in pages})
    if path == "/":
        return html_page("Notes", _links([(each, each.rpartition("/")[2].capitalize()) for each in shelves]))
    if path not in shelves:
        return None
    on_it = [(page.path, title_of(page.path)) for page in pages if f"/shelf/{_shelf(page)}" == path]
    return html_page(path.rpartition("/")[2].capitalize(), _links(on_it))


def _shelf(page: ControlPage) -> str:
    return page.path.removeprefix("/notes/").partition("-")[0]


def _links(pages: list[tuple[str, str]]) -> str:
    rows = "\n".join(f'<li><a href="{escape(path)}">{escape(title)}</a></li>' for path, title in pages)
    return f"<ul>\n{rows}\n</ul>"


def judge_canary(house: House, lease: Any, text: str, received_at_ms: int) -> Ruling:
    """Compare a text with what its page held in each minute between the lease and the receipt."""
    path = split_http_url(lease.url).path
    minutes = range(lease.issued_at_ms // _MINUTE_MS, received_at_ms // _MINUTE_MS + 1)
    held = [canary_text(_text_key(house), path, minute) for minute in minutes]
    found = [(similarity(text, each), each) for each in held]
    best, of = max(found, key=lambda pair: pair[0].two_sided)
    matched = best.two_sided >= MATCH_SIMILARITY_MIN
    return Ruling(
        "accepted" if matched else "rejected",
        "canary_matched" if matched else "canary_differs",
        best.two_sided,
        round(PPM * best.a_in_b),
        (text_sha256(of),),
    )


def _plain(origin: str) -> str:
    return origin.rstrip("/")


def _text_key(house: House) -> bytes:
    return house.keyed("canary/text")
