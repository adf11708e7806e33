"""What passes between the spider and the browser: a fetched page in, its rendered markup out, sub-resources between.

Rules: light enough that a child which renders nothing never imports Playwright.

Does not: fetch or render.

Usage::

    rendered = await renders.render(Page(url, body, content_type, 20, 20_000_000), fetch_part)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Page:
    """A page that has been fetched and is to be rendered."""

    url: str
    body: bytes
    content_type: str
    time_s_max: int
    markup_bytes_max: int


class Part(NamedTuple):
    """The answer to a sub-request."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class Rendered:
    """What the browser made of a page, and how many of its requests were fetched and refused."""

    markup: str = ""
    parts: int = 0
    blocked: list[str] = field(default_factory=list)


FetchPart = Callable[[str], Awaitable[Part | None]]
"""Fetch a sub-resource, or return None when it may not or could not be fetched."""


class Renders(Protocol):
    """Whatever can render a page: see `render.Renderer`."""

    async def render(self, page: Page, fetch_part: FetchPart) -> Rendered:
        """Return the page as a browser shows it. Raises WindrowError."""
        ...

    async def close(self) -> None:
        """Let the browser go."""
        ...
