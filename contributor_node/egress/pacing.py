"""How often one host may be asked: the node's own pace, whatever the coordinator says.

Rules: a host is a name; all names of one address are paced together besides, at a quarter of the pace, so that nobody
can wear down one server under a thousand names. Pages, redirects and robots.txt of one host start at least `pace_s`
apart (or its crawl-delay, where that is longer). The sub-resources of a rendered page start a tenth of that apart,
because a page with twenty scripts must still load, and each pushes the host's next page back by a whole `pace_s`: over
a minute a host sees no more requests than one per pace, only closer together. No wait is longer than `PACE_WAIT_S_MAX`.

Does not: know hosts, leases or clocks other than the seconds it is given.

Usage::

    starts_at_s = table.reserve("example.org", now_s, pace_s=2.0)
    await pacer.turn("example.org", pace_s=2.0)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    CRAWL_DELAY_S_MAX,
    HOST_PACE_OWNER_S_MIN,
    HOST_PACE_S_MIN,
    PACE_WAIT_S_MAX,
    SUBRESOURCE_PACE_SHARE,
)

HOSTS_KEPT_MAX = 4_096


@dataclass(slots=True)
class _Host:
    last_s: float = float("-inf")
    next_page_s: float = float("-inf")
    next_part_s: float = float("-inf")
    crawl_delay_s: float = 0.0


class PaceTable:
    """When each host may be asked next. Pure: seconds in, seconds out."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def reserve(self, host: str, now_s: float, pace_s: float, part: bool = False) -> float:
        """Take the host's next turn and return when it starts (seconds, same clock as `now_s`).

        `part` marks a sub-resource of a rendered page. Raises WindrowError `fetch_timeout` when the turn would come
        later than `PACE_WAIT_S_MAX`; the turn is then not taken.
        """
        self._forget(now_s)
        row = self._hosts.setdefault(host, _Host())
        gap_s = max(pace_s, row.crawl_delay_s)
        start_s = max(now_s, row.next_part_s if part else row.next_page_s)
        if start_s - now_s > PACE_WAIT_S_MAX:
            raise WindrowError("fetch_timeout", f"{host} has no turn within {PACE_WAIT_S_MAX} s")
        row.last_s = max(row.last_s, start_s)
        row.next_part_s = start_s + gap_s / SUBRESOURCE_PACE_SHARE
        if part:
            debt_s = max(row.next_page_s, start_s) + gap_s
            row.next_page_s = max(row.next_page_s, min(debt_s, now_s + PACE_WAIT_S_MAX))
        else:
            row.next_page_s = start_s + gap_s
        return start_s

    def slow(self, host: str, crawl_delay_s: float) -> None:
        """Keep a host's crawl-delay, bounded by `CRAWL_DELAY_S_MAX`. It can only slow the node down."""
        row = self._hosts.setdefault(host, _Host())
        row.crawl_delay_s = max(row.crawl_delay_s, min(crawl_delay_s, CRAWL_DELAY_S_MAX))
        row.next_page_s = max(row.next_page_s, row.last_s + row.crawl_delay_s)

    def _forget(self, now_s: float) -> None:
        if len(self._hosts) >= HOSTS_KEPT_MAX:
            self._hosts = {
                name: row for name, row in self._hosts.items() if row.next_page_s + CRAWL_DELAY_S_MAX > now_s
            }


class Pacer:
    """The table on the event loop's clock."""

    def __init__(self) -> None:
        self._table = PaceTable()

    async def turn(self, host: str, pace_s: float, part: bool = False) -> None:
        """Wait for the host's next turn. Raises WindrowError `fetch_timeout` when it is too far away."""
        now_s = asyncio.get_running_loop().time()
        start_s = self._table.reserve(host, now_s, pace_s, part)
        if start_s > now_s:
            await asyncio.sleep(start_s - now_s)

    def slow(self, host: str, crawl_delay_s: float) -> None:
        """Keep a host's crawl-delay in seconds."""
        self._table.slow(host, crawl_delay_s)


def pace_for(listed_by_owner: bool, wanted_s: float) -> float:
    """Return the pace for a host: never below 2 s, or below 0.1 s where the node's owner listed the endpoint."""
    return max(wanted_s, HOST_PACE_OWNER_S_MIN if listed_by_owner else HOST_PACE_S_MIN)
