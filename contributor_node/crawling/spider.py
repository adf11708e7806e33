"""The Scrapy spider that turns leases into results: robots.txt, redirects, opt-outs, text.

Rules: every URL, redirects included, is asked about in the host's robots.txt first. Nothing is retried, no
cookie kept, no link followed. A page that opts out of training is fetched and forgotten: no text of it leaves
this process. Each lease ends in exactly one line to the node: a result, or `Broken` when the failure is ours.

Does not: open a connection other than to the egress proxy, or know the coordinator.

Usage::

    crawler = AsyncCrawlerRunner(scrapy_settings()).create_crawler(LeaseSpider)
    await crawler.crawl_async(crew=Crew(queue, road, link, cache, renderer))
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from scrapy import Request, Spider
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from contributor_node.crawling.content_coding import undo_content_encoding
from contributor_node.crawling.outcomes import outcome_of_refusal, outcome_of_status, retry_after_ms
from contributor_node.crawling.page import Page, Part
from contributor_node.crawling.rights_file import RightsFiles
from contributor_node.crawling.road import REDIRECTS, header, refusal_of_error, refusal_of_response
from contributor_node.crawling.robots import RobotsAnswer
from contributor_node.crawling.visit import Crew, RoadRefused, RobotsDenied, Visit, download, now_ms
from contributor_node.crawling.wire import Broken, CrawlResult, Parsing, Work
from contributor_node.egress.grants import Purpose, redirected
from contributor_node.extraction.main_text import (
    EXTRACTOR_VERSION,
    Extracted,
    extract,
    extract_markup,
    is_html,
)
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.messages import Outcome
from windrow_protocol.optout import optout_signals
from windrow_protocol.optout_kinds import Signal, denies_training

log = logging.getLogger(__name__)


class LeaseSpider(Spider):
    """See the module's docstring."""

    name = "windrow"

    def __init__(self, crew: Crew, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crew = crew
        self._rights = RightsFiles(crew.cache, self._rights_file, now_ms)

    async def start(self) -> AsyncIterator[Any]:
        """Yield the first request of each lease until the queue ends."""
        while (work := await self.crew.queue.get()) is not None:
            visit = Visit(work, work.url)
            try:
                yield self._request(visit, "page")
            except ValueError as error:
                self._end(visit, Outcome.SERVER_ERROR, f"the URL cannot be requested: {error}")

    def _request(self, visit: Visit, purpose: Purpose) -> Request:
        visit.seen.add(visit.url)
        ends = (self.answered, self.failed)
        return self.crew.road.request(
            visit.url, visit.work, purpose, ends=ends, visit=visit, handle_httpstatus_all=True
        )

    # --- pages ----------------------------------------------------------------------------------------

    async def answered(self, response: Response) -> None:
        """Scrapy's callback: there is an answer."""
        visit: Visit = response.meta["visit"]
        try:
            if code := refusal_of_response(response):
                raise RoadRefused(code)
            visit.status = response.status
            visit.content_type = header(response, "Content-Type")[:256]
            if visit.is_at_its_host():
                wait = header(response, "Retry-After")
                visit.retry_after_ms = retry_after_ms(response.status, wait, now_ms())
            if response.status in REDIRECTS and response.headers.get("Location"):
                await self._redirected(visit, response)
            elif (outcome := outcome_of_status(response.status)) is not Outcome.FETCHED:
                self._end(visit, outcome)
            else:
                await self._page(visit, response)
        except (RoadRefused, WindrowError) as refusal:
            self._refused(visit, refusal.code, str(refusal))
        except Exception as error:
            log.exception("a lease ended in our own fault")
            self._broken(visit, "child_fault", repr(error))

    def failed(self, failure: Failure) -> None:
        """Scrapy's errback: there is none."""
        visit: Visit = failure.request.meta["visit"]  # type: ignore[attr-defined]  # Scrapy sets it
        error = failure.value
        assert error is not None
        if isinstance(error, RobotsDenied):
            self._end(visit, Outcome.ROBOTS_DENIED, f"robots.txt: {visit.robots_state}")
            return
        try:
            code = error.code if isinstance(error, RoadRefused) else refusal_of_error(error)
        except Exception as unknown:
            log.exception("a request ended in our own fault")
            self._broken(visit, "child_fault", repr(unknown))
            return
        self._refused(visit, code, str(error))

    async def _redirected(self, visit: Visit, response: Response) -> None:
        target = redirected(response.url, header(response, "Location"))
        if target in visit.seen or len(visit.seen) > visit.work.redirects_max:
            self._end(visit, Outcome.SERVER_ERROR, "too many redirects, or in a circle")
        elif not await self.crew.link.ask_redirect(visit.work.lease_id, "redirect", target):
            self._end(visit, Outcome.SERVER_ERROR, "the redirect leads nowhere it could be followed")
        else:
            visit.url = target
            self.crawler.engine.crawl(self._request(visit, "redirect"))

    async def _page(self, visit: Visit, response: Response) -> None:
        work = visit.work
        body = undo_content_encoding(
            response.body, header(response, "Content-Encoding"), work.decoded_bytes_max
        )
        rights = await self._rights.of(visit.url, work)
        self.crew.link.send(Parsing(lease_id=work.lease_id))
        found = extract(body, visit.content_type, visit.url)
        fields = [
            (k.decode("latin-1"), v.decode("latin-1")) for k, vs in response.headers.items() for v in vs
        ]
        said: dict[str, Any] = {"robots": visit.statements, "tdmrep_json": rights}
        signals = optout_signals(visit.url, fields, found.markup, **said)
        rendered = False
        if work.render == "browser" and is_html(visit.content_type) and not denies_training(signals):
            page = Page(visit.url, body, visit.content_type, work.time_s_max, work.decoded_bytes_max)
            shown = await self.crew.renderer.render(page, lambda url: self._part(visit, url))
            found, rendered = extract_markup(shown.markup, visit.url), True
            signals = optout_signals(visit.url, fields, found.markup, **said)
        self._fetched(visit, body, found, signals, rendered)

    async def _rights_file(self, url: str, work: Work) -> RobotsAnswer:
        try:
            request = self.crew.road.request(url, work, "tdmrep", visit=Visit(work, url))
            response = await download(self.crawler, request)
            coding = header(response, "Content-Encoding")
            body = undo_content_encoding(response.body, coding, work.decoded_bytes_max)
            return RobotsAnswer(response.status, body)
        except (RoadRefused, WindrowError) as error:
            return RobotsAnswer(None, b"", error.code)
        except IgnoreRequest:  # its robots.txt denies even this
            return RobotsAnswer(404, b"")

    async def _part(self, visit: Visit, url: str) -> Part | None:
        """Fetch a sub-resource of a rendered page, or None where it may not or could not be fetched."""
        try:
            request = self.crew.road.request(url, visit.work, "subresource", visit=visit)
            response = await download(self.crawler, request)
            coding = header(response, "Content-Encoding")
            body = undo_content_encoding(response.body, coding, visit.work.decoded_bytes_max)
        except (IgnoreRequest, WindrowError, ValueError):
            return None
        if response.status in REDIRECTS:
            return None
        return Part(response.status, header(response, "Content-Type"), body)

    # --- ends -----------------------------------------------------------------------------------------

    def _fetched(
        self, visit: Visit, body: bytes, found: Extracted, signals: tuple[Signal, ...], rendered: bool
    ) -> None:
        denied = denies_training(signals)
        self._end(
            visit,
            Outcome.OPTOUT_DENIED if denied else Outcome.FETCHED,
            optout_signals=[signal.as_text() for signal in signals],
            raw_sha256=hashlib.sha256(body).hexdigest(),
            text="" if denied else found.text,
            title="" if denied else found.title,
            authors=[] if denied else list(found.authors),
            published="" if denied else found.published,
            extractor_version=EXTRACTOR_VERSION,
            rendered=rendered,
            needs_browser=found.needs_browser and not rendered,
            raw=body if visit.work.want_raw and not denied else None,
        )

    def _refused(self, visit: Visit, code: str, detail: str) -> None:
        outcome = outcome_of_refusal(code)
        if outcome is None:
            self._broken(visit, code, detail)
        else:
            self._end(visit, outcome, REASONS[code].sentence)

    def _broken(self, visit: Visit, code: str, detail: str) -> None:
        self.crew.link.send(Broken(lease_id=visit.work.lease_id, code=code, detail=detail[:200]))

    def _end(self, visit: Visit, outcome: Outcome, detail: str = "", **more: Any) -> None:
        self.crew.link.send(
            CrawlResult(
                lease_id=visit.work.lease_id,
                url=visit.work.url,
                outcome=outcome,
                final_url=visit.url,
                fetched_at_ms=now_ms(),
                http_status=visit.status,
                content_type=visit.content_type,
                robots_state=visit.robots_state,
                detail=detail[:200],
                crawl_delay_ms=visit.crawl_delay_ms,
                retry_after_ms=visit.retry_after_ms,
                **more,
            )
        )


def scrapy_settings() -> dict[str, Any]:
    """Return the settings: reactorless, our road, our robots middleware, and none of Scrapy's extras."""
    handler = "scrapy.core.downloader.handlers._aiohttp.AiohttpDownloadHandler"
    return {
        "TWISTED_REACTOR_ENABLED": False,
        "DOWNLOAD_HANDLERS_BASE": {"http": handler, "https": handler},
        "DOWNLOADER_MIDDLEWARES_BASE": {"contributor_node.crawling.visit.RobotsMiddleware": 100},
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "ROBOTSTXT_OBEY": False,
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
        "REDIRECT_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "DOWNLOAD_DELAY": 0,
        "CONCURRENT_ITEMS": 1,  # Scrapy starts that many tasks for each result; ours has nothing left to do
        "CONCURRENT_REQUESTS": 256,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
        "LOG_ENABLED": False,
    }
