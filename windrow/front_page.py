"""The house's first page and its status as JSON: what it is, what it has done, where to go.

Rules: counts only, as of a moment ago; nothing personal, no node's address. Works without JavaScript.

Does not: hold figures (see `summary`). Usage: `front_page_routes(settings, operations, env.clock)`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from storage.env import Clock, Request, Response, Route, json_response, page_response
from windrow.kept_answer import KeptAnswer
from windrow.operations import Operations
from windrow.settings import HouseSettings

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line); }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
"""


def front_page_routes(settings: HouseSettings, operations: Operations, clock: Clock) -> list[Route]:
    """Return GET / and GET /status.json. Anybody may ask for them and they count whole tables, so they are kept."""
    figures = KeptAnswer(clock, operations.public_figures)

    async def page(_request: Request) -> Response:
        return page_response(_render(settings, await figures()))

    async def status(_request: Request) -> Response:
        return json_response(await figures())

    return [
        Route("GET", "/", page, "The house's first page"),
        Route("GET", "/status.json", status, "What the house has done"),
    ]


def _render(settings: HouseSettings, figures: dict[str, Any]) -> str:
    sections = [
        ("Pages", figures["pages"]),
        ("Contributions (verdicts of closed audit epochs)", figures["contributions"]),
        ("Novelty of what was accepted", figures["dedup"]),
    ]
    tables = "".join(table(title, rows) for title, rows in sections)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Windrow: {escape(settings.network)}</title><style>{STYLE}</style></head><body>
<h1>Windrow</h1>
<p>Network <strong>{escape(settings.network)}</strong>: idle bandwidth turned into training sets that can be checked.
Verified under {escape(figures["trust"])}.</p>
<p><a href="/market">Datasets for sale</a> · <a href="/openapi.json">API</a> ·
<a href="/status.json">status as JSON</a> · <a href="/publishers">For publishers</a></p>
{tables}</body></html>"""


def table(title: str, rows: dict[str, int]) -> str:
    """Return counts by name as a table under a heading."""
    body = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{number}</td></tr>"
        for name, number in rows.items()
    )
    return f"<h2>{escape(title)}</h2><table>{body}</table>"
