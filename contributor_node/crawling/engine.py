"""The crawl engine: leases in, results out. The node's side of everything that touches the web.

Rules: the egress proxy runs in this process, Scrapy and the browser in a child that is started when there is
work, replaced after `child_pages_max` leases and ended when idle. A child that dies or falls silent is replaced, and
its unfinished leases are begun again, as `crawl_jobs` says.

Does not: check a lease's signature or keep what it yields: the caller hands in verified leases and stores results.

Usage::

    engine = CrawlEngine(CrawlSettings(home=home, user_agent=user_agent), line_log, now_ms)
    await engine.start()
    batch = engine.crawl(leases)
    async for result in batch: ...
    batch.unfinished   # ids of leases without a result: let them expire
    await engine.close()
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence

from contributor_node.crawling.batch import CrawlBatch, CrawlSettings, Job, work_of
from contributor_node.crawling.chromium import find_chromium
from contributor_node.crawling.jobs import CrawlJobs
from contributor_node.crawling.process import CrawlProcess
from contributor_node.crawling.wire import (
    AskRedirect,
    AskSlower,
    Broken,
    CrawlResult,
    Granted,
    Hello,
    Parsing,
    ToParent,
)
from contributor_node.egress.addresses import Resolve, system_resolve
from contributor_node.egress.grants import pace_key, target_of
from contributor_node.egress.line_log import LineLog
from contributor_node.egress.proxy import EgressProxy, EgressSettings, Meter
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    BROWSER_IDLE_S_MAX,
    CHILD_DEATHS_MAX,
    CHILD_SILENT_S_MAX,
    CHILD_START_S_MAX,
)
from windrow_protocol.messages import Lease

CHILD_LOG = "crawl_child.log"

__all__ = ["CrawlBatch", "CrawlEngine", "CrawlSettings"]

log = logging.getLogger(__name__)  # structlog would import Twisted where Scrapy is installed


class CrawlEngine:
    """See the module's docstring."""

    def __init__(
        self,
        settings: CrawlSettings,
        line_log: LineLog,
        now_ms: Callable[[], int],
        *,
        resolve: Resolve = system_resolve,
        meter: Meter | None = None,
    ) -> None:
        self._settings, self.user_agent = settings, settings.user_agent
        egress = EgressSettings(
            settings.allow_private, settings.pace_s, settings.pace_private_s, settings.source_address
        )
        self.proxy = EgressProxy(egress, line_log, now_ms, resolve=resolve, meter=meter)
        self._wake = asyncio.Event()
        self._jobs = CrawlJobs(self.proxy.grants, now_ms, changed=self._wake.set)
        self._child: CrawlProcess | None = None
        self._heard_s, self._spoke, self._false_starts = 0.0, False, 0
        self._supervisor: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def child_pid(self) -> int | None:
        """The process id of the crawl child, None while there is none."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Open the road out. No child is started before there is work."""
        self._settings.home.mkdir(parents=True, exist_ok=True)
        await self.proxy.start()
        self._supervisor = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """End the child and close the road at once. Leases under way stay without a result."""
        if self._child is not None:
            self._child.kill()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        self._jobs.end_all()
        if self._alarm is not None:
            self._alarm.cancel()
        await self.proxy.close()

    def name_to_sites(self, user_agent: str) -> None:
        """Carry another User-Agent from the next lease on; what is being fetched ends under the one before."""
        if user_agent != self.user_agent and self._child is not None:
            # it was greeted with that one: it takes no more
            self._child.sent = self._settings.child_pages_max
        self.user_agent = user_agent

    def crawl(self, leases: Sequence[Lease]) -> CrawlBatch:
        """Begin to work on verified leases. Raises ValueError when one of them is being worked on already."""
        ids = [lease.lease_id for lease in leases]
        if len(set(ids)) != len(ids) or self._jobs.held().intersection(ids):
            raise ValueError("a lease can be worked on only once at a time")
        batch = CrawlBatch(self._jobs.give_up, set(ids))
        for lease in leases:
            self._jobs.begin(Job(lease, batch))
        self._wake.set()
        return batch

    def under_way(self) -> list[tuple[str, str]]:
        """Return (host, stage) of every lease held; the stage is reading, fetching or waiting."""
        return self._jobs.under_way()

    def pause(self, pauses_ms: Mapping[str, int]) -> None:
        """Begin nothing at some hosts (named by `pace_key`) for so many ms, and hand back what cannot wait so long."""
        self._jobs.pause(pauses_ms)

    # --- the child --------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._jobs.any_due():
                self._set_alarm()
                continue
            self._heard_s, self._spoke = _loop_s(), False
            try:
                self._child = await CrawlProcess.start(self._hello(), self._settings.home / CHILD_LOG)
            except OSError as error:
                log.warning("the crawl child cannot be started", extra={"error": str(error)})
                self._after_false_start()
                continue
            try:
                await self._work(self._child)
            finally:
                await self._child.stop()
                self._child = None
                if self._spoke:
                    self._jobs.after_death()
                    self._false_starts = 0
                    self._wake.set()
                else:
                    self._after_false_start()

    def _hello(self) -> Hello:
        try:
            chromium = find_chromium(self._settings.chromium_path, os.environ)
        except WindrowError:
            chromium = ""
        return Hello(
            proxy_url=self.proxy.url,
            secret=self.proxy.secret,
            user_agent=self.user_agent,
            home=str(self._settings.home),
            chromium=chromium,
            memory_bytes_max=self._settings.child_memory_bytes_max,
            browser_idle_s=min(self._settings.browser_idle_s, BROWSER_IDLE_S_MAX),
        )

    async def _work(self, child: CrawlProcess) -> None:
        """Feed and hear one child until it is worn out, idle, silent or dead."""
        listening = asyncio.create_task(self._listen(child))
        idle_at_s = _loop_s() + self._settings.child_idle_s
        try:
            while not listening.done():
                await self._feed(child)
                busy = self._jobs.any_open()
                if not busy and child.sent >= self._settings.child_pages_max:
                    return
                silent_s_max = CHILD_SILENT_S_MAX if self._spoke else CHILD_START_S_MAX
                patience_s = silent_s_max if busy else max(0.0, idle_at_s - _loop_s())
                waking = asyncio.create_task(self._wake.wait())
                await asyncio.wait({listening, waking}, timeout=patience_s, return_when="FIRST_COMPLETED")
                waking.cancel()
                self._wake.clear()
                if busy:
                    idle_at_s = _loop_s() + self._settings.child_idle_s
                if busy and _loop_s() - self._heard_s > silent_s_max:
                    log.warning("the crawl child fell silent", extra={"child_pid": child.pid})
                    child.kill()
                    self._jobs.give_up_parsing()
                elif not busy and _loop_s() >= idle_at_s and not self._jobs.any_due():
                    return  # however often there was news of no work
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _feed(self, child: CrawlProcess) -> None:
        while child.sent < self._settings.child_pages_max and (job := self._jobs.open_next()) is not None:
            child.sent += 1
            await child.send(work_of(job.lease))
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Wake when the next lease may be begun."""
        if self._alarm is not None:
            self._alarm.cancel()
        wait_s, loop = self._jobs.next_turn_in_s(), asyncio.get_running_loop()
        self._alarm = None if wait_s is None else loop.call_later(wait_s, self._wake.set)

    def _after_false_start(self) -> None:
        """A child that never said a word is no lease's fault; after three of them nothing will get better."""
        self._false_starts += 1
        self._jobs.begin_again()
        if self._false_starts >= CHILD_DEATHS_MAX:
            log.error("no crawl child will run", extra={"see": str(self._settings.home / CHILD_LOG)})
            self._false_starts = 0
            self._jobs.end_waiting()
        self._wake.set()

    # --- what it says ----------------------------------------------------------------------------------

    async def _listen(self, child: CrawlProcess) -> None:
        async for message in child.messages():
            if not self._spoke:
                self._wake.set()  # from now on less patience is due
            self._heard_s, self._spoke = _loop_s(), True
            await self._hear(child, message)

    async def _hear(self, child: CrawlProcess, message: ToParent) -> None:
        if isinstance(message, AskRedirect):
            allowed = self.proxy.grants.announce_redirect(message.lease_id, message.purpose, message.url)
            await child.send(Granted(ask_id=message.ask_id, allowed=allowed))
        elif isinstance(message, AskSlower):
            self.proxy.pacer.slow(pace_key(target_of(message.url).place), message.crawl_delay_s)
            await child.send(Granted(ask_id=message.ask_id, allowed=True))
        elif isinstance(message, Parsing | CrawlResult | Broken):
            self._hear_of_lease(message)

    def _hear_of_lease(self, message: Parsing | CrawlResult | Broken) -> None:
        job = self._jobs.opened(message.lease_id)
        if job is None:
            return  # given up meanwhile
        if isinstance(message, Parsing):
            job.parsing = True
        elif isinstance(message, Broken):
            facts = {"lease_id": message.lease_id, "code": message.code, "detail": message.detail}
            log.warning("a lease ended in our own fault", extra=facts)
            self._jobs.end(job, None)
        else:
            self._jobs.end(job, message)
            if message.retry_after_ms:
                self.pause({pace_key(target_of(message.url).place): message.retry_after_ms})


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
