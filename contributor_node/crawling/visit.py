"""One lease on its way through the crawl child, and robots.txt in front of every step of it.

Rules: `RobotsMiddleware` holds each request until its host's rules have been heard; robots.txt itself is asked
for under the lease of whoever came first. What a host says about pace and use is kept with the visit.

Does not: look at pages, or decide how a lease ends.

Usage::

    crew = Crew(queue, road, link, cache, renderer)
    visit = Visit(work, work.url)
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from contributor_node.crawling.content_coding import undo_content_encoding
from contributor_node.crawling.page import Renders
from contributor_node.crawling.parent_link import ParentLink
from contributor_node.crawling.road import REDIRECTS, Road, header, refusal_of_error, refusal_of_response
from contributor_node.crawling.robots import ROBOTS_TOKEN, RobotsAnswer, RobotsCache, RobotsGate
from contributor_node.crawling.wire import Work
from contributor_node.egress.grants import redirected
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CRAWL_DELAY_S_MAX, ROBOTS_REDIRECTS_MAX
from windrow_protocol.robots_rules import RobotsRules, RobotsState, RobotsStatements


class RoadRefused(IgnoreRequest):
    """A request that the egress proxy did not let out, or that had no answer."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class RobotsDenied(IgnoreRequest):
    """A URL that the host's robots.txt denies."""


@dataclass(slots=True)
class Visit:
    """One lease on its way."""

    work: Work
    url: str
    seen: set[str] = field(default_factory=set)
    robots_state: str = "unasked"
    statements: RobotsStatements = field(default_factory=RobotsStatements)
    status: int = 0
    content_type: str = ""
    crawl_delay_ms: int = 0
    retry_after_ms: int = 0

    def is_at_its_host(self) -> bool:
        """Whether no redirect has led away from the host that the lease names."""
        return urlsplit(self.url).hostname == urlsplit(self.work.url).hostname

    def heard_robots(self, rules: RobotsRules, allowed: bool) -> None:
        """Keep what robots.txt says about the URL that is to be fetched."""
        if allowed:
            self.robots_state = "allowed" if rules.state is RobotsState.RULES else "no_robots"
        else:
            self.robots_state = "denied" if rules.state is RobotsState.RULES else "unreachable"
        self.statements = rules.statements(ROBOTS_TOKEN, self.url)


@dataclass(frozen=True, slots=True)
class Crew:
    """What a spider works with. The queue ends with None."""

    queue: asyncio.Queue[Work | None]
    road: Road
    link: ParentLink
    cache: RobotsCache
    renderer: Renders


def now_ms() -> int:
    """The child's clock in milliseconds."""
    return time.time_ns() // 1_000_000


async def download(crawler: Crawler, request: Request) -> Response:
    """Download outside the scheduler. Raises RoadRefused, or RobotsDenied from the middleware below."""
    try:
        response = await crawler.engine.download_async(request)
    except IgnoreRequest:
        raise
    except Exception as error:
        raise RoadRefused(refusal_of_error(error)) from error
    if code := refusal_of_response(response):
        raise RoadRefused(code)
    return response


class RobotsMiddleware:
    """Holds each request until its host's robots.txt has been heard."""

    def __init__(self, crawler: Crawler, crew: Crew) -> None:
        self._crawler, self._crew = crawler, crew
        self._gate = RobotsGate(crew.cache, self._fetch, now_ms)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> RobotsMiddleware:
        """Scrapy's way to make one."""
        spider: Any = crawler.spider
        return cls(crawler, spider.crew)

    async def process_request(self, request: Request) -> None:
        """Wait for the rules of the request's host. Raises RobotsDenied or RoadRefused."""
        purpose = request.meta["windrow_purpose"]
        if purpose == "robots":
            return
        visit: Visit = request.meta["visit"]
        found = await self._gate.rules_for(request.url, visit.work)
        if found.refusal:
            raise RoadRefused(found.refusal)
        if delay_s := found.rules.crawl_delay_s(ROBOTS_TOKEN):
            await self._crew.link.ask_slower(request.url, delay_s)
        if purpose == "page":
            visit.crawl_delay_ms = round(min(delay_s or 0, CRAWL_DELAY_S_MAX) * 1000)
        allowed = found.rules.allows(ROBOTS_TOKEN, request.url)
        if purpose in ("page", "redirect"):
            visit.heard_robots(found.rules, allowed)
        if not allowed:
            raise RobotsDenied(request.url)
        has_rules = found.rules.state is RobotsState.RULES
        self._crew.road.heard_robots(request, "allowed" if has_rules else "no_robots")

    async def _fetch(self, url: str, work: Work) -> RobotsAnswer:
        for _ in range(ROBOTS_REDIRECTS_MAX + 1):
            try:
                response = await download(self._crawler, self._crew.road.request(url, work, "robots"))
                location = header(response, "Location")
                if response.status not in REDIRECTS or not location:
                    coding = header(response, "Content-Encoding")
                    body = undo_content_encoding(response.body, coding, work.decoded_bytes_max)
                    return RobotsAnswer(response.status, body)
            except (RoadRefused, WindrowError) as error:
                return RobotsAnswer(None, b"", error.code)
            url = redirected(url, location)
            if not await self._crew.link.ask_redirect(work.lease_id, "robots", url):
                break
        return RobotsAnswer(None, b"")
