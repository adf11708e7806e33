"""What a crawl result becomes: a contribution where there is text, else a report.

Rules: pure. A page that only a browser would show is marked so beside what its bytes say. One without text is reported
as `not_found`, because there is nothing to give; a block, a challenge or a log-in that stands in place of the page
(`windrow_protocol.block_pages`) as `blocked`, because the page it is not would be held against the node. What the
protocol bounds is cut here, so that one odd page cannot have a whole batch refused.

Does not: send or keep. Usage: `record = submission_for(result, node_id)`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import UNSET

from contributor_node.crawling.wire import CrawlResult
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.limits import (
    AUTHOR_CHARS_MAX,
    AUTHORS_MAX,
    CRAWL_DELAY_S_MAX,
    OPTOUT_SIGNALS_MAX,
    RETRY_AFTER_S_MAX,
    TEXT_BYTES_MAX,
    TITLE_CHARS_MAX,
)
from windrow_protocol.messages import Contribution, Outcome, Report, Submission, contribution_id_for

_SHORT = 256


def submission_for(result: CrawlResult, node_id: str) -> Submission:
    """Return the record for one lease's result."""
    if result.outcome is not Outcome.FETCHED:
        return _report(result, result.outcome, result.detail)
    text = _bounded(result.text)
    if not text:
        return _report(result, Outcome.NOT_FOUND, "the page has no text", marked=result.needs_browser)
    if is_block_page(text, result.http_status, result.title):
        return _report(
            result, Outcome.BLOCKED, "a block, a challenge or a log-in stands in place of the page"
        )
    return _contribution(result, node_id, text)


def _bounded(text: str) -> str:
    text = normalise_text(text)
    if len(text.encode()) <= TEXT_BYTES_MAX:
        return text
    return normalise_text(text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore"))


def _cut(text: str, chars_max: int = _SHORT) -> str:
    """Return a page's or host's own words without U+0000, which no message may hold, within their bound."""
    return text.replace("\0", "")[:chars_max]


def _report(result: CrawlResult, outcome: Outcome, detail: str, *, marked: bool = False) -> Report:
    return Report(
        lease_id=result.lease_id,
        url=result.url,
        outcome=outcome,
        fetched_at_ms=result.fetched_at_ms,
        http_status=result.http_status,
        detail=_cut(detail),
        bytes_wire=result.bytes_wire,
        crawl_delay_ms=min(result.crawl_delay_ms, CRAWL_DELAY_S_MAX * 1000),
        retry_after_ms=min(result.retry_after_ms, RETRY_AFTER_S_MAX * 1000),
        needs_browser=marked or UNSET,
    )


def _published(result: CrawlResult) -> str:
    """Return the day a page says it was published, empty where that was to come when it was fetched."""
    tomorrow = datetime.fromtimestamp(result.fetched_at_ms / 1000, UTC).date() + timedelta(days=1)
    return result.published if result.published <= tomorrow.isoformat() else ""


def _contribution(result: CrawlResult, node_id: str, text: str) -> Contribution:
    return Contribution(
        contribution_id=contribution_id_for(result.lease_id, node_id),
        lease_id=result.lease_id,
        url=result.url,
        final_url=result.final_url,
        http_status=result.http_status,
        content_type=_cut(result.content_type),
        fetched_at_ms=result.fetched_at_ms,
        robots_state=result.robots_state,
        optout_signals=[_cut(signal) for signal in result.optout_signals[:OPTOUT_SIGNALS_MAX]],
        raw_sha256=result.raw_sha256,
        text=text,
        text_sha256=text_sha256(text),
        title=_cut(result.title, TITLE_CHARS_MAX),
        authors=[_cut(name, AUTHOR_CHARS_MAX) for name in result.authors[:AUTHORS_MAX]] or UNSET,
        published=_published(result) or UNSET,
        extractor_version=result.extractor_version,
        needs_browser=result.needs_browser or UNSET,
        bytes_wire=result.bytes_wire,
        crawl_delay_ms=min(result.crawl_delay_ms, CRAWL_DELAY_S_MAX * 1000),
    )
