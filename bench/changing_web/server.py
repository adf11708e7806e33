"""Serves changing pages over real HTTP on loopback, and fetches them as nodes at different addresses do.

Rules: one server, every fetch a connection of its own from the address of whoever fetches (all in 127/8); a page's
clock moves on by minutes with each visit, drawn from the seed, so that a run can be repeated. What a fetch gives is
what the node's own code submits for the answer: a contribution, or a report where the answer is no page.

Does not: pace, or look at robots.txt: the node's own tests do.

Usage::

    async with ChangingWeb(pool, seed=1) as web:
        web.publish("1", page, ["adverts"]); text = await web.fetch("1", "127.1.0.20")
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
from aiohttp import web

from bench.changing_web.base_pages import BasePage, Pool
from bench.changing_web.noise import REGIONS, Visit, respond
from contributor_node.coordinator.submission import submission_for
from contributor_node.crawling.outcomes import outcome_of_status
from contributor_node.crawling.wire import CrawlResult
from contributor_node.extraction.main_text import extract
from windrow_protocol.messages import Contribution

MINUTES_BETWEEN_VISITS_MAX = 90
_ID, _URL = "0" * 64, "http://page.example/"  # of no lease: only what becomes of the page is looked at


class Fetched(NamedTuple):
    """Text in normal form, and title; both empty for a report."""

    text: str
    title: str


def region_of(address: str) -> str:
    """Return the region an address is in; the third number of 127.1.r.x says it."""
    return REGIONS[int(address.split(".")[2]) % len(REGIONS)]


def address_in(region: str, rng: random.Random) -> str:
    """Return one of 200 addresses of a region."""
    return f"127.1.{REGIONS.index(region)}.{rng.randrange(20, 220)}"


class ChangingWeb:
    """The server and its clients."""

    def __init__(self, pool: Pool, *, seed: int) -> None:
        self._pool, self._seed = pool, seed
        self._pages: dict[str, tuple[BasePage, Sequence[str]]] = {}
        self._visits: dict[str, tuple[int, int]] = {}
        self._base = ""
        self.requests = 0

    async def __aenter__(self) -> Self:
        server = web.Server(self._answer)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def publish(self, key: str, page: BasePage, kinds: Sequence[str]) -> None:
        """Serve a page with kinds of noise at `/key`, as if nobody had been there yet."""
        self._pages[key] = (page, kinds)
        self._visits[key] = (0, 0)

    def withdraw(self, key: str) -> None:
        """Serve a page no more."""
        del self._pages[key], self._visits[key]

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.requests += 1
        key = request.path.strip("/")
        page, kinds = self._pages[key]
        number, minute = self._visits[key]
        rng = random.Random(f"{self._seed}/{key}/{number}")
        self._visits[key] = (number + 1, minute + rng.randrange(1, MINUTES_BETWEEN_VISITS_MAX))
        address = request.remote or ""
        answer = respond(
            page, kinds, Visit(number, minute, address, region_of(address)), self._pool, seed=self._seed
        )
        body = answer.markup.encode("utf-8", "replace")
        return web.Response(
            status=answer.status, body=body, headers={"Content-Type": "text/html; charset=utf-8"}
        )

    async def fetch(self, key: str, address: str) -> Fetched:
        """Fetch from an address and return what a node would submit, empty where it would submit nothing."""
        connector = aiohttp.TCPConnector(local_addr=(address, 0), force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"{self._base}/{key}") as response,
        ):
            return _handed_in(response.status, response.headers["Content-Type"], await response.read())


def _handed_in(status: int, content_type: str, body: bytes) -> Fetched:
    """What a node makes of an answer: its text and title where it hands in a page, else nothing."""
    found = extract(body, content_type)
    result = CrawlResult(
        lease_id=_ID,
        url=_URL,
        outcome=outcome_of_status(status),
        final_url=_URL,
        fetched_at_ms=0,
        http_status=status,
        content_type=content_type,
        raw_sha256=_ID,
        text=found.text,
        title=found.title,
    )
    record = submission_for(result, _ID)
    return Fetched(record.text, record.title) if isinstance(record, Contribution) else Fetched("", "")
