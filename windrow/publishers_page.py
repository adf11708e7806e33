"""The page for publishers: who asks for pages, what is kept, how to opt out, and what was asked of one host.

Rules: counts only, no address of a page or a node. Works without JavaScript. The token that it shows is no secret: it
proves something only where it stands in a file that nobody but the host's publisher can write.

Does not: take anything down (`windrow host takedown`). Usage: `publisher_routes(settings, home.house, operations)`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from html import escape
from typing import Any

from aggregator.host_figures import host_figures
from aggregator.takedowns import PROOF_PATH, host_named, token_of
from storage.env import Request, Response, Route, json_response, page_response
from storage.house import House
from windrow.front_page import STYLE, table
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_CHARS_MAX
from windrow_protocol.user_agent import BOT

_EVERYWHERE = ("", "0.0.0.0", "::")


def publishers_url_of(settings: HouseSettings) -> str:
    """Return the page that nodes name to sites; empty where its address cannot be told from where the house listens."""
    host, port = settings.host, settings.port
    if settings.publishers_url or not port or host in _EVERYWHERE or "%" in host:
        return settings.publishers_url
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/publishers"


def publisher_routes(settings: HouseSettings, house: House) -> list[Route]:
    """Return GET /publishers and GET /publishers.json; both take `?host=`."""

    async def page(request: Request) -> Response:
        asked = request.query.get("host", "").strip()
        if not asked:
            return page_response(_page(settings, ""))
        try:
            return page_response(_page(settings, _about(await _figures(house, asked))))
        except WindrowError as error:
            return page_response(_page(settings, f"<p role=alert>{escape(str(error))}</p>"), 400)

    async def figures(request: Request) -> Response:
        return json_response(await _figures(house, request.query.get("host", "").strip()))

    return [
        Route("GET", "/publishers", page, "For publishers: who asks, what is kept, how to opt out"),
        Route("GET", "/publishers.json", figures, "What was asked of one host lately (?host=)"),
    ]


async def _figures(house: House, asked: str) -> dict[str, Any]:
    host = host_named(asked[: HOST_CHARS_MAX + 6])

    def read() -> dict[str, Any]:
        with house.state.read() as connection:
            return host_figures(connection, host, house.now_ms())

    return {**await asyncio.to_thread(read), "takedown_token": token_of(house, host)}


def _about(figures: dict[str, Any]) -> str:
    host = escape(figures["host"])
    spans = "".join(
        table(f"Asked for in {name.replace('_', ' ')}", {**span["by_outcome"], "bytes in all": span["bytes"]})
        for name, span in figures["asked"].items()
    )
    if figures["withheld_since_ms"]:
        day = datetime.fromtimestamp(figures["withheld_since_ms"] / 1000, UTC).date()
        state = f"<p>At its publisher's wish nobody is sent to {host} since {day}.</p>"
    else:
        state = (
            f"<p>To have it taken down, put this line into <code>https://{host}{PROOF_PATH}</code>, then write to us:"
            f"</p><pre>{figures['takedown_token']}</pre>"
        )
    delay_s = figures["crawl_delay_ms"] / 1000
    pace = f"<p>Its crawl-delay, as nodes read it: {delay_s:g} s.</p>" if delay_s else ""
    return f"<h2>{host}</h2>{state}{pace}{table('Pages known', figures['pages'])}{spans}"


def _page(settings: HouseSettings, about: str) -> str:
    contact = escape(settings.abuse_contact)
    write_to = (
        f"Write to <strong>{contact}</strong>." if contact else "This operator has named no address yet."
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>For publishers: {escape(settings.network)}</title><style>{STYLE}</style></head>
<body>
<h1>For publishers</h1>
<p>Pages are asked for by <code>{BOT}</code>, a program that people run on their own connections for the network
<strong>{escape(settings.network)}</strong>. Every request was assigned by this coordinator.</p>
<h2>What is asked, and what is kept</h2>
<p>One page at a time, with at least two seconds between two requests to a host, whoever makes them, and longer where
your <code>Crawl-delay</code>, a 429 or a <code>Retry-After</code> says so. Of a page its main text is kept, with its
address, the time, its digest and what robots.txt and opt-outs said. Texts are sold as sets for training; each row names
its source.</p>
<h2>How to opt out</h2>
<ul>
<li>Of being asked: <code>User-agent: {BOT}</code>, <code>Disallow: /</code> in robots.txt.</li>
<li>Of training: <code>noai</code> in a robots meta element or <code>X-Robots-Tag</code>, <code>Content-Usage:
train-ai=n</code>, or a TDM reservation. Such a page's text does not leave the machine that read it.</li>
<li>Of all of it, what is stored too: a takedown. We stop at once, erase what is stored, leave it out of every later
version, put the ids of what was sold on the signed list of removals, and send you a signed receipt.</li>
</ul>
<p>{write_to}</p>
<h2>Your host</h2>
<form method="get" action="/publishers"><label>Host <input name="host" required maxlength="{HOST_CHARS_MAX + 6}"
placeholder="www.example.org"></label> <button>Show what was asked of it</button></form>
{about}</body></html>"""
