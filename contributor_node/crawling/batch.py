"""What the crawl engine is set up with, and what it hands out: settings, batches, and what becomes of a lease.

Rules: a batch yields each result once and keeps the ids that will have none. Leaving it early gives up the rest.

Does not: start processes or keep time.

Usage::

    batch = engine.crawl(leases)
    async for result in batch: ...
    batch.unfinished
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from contributor_node.crawling.wire import CrawlResult, Work
from contributor_node.egress.grants import EgressGrant
from windrow_protocol.addresses import AllowedEndpoint
from windrow_protocol.limits import (
    BROWSER_IDLE_S_MAX,
    CHILD_IDLE_S_MAX,
    CHILD_MEMORY_BYTES_MAX,
    CHILD_PAGES_MAX,
    HOST_PACE_S_MIN,
)
from windrow_protocol.messages import Lease


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """What the node's owner and configuration decide. Paces and idle times in seconds.

    `allow_private` are the exact loopback endpoints that may be reached; only for these may the pace go below 2
    s, to `pace_private_s` (at least 0.1). `source_address` is the local address for connections to loopback.
    """

    home: Path
    user_agent: str
    allow_private: frozenset[AllowedEndpoint] = frozenset()
    pace_s: float = HOST_PACE_S_MIN
    pace_private_s: float = HOST_PACE_S_MIN
    source_address: str = ""
    chromium_path: str = ""
    child_pages_max: int = CHILD_PAGES_MAX
    child_idle_s: float = CHILD_IDLE_S_MAX
    child_memory_bytes_max: int = CHILD_MEMORY_BYTES_MAX
    browser_idle_s: float = BROWSER_IDLE_S_MAX


@dataclass(slots=True, eq=False)
class Job:
    """One lease being worked on; `deaths` counts the crawl children that ended while it was open."""

    lease: Lease
    batch: CrawlBatch
    deaths: int = 0
    parsing: bool = False


@dataclass(slots=True, eq=False)
class CrawlBatch:
    """Leases being worked on together: iterate for results as they come, in any order.

    `unfinished` holds the ids that will have no result, by our own fault. Leaving the loop early gives up the rest.
    """

    give_up: Callable[[set[str]], None]
    _open: set[str]
    _done: asyncio.Queue[CrawlResult | None] = field(default_factory=asyncio.Queue)
    unfinished: list[str] = field(default_factory=list)

    async def __aiter__(self) -> AsyncIterator[CrawlResult]:
        try:
            while self._open:
                result = await self._done.get()
                if result is not None:
                    yield result
            while not self._done.empty():
                result = self._done.get_nowait()
                if result is not None:
                    yield result
        finally:
            self.give_up(self._open)

    def finish(self, lease_id: str, result: CrawlResult | None) -> None:
        """Hand over the end of one lease; None when it has no result."""
        self._open.discard(lease_id)
        if result is None:
            self.unfinished.append(lease_id)
        self._done.put_nowait(result)


def grant_of(lease: Lease) -> EgressGrant:
    """Return what a lease lets through the egress proxy."""
    return EgressGrant(
        lease.lease_id,
        lease.url,
        redirects_max=lease.redirects_max,
        body_bytes_max=lease.body_bytes_max,
        time_s_max=lease.time_s_max,
        render=lease.render,
        expires_at_ms=lease.expires_at_ms,
    )


def work_of(lease: Lease) -> Work:
    """Return what the crawl child is told of a lease."""
    return Work(
        lease_id=lease.lease_id,
        url=lease.url,
        render=lease.render,
        want_raw=lease.want_raw,
        body_bytes_max=lease.body_bytes_max,
        decoded_bytes_max=lease.decoded_bytes_max,
        time_s_max=lease.time_s_max,
        redirects_max=lease.redirects_max,
        expires_at_ms=lease.expires_at_ms,
    )
