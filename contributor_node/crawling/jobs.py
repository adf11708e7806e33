"""The leases of a crawl engine: which wait, which are open in the child, and how each ends.

Rules: a lease's road is open exactly as long as it is being worked on, and never before its slot. A lease that was open
(or, if the child was parsing, *was* the page being parsed) at three deaths of a child is left unanswered, and before
the third it is given out last and alone. What the road saw of a lease is added to its result. Nothing is ever made up.

Does not: start, feed or hear a child (`crawl`), or wait.

Usage::

    jobs = CrawlJobs(proxy.grants, now_ms, changed=wake.set)
    jobs.begin(Job(lease, batch))
    while (job := jobs.open_next()) is not None: ...      # it waits no longer, and its road is open
    jobs.end(job, result)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from contributor_node.crawling.batch import Job, grant_of
from contributor_node.crawling.lease_queue import LeaseQueue
from contributor_node.crawling.outcomes import outcome_of_refusal
from contributor_node.crawling.wire import CrawlResult
from contributor_node.egress.grants import GrantTable, target_of
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import CHILD_DEATHS_MAX, CHILD_SILENT_S_MAX
from windrow_protocol.messages import Lease, Outcome

log = logging.getLogger(__name__)  # structlog would import Twisted where Scrapy is installed


class CrawlJobs:
    """See the module's docstring. `changed` is called when there may be more to do than before."""

    def __init__(self, grants: GrantTable, now_ms: Callable[[], int], changed: Callable[[], None]) -> None:
        self._grants, self._now_ms, self._changed = grants, now_ms, changed
        self._waiting = LeaseQueue()
        self._open: dict[str, Job] = {}

    def any_open(self) -> bool:
        """Whether any lease is open in the child."""
        return bool(self._open)

    def opened(self, lease_id: str) -> Job | None:
        """Return the job of an open lease, None where it was given up meanwhile."""
        return self._open.get(lease_id)

    def held(self) -> set[str]:
        """Return the ids of all leases being worked on."""
        return {*self._open, *(job.lease.lease_id for job in self._waiting)}

    def under_way(self) -> list[tuple[str, str]]:
        """Return (host, stage) of every lease held; the stage is reading, fetching or waiting."""
        opened = [(job, "reading" if job.parsing else "fetching") for job in self._open.values()]
        waiting = [(job, "waiting") for job in self._waiting]
        return [(target_of(job.lease.url).place.host, stage) for job, stage in [*opened, *waiting]]

    def any_due(self) -> bool:
        """Whether a lease may be begun now."""
        return next(self._waiting.due(self._now_ms()), None) is not None

    def next_turn_in_s(self) -> float | None:
        """Return in how many seconds the next lease may be begun that may not be yet, None where there is none."""
        now_ms = self._now_ms()
        turn_ms = self._waiting.next_turn_ms(now_ms)
        return None if turn_ms is None else max(0.0, (turn_ms - now_ms) / 1000)

    # --- from waiting to an end ------------------------------------------------------------------------

    def begin(self, job: Job) -> None:
        """Let a lease wait for its turn, or leave it unanswered where it names nothing that can be fetched."""
        try:
            self._waiting.add(job)
        except WindrowError as error:
            facts = {"lease_id": job.lease.lease_id, "error": str(error)}
            log.warning("a lease cannot be fetched", extra=facts)
            job.batch.finish(job.lease.lease_id, None)

    def open_next(self) -> Job | None:
        """Open the road of the next lease, None where none may be begun now."""
        job = self._next()
        if job is not None:
            self._waiting.remove(job)
            self._grants.add(grant_of(job.lease))
            self._open[job.lease.lease_id] = job
        return job

    def _next(self) -> Job | None:
        """One that may be deadly goes last, and alone, so that no other suffers."""
        if any(job.deaths == CHILD_DEATHS_MAX - 1 for job in self._open.values()):
            return None
        deadly = None
        for job in self._waiting.due(self._now_ms()):
            if job.deaths < CHILD_DEATHS_MAX - 1:
                return job
            deadly = deadly or job
        return None if self._open else deadly

    def end(self, job: Job, result: CrawlResult | None) -> None:
        """Close the road of a lease and hand its result over; None where it has none."""
        lease_id = job.lease.lease_id
        self._open.pop(lease_id, None)
        state = self._grants.revoke(lease_id)
        if result is not None and state is not None:
            result = msgspec.structs.replace(
                result, bytes_wire=state.traffic.bytes_down + state.traffic.bytes_up, requests=state.requests
            )
            cut = outcome_of_refusal(state.cut)
            if cut is not None and result.outcome is Outcome.SERVER_ERROR:
                # The child only saw a connection break; the proxy knows why it broke it.
                result = msgspec.structs.replace(result, outcome=cut, detail=REASONS[state.cut].sentence)
        job.batch.finish(lease_id, result)
        self._changed()

    def end_all(self) -> None:
        """Leave everything unanswered."""
        for job in list(self._open.values()):
            self.end(job, None)
        self.end_waiting()

    def end_waiting(self) -> None:
        """Leave unanswered what is not open."""
        for job in self._waiting:
            self._waiting.remove(job)
            self.end(job, None)

    def give_up(self, lease_ids: set[str]) -> None:
        """Close the road of leases that nobody waits for any more."""
        for lease_id in lease_ids:
            self._grants.revoke(lease_id)
            self._open.pop(lease_id, None)
        for job in self._waiting:
            if job.lease.lease_id in lease_ids:
                self._waiting.remove(job)
        self._changed()

    def pause(self, pauses_ms: Mapping[str, int]) -> None:
        """Begin nothing at some hosts (named by `pace_key`) for so many ms, and hand back what cannot wait so long."""
        for host, wait_ms in pauses_ms.items():
            self._waiting.pause(host, self._now_ms() + wait_ms)
        self._changed()
        for job in self._waiting.hopeless():
            why = "the host asks to be left alone until after the end of the lease"
            self.end(job, self._without_page(job.lease, Outcome.EXPIRED, why))

    # --- what becomes of leases whose child died -------------------------------------------------------

    def give_up_parsing(self) -> None:
        """A page that keeps the parser busy for so long does so everywhere: that is what is said of it."""
        why = f"the page could not be parsed within {CHILD_SILENT_S_MAX} s"
        for job in [job for job in self._open.values() if job.parsing]:
            self.end(job, self._without_page(job.lease, Outcome.TOO_LARGE, why))

    def begin_again(self) -> None:
        """Let everything that is open wait once more, and hold nothing against it."""
        for job in list(self._open.values()):
            self._again(job)

    def after_death(self) -> None:
        """Begin again what a child left open; what was open at too many deaths is left unanswered."""
        left = list(self._open.values())
        suspects = [job for job in left if job.parsing] or left
        for job in suspects:
            job.deaths += 1
        for job in left:
            job.parsing = False
            if job.deaths >= CHILD_DEATHS_MAX:
                log.warning("a lease was open at too many deaths", extra={"lease_id": job.lease.lease_id})
                self.end(job, None)
            else:
                self._again(job)

    def _again(self, job: Job) -> None:
        del self._open[job.lease.lease_id]
        self._grants.revoke(job.lease.lease_id)
        self._waiting.add(job)

    def _without_page(self, lease: Lease, outcome: Outcome, why: str) -> CrawlResult:
        return CrawlResult(
            lease_id=lease.lease_id,
            url=lease.url,
            outcome=outcome,
            final_url=lease.url,
            fetched_at_ms=self._now_ms(),
            detail=why,
        )
