"""Asking a host's /.well-known/tdmrep.json, where text and data mining may be reserved for whole folders of it.

Rules: one fetch per origin and 24 hours, shared by everybody who waits for it and kept beside the robots.txt answers.
A host without the file (404, a redirect, no answer) has reserved nothing there; a failure is asked about again after
`ROBOTS_RETRY_S`. A fetch that failed by its lease's own fault is not remembered at all.

Does not: read the file (`windrow_protocol.optout`) or send requests itself: it is given a `fetch`.

Usage::

    rights = RightsFiles(cache, fetch, now_ms)
    body = await rights.of("https://a.example/page", work)     # None where there is none

Source: TDM Reservation Protocol, W3C community group report, "TDM File on the Origin Server".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from contributor_node.crawling.robots import OF_ONE_LEASE, Fetch, RobotsAnswer, RobotsCache, origin_of
from contributor_node.crawling.wire import Work
from windrow_protocol.limits import ROBOTS_CACHE_S, ROBOTS_HOSTS_MAX, ROBOTS_RETRY_S, TDMREP_BYTES_MAX

PATH = "/.well-known/tdmrep.json"


class RightsFiles:
    """The rights files of the hosts that this child visits."""

    def __init__(self, cache: RobotsCache, fetch: Fetch, now_ms: Callable[[], int]) -> None:
        self._cache, self._fetch, self._now_ms = cache, fetch, now_ms
        self._under_way: dict[str, asyncio.Task[RobotsAnswer]] = {}
        self._known: dict[str, tuple[RobotsAnswer, int]] = {}

    async def of(self, url: str, work: Work) -> bytes | None:
        """Return the file of a URL's origin, fetched under this lease if nobody has it."""
        place = origin_of(url) + PATH
        answer = self._kept(place) or await self._shared(place, work)
        if answer.status != 200 or len(answer.body) > TDMREP_BYTES_MAX:
            return None
        return answer.body

    def _kept(self, place: str) -> RobotsAnswer | None:
        now_ms = self._now_ms()
        known = self._known.get(place) or self._cache.get(place, now_ms)
        return known[0] if known is not None and now_ms < known[1] else None

    async def _shared(self, place: str, work: Work) -> RobotsAnswer:
        task = self._under_way.get(place)
        if task is None:
            task = self._under_way[place] = asyncio.create_task(self._load(place, work))
        return await asyncio.shield(task)

    async def _load(self, place: str, work: Work) -> RobotsAnswer:
        try:
            answer = await self._fetch(place, work)
        finally:
            del self._under_way[place]
        if answer.refusal in OF_ONE_LEASE:
            return answer
        if len(self._known) >= ROBOTS_HOSTS_MAX:
            self._known.clear()
        is_final = answer.status is not None and answer.status < 500
        kept_s = ROBOTS_CACHE_S if is_final else ROBOTS_RETRY_S
        self._known[place] = answer, self._now_ms() + kept_s * 1000
        if is_final:
            self._cache.put(place, answer, self._now_ms())
        return answer
