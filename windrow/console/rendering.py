"""The console's pages: values in, HTML out.

Rules: server-rendered, nothing loaded from elsewhere, every value escaped; what cannot be seen in a stranger's text is
shown as a dot.

Does not: read tables. Usage: `html = render("login.html", network="windrow-dev")`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jinja2

from aggregator.sql.printable import printable
from windrow_protocol.errors import WindrowError

ASSETS: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "sign_in.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_CELL_CHARS_MAX: Final = 300


def cell_text(value: Any) -> str:
    """Return one value of an answer, short enough for a table."""
    if value is None:
        return "∅"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = printable(str(value))
    return text if len(text) <= _CELL_CHARS_MAX else text[: _CELL_CHARS_MAX - 1] + "…"


def time_text(ms: int) -> str:
    """Return a time in UTC to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("windrow.console", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": cell_text,
        "time": time_text,
        "short": lambda address: f"{address[:6]}…{address[-4:]}",
        "count": lambda number: f"{number:,}",
    }
    return environment


def render(name: str, **values: Any) -> str:
    """Return a page."""
    return _environment().get_template(name).render(**values)


@cache
def asset(name: str) -> bytes:
    """Return a script or stylesheet. Raises WindrowError `not_found`."""
    if name not in ASSETS:
        raise WindrowError("not_found", "no such file")
    return files("windrow.console").joinpath("pages", name).read_bytes()
