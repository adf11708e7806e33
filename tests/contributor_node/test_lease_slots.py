"""The node honours the network's pace besides its own: slots, Retry-After, pauses; and reports what hosts ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from crawl_sites import Site, html, lease, serve, wall_ms
from hypothesis import given
from hypothesis import strategies as st

from contributor_node.coordinator.submission import submission_for
from contributor_node.crawling.batch import CrawlBatch, Job
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.crawling.lease_queue import LeaseQueue
from contributor_node.crawling.outcomes import retry_after_ms
from contributor_node.crawling.wire import CrawlResult
from contributor_node.egress.line_log import LineLog
from windrow_protocol.limits import RETRY_AFTER_S_MAX
from windrow_protocol.messages import Contribution, Outcome, Report, canonical_record

PROSE = "<main>" + "".join(f"<p>Sentence {n} about the rows.</p>" for n in range(40)) + "</main>"
NODE_ID = "0" * 64


class Clock:
    """The real clock, moved by hand."""

    ahead_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


@asynccontextmanager
async def engine_for(home: Path, clock: Clock, *sites: Site) -> AsyncIterator[CrawlEngine]:
    settings = CrawlSettings(
        home=home,
        user_agent="WindrowBot/0.1 (+https://windrow.example/bot)",
        allow_private=frozenset(site.endpoint for site in sites),
        pace_private_s=0.1,
    )
    engine = CrawlEngine(settings, LineLog(home / "line_log.ndjson", clock), clock)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def prose(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404) if request.path == "/robots.txt" else html(PROSE)


def job(url: str, **fields: object) -> Job:
    return Job(lease(url, **fields), CrawlBatch(lambda ids: None, set()))


# --- the queue --------------------------------------------------------------------------------------------------------


@given(
    slots=st.lists(st.integers(0, 1_000), max_size=12),
    pauses=st.dictionaries(st.sampled_from(["a.example", "b.example:8080"]), st.integers(0, 1_500)),
    now=st.integers(0, 1_200),
)
def test_nothing_is_due_before_its_slot_or_during_a_pause(
    slots: list[int], pauses: dict[str, int], now: int
) -> None:
    queue, hosts = LeaseQueue(), ["a.example", "b.example:8080"]
    jobs = [
        job(f"http://{hosts[n % 2]}/{n}", not_before_ms=slot, expires_at_ms=1_100)
        for n, slot in enumerate(slots)
    ]
    for each in jobs:
        queue.add(each)
    for host, until in pauses.items():
        queue.pause(host, until)
    turns = {
        id(each): max(slot, pauses.get(hosts[n % 2], 0))
        for n, (each, slot) in enumerate(zip(jobs, slots, strict=True))
    }
    assert list(queue.due(now)) == [each for each in jobs if turns[id(each)] <= now]
    later = [turn for turn in turns.values() if turn > now]
    assert queue.next_turn_ms(now) == min(later, default=None)


def test_a_pause_is_never_shortened_and_ends(tmp_path: Path) -> None:
    queue = LeaseQueue()
    queue.add(job("https://a.example/1"))
    queue.pause("a.example", 5_000)
    queue.pause("a.example", 1_000)
    assert list(queue.due(4_999)) == []
    assert len(list(queue.due(5_000))) == 1


def test_a_lease_that_cannot_come_to_its_turn_is_given_back() -> None:
    queue = LeaseQueue()
    late, early = (
        job("http://a.example/1", expires_at_ms=4_000),
        job("http://b.example/1", expires_at_ms=4_000),
    )
    queue.add(late)
    queue.add(early)
    queue.pause("a.example", 4_000)
    assert queue.hopeless() == [late]
    assert list(queue) == [early]


# --- the engine -------------------------------------------------------------------------------------------------------


async def test_no_request_of_a_lease_leaves_before_its_slot(tmp_path: Path) -> None:
    clock = Clock()
    async with (
        serve(prose) as site,
        serve(prose, "127.0.33.2") as later,
        engine_for(tmp_path, clock, site, later) as engine,
    ):
        soon = lease(f"{site.base}/soon")
        slot_ms = clock() + 400_000
        waiting = lease(f"{later.base}/later", not_before_ms=slot_ms)
        batch = engine.crawl([waiting, soon])
        results = aiter(batch)
        async with asyncio.timeout(60):
            first = await anext(results)
            assert (first.url, later.hits) == (soon.url, [])  # not even its robots.txt
            clock.ahead_ms += 400_001
            engine.pause({})  # any news makes it look again
            assert (await anext(results)).url == waiting.url
    assert later.hits == ["/robots.txt", "/later", "/.well-known/tdmrep.json"]


async def test_a_429_holds_the_host_s_other_leases_and_is_reported(tmp_path: Path) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nCrawl-delay: 0.2\nAllow: /\n")
        return web.Response(status=429, headers={"Retry-After": "3600"})

    clock = Clock()
    async with (
        serve(busy) as site,
        serve(prose, "127.0.33.2") as other,
        engine_for(tmp_path, clock, site, other) as engine,
    ):
        leases = [lease(f"{site.base}/{n}") for n in range(3)]
        # The second waits for its slot, so that it is not under way when the first is answered.
        leases[1:] = [lease(f"{site.base}/{n}", not_before_ms=clock() + 300_000) for n in (1, 2)]
        batch = engine.crawl([*leases, lease(f"{other.base}/fine")])
        async with asyncio.timeout(60):
            results = {result.url: result async for result in batch}
    refused = results[leases[0].url]
    assert (refused.outcome, refused.http_status, refused.retry_after_ms) == (Outcome.BLOCKED, 429, 3_600_000)
    assert {results[each.url].outcome for each in leases[1:]} == {Outcome.EXPIRED}  # somebody else's, later
    assert results[f"{other.base}/fine"].outcome is Outcome.FETCHED
    assert site.hits == ["/robots.txt", "/0"]
    report = submission_for(refused, NODE_ID)
    assert isinstance(report, Report)
    assert (report.retry_after_ms, report.crawl_delay_ms) == (3_600_000, 200)


async def test_a_crawl_delay_travels_with_the_text(tmp_path: Path) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nCrawl-delay: 1.5\nAllow: /\n")
        return html(PROSE)

    async with serve(slow) as site, engine_for(tmp_path, Clock(), site) as engine:
        async with asyncio.timeout(60):
            (result,) = [result async for result in engine.crawl([lease(f"{site.base}/page")])]
    record = submission_for(result, NODE_ID)
    assert isinstance(record, Contribution)
    assert record.crawl_delay_ms == 1_500


async def test_what_another_host_says_after_a_redirect_is_not_the_leased_one_s_word(tmp_path: Path) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        return web.Response(status=503, headers={"Retry-After": "60"})

    async with serve(busy, "127.0.33.3") as other:

        async def leads_away(request: web.Request) -> web.StreamResponse:
            if request.path == "/robots.txt":
                return web.Response(status=404)
            return web.Response(status=302, headers={"Location": f"{other.base}/there"})

        async with serve(leads_away) as site, engine_for(tmp_path, Clock(), site, other) as engine:
            async with asyncio.timeout(60):
                (result,) = [result async for result in engine.crawl([lease(f"{site.base}/here")])]
    assert (result.outcome, result.http_status, result.retry_after_ms) == (Outcome.SERVER_ERROR, 503, 0)


# --- what Retry-After says --------------------------------------------------------------------------------------------

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)


@pytest.mark.parametrize(
    ("status", "field", "wait_ms"),
    [
        (429, "120", 120_000),
        (503, " 7 ", 7_000),
        (429, format_datetime(NOON.replace(hour=13), usegmt=True), 3_600_000),
        (429, format_datetime(NOON.replace(hour=11), usegmt=True), 0),
        (429, "99999999999999999999", RETRY_AFTER_S_MAX * 1000),
        (429, "Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_S_MAX * 1000),
        (429, "-5", 0),
        (429, "soon", 0),
        (429, "٣", 0),
        (429, "", 0),
        (200, "120", 0),
        (500, "120", 0),
    ],
)
def test_retry_after_in_both_its_forms(status: int, field: str, wait_ms: int) -> None:
    assert retry_after_ms(status, field, NOON_MS) == wait_ms


@given(field=st.text(max_size=80))
def test_no_retry_after_breaks_the_node(field: str) -> None:
    assert 0 <= retry_after_ms(429, field, NOON_MS) <= RETRY_AFTER_S_MAX * 1000


def test_what_a_record_carries_is_within_the_protocol_s_bounds() -> None:
    result = CrawlResult(
        lease_id="l" + "0" * 31,
        url="http://a.example/",
        outcome=Outcome.BLOCKED,
        final_url="http://a.example/",
        fetched_at_ms=1,
        http_status=429,
        crawl_delay_ms=10**9,
        retry_after_ms=10**12,
    )
    record = submission_for(result, NODE_ID)
    assert isinstance(record, Report)
    assert (record.crawl_delay_ms, record.retry_after_ms) == (60_000, RETRY_AFTER_S_MAX * 1000)


@pytest.mark.parametrize("text", ["Menu Basket Imprint", ""])
def test_a_page_that_needs_a_browser_is_marked_and_others_say_nothing_of_it(text: str) -> None:
    """Nothing at all: a coordinator that does not know the mark takes the record, and old ones keep their digest."""
    shell = CrawlResult(
        lease_id="l1",
        url="http://a.example/",
        outcome=Outcome.FETCHED,
        final_url="http://a.example/",
        fetched_at_ms=1,
        http_status=200,
        raw_sha256="0" * 64,
        text=text,
        needs_browser=True,
    )
    marked, plain = (
        submission_for(each, NODE_ID) for each in (shell, msgspec.structs.replace(shell, needs_browser=False))
    )
    assert marked.needs_browser is True
    assert isinstance(marked, Contribution if text else Report)
    assert b"needs_browser" in canonical_record(marked)
    assert b"needs_browser" not in canonical_record(plain)
