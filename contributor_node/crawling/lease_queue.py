"""Leases that wait for their slot: which may be begun now, and when the next one may.

Rules: a lease begins neither before its `not_before_ms` nor while its host is paused, by what this node heard itself or
by what the coordinator says that others heard. Both are by this machine's clock. A lease whose turn would come after
its end is handed back, so that somebody else can have the page.

Does not: keep the pace between requests (`pacing`), wait, or fetch.

Usage::

    queue.add(job)
    queue.pause("example.org", until_ms)
    job = next(queue.due(now_ms)); queue.remove(job)
    queue.hopeless()        # jobs that cannot come to their turn any more, removed
"""

from __future__ import annotations

from collections.abc import Iterator

from contributor_node.crawling.batch import Job
from contributor_node.egress.grants import pace_key, target_of

PAUSES_KEPT_MAX = 1_000


class LeaseQueue:
    """Jobs in the order in which they came."""

    def __init__(self) -> None:
        self._hosts: dict[Job, str] = {}
        self._paused_until_ms: dict[str, int] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._hosts))

    def add(self, job: Job) -> None:
        """Take a job in. Raises WindrowError `bad_url`."""
        self._hosts[job] = pace_key(target_of(job.lease.url).place)

    def remove(self, job: Job) -> None:
        """Take a job out. Raises KeyError when it is not there."""
        del self._hosts[job]

    def pause(self, host: str, until_ms: int) -> None:
        """Begin nothing at a host (named by `pace_key`) before a time."""
        if host in self._paused_until_ms or len(self._paused_until_ms) < PAUSES_KEPT_MAX:
            self._paused_until_ms[host] = max(until_ms, self._paused_until_ms.get(host, 0))

    def due(self, now_ms: int) -> Iterator[Job]:
        """Yield the jobs that may be begun."""
        self._paused_until_ms = {
            host: until_ms for host, until_ms in self._paused_until_ms.items() if until_ms > now_ms
        }
        return (job for job in self._hosts if self._turn_ms(job) <= now_ms)

    def next_turn_ms(self, now_ms: int) -> int | None:
        """Return when the next job that may not be begun yet may be, or None when there is none."""
        turns = (self._turn_ms(job) for job in self._hosts)
        return min((turn_ms for turn_ms in turns if turn_ms > now_ms), default=None)

    def hopeless(self) -> list[Job]:
        """Take out and return the jobs whose turn would come after the end of their lease."""
        late = [job for job in self._hosts if self._turn_ms(job) >= job.lease.expires_at_ms]
        for job in late:
            self.remove(job)
        return late

    def _turn_ms(self, job: Job) -> int:
        paused_until_ms = self._paused_until_ms.get(self._hosts[job], 0)
        return max(job.lease.not_before_ms, paused_until_ms)
