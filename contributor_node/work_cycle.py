"""The node's day: ask whether it may work, take leases, fetch, keep the result, hand it over, keep the receipt.

Rules: everything is on disk before it leaves and until its receipt is verified; a killed node goes on where it was.
What the engine could not finish by our own fault is left to expire: nothing is made up. A receipt that does not
match is no receipt: its result is kept and sent again.

Does not: fetch (see `crawl`), know HTTP (see `coordinator_client`) or shape records (see `submission`).

Usage: `await WorkCycle(settings, ...).run(stop)`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from contributor_node.coordinator.client import CoordinatorClient, RecordAnswer, Registered
from contributor_node.coordinator.outbox import Outbox, Refused, Settled
from contributor_node.coordinator.submission import submission_for
from contributor_node.crawling.chromium import find_chromium
from contributor_node.crawling.engine import CrawlEngine
from contributor_node.identity import pin_coordinator
from contributor_node.owner.budget import Budget
from contributor_node.owner.settings import NodeSettings
from contributor_node.owner.status import read_status, write_status
from contributor_node.stopping import unless_stopped
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import BATCH_RECORDS_MAX, BATCH_WIRE_BYTES_MAX
from windrow_protocol.messages import Contribution, Lease, Submission
from windrow_protocol.release import RELEASE, is_newer
from windrow_protocol.user_agent import user_agent

__all__ = ["AGENT", "WorkCycle", "read_status"]

log = logging.getLogger(__name__)
AGENT = "windrow/0.1"
SUBMIT_AT = 25  # results, or whenever nothing is being fetched
TELL_EVERY_S = 1.0  # while pages come in by the dozen
CONTROL_LOOK_S = 1.0
MEET_EVERY_S = 3_600.0  # so that all nodes soon name the same page, and hear of a newer release
FINISH_S_MAX = 5.0  # what is not handed over by then stays in the outbox
LATER_CODES = frozenset(
    {
        *("busy", "too_many_requests", "clock_skew", "signature_expired", "not_running", "replayed"),
        *("database_away", "files_away", "home_locked"),
    }
)
PATIENT_CODES = LATER_CODES | {"bad_coordinator_answer"}


class WorkCycle:
    """One node at work."""

    def __init__(
        self,
        settings: NodeSettings,
        client: CoordinatorClient,
        engine: CrawlEngine,
        outbox: Outbox,
        budget: Budget,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._client = client
        self._engine = engine
        self._outbox = outbox
        self._budget = budget
        self._now_ms = now_ms
        self._in_flight: set[str] = set()
        self._batches: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._ask_at_s = self._meet_at_s = 0.0
        self._told_at_s = float("-inf")
        self._last_error: dict[str, object] = {}
        self._introduced = asyncio.Event()
        self._newer = ""
        self.role = ""
        self.state, self.position = "", 0
        self.lacks: list[str] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set or the owner's `finish` is carried out, which sets it.

        What is unsent then stays in the outbox. Raises WindrowError at the start only.
        """
        watching = asyncio.create_task(self._watch_control())
        try:
            await self._introduce(stop)
            self._introduced.set()
            self._begin(self._outbox.open_leases(self._now_ms()))
            while not stop.is_set():
                await unless_stopped(stop, self._round())
                if self._is_finished():
                    stop.set()
                else:
                    await self._wait(stop)
        finally:
            watching.cancel()
        await self._finish()

    async def _watch_control(self) -> None:
        """Begin a round soon after it may work again or no more; the proxy itself looks before each request."""
        before = self._budget.control(), self._budget.decision()
        while True:
            await asyncio.sleep(CONTROL_LOOK_S)
            now = self._budget.control(), self._budget.decision()
            if now != before:
                log.info("its owner's rules", extra={"control": now[0].state, "may_work": now[1].sentence})
                self._ask_at_s, before = 0.0, now
                self._news.set()

    def _is_finished(self) -> bool:
        return self._budget.control().state == "finishing" and not self._in_flight

    async def introduced(self) -> str:
        """Wait until the node has registered and return its role, or nothing when it was stopped before."""
        await self._introduced.wait()
        return self.role

    async def _round(self) -> None:
        try:
            now_s = asyncio.get_running_loop().time()
            if now_s >= self._meet_at_s:
                await self._meet()
            await self._hand_over()
            await self._take_work()
            if not self._in_flight or now_s - self._told_at_s >= TELL_EVERY_S:
                self._told_at_s = now_s
                self._tell()
        except WindrowError as error:
            self._say_error(error)

    async def _introduce(self, stop: asyncio.Event) -> None:
        """Pin the coordinator and register, for as long as it takes."""
        while not stop.is_set():
            try:
                registered = await unless_stopped(stop, self._register())
            except WindrowError as error:
                if error.code not in PATIENT_CODES:
                    raise
                self._say_error(error)
                if self._is_finished():
                    stop.set()  # what is held stays in the outbox
                else:
                    await self._wait(stop)
            else:
                if registered is not None:
                    self.role, self.state = registered.role, registered.state
                    self.position = registered.position
                return

    async def _register(self) -> Registered:
        await self._meet()
        return await self._client.register(self._settings.payout, AGENT, self._settings.region)

    async def _meet(self) -> None:
        """Hear what the coordinator says of itself: its key, the newest release, the page to name to sites."""
        facts = await self._client.network()
        self._newer = facts.node_version if is_newer(facts.node_version, RELEASE) else ""
        home, coordinator = Path(self._settings.home), self._settings.coordinator
        said = (facts.network, facts.coordinator_id, facts.publishers_url)
        self._client.pin = pin_coordinator(home, coordinator, *said)
        self._engine.name_to_sites(user_agent(facts.publishers_url))
        self._meet_at_s = asyncio.get_running_loop().time() + MEET_EVERY_S

    def _begin(self, leases: Sequence[Lease]) -> None:
        if not leases:
            return
        self._in_flight.update(lease.lease_id for lease in leases)
        task = asyncio.create_task(self._fetch(leases))
        self._batches.add(task)
        task.add_done_callback(self._batch_ended)

    async def _fetch(self, leases: Sequence[Lease]) -> None:
        """Crawl some leases, keeping each result as it comes."""
        try:
            async for result in self._engine.crawl(leases):
                self._outbox.put(submission_for(result, self._client.node_id))
                self._in_flight.discard(result.lease_id)
                self._news.set()
        finally:
            self._in_flight.difference_update(lease.lease_id for lease in leases)
            self._news.set()

    def _batch_ended(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a batch was given up", exc_info=error)
            self._note(str(error))

    async def _take_work(self) -> None:
        """Ask for leases when there is room for them, work may be done, and the last answer was not empty just now."""
        room = self._settings.batch - len(self._in_flight)
        now_s = asyncio.get_running_loop().time()
        if room < max(1, self._settings.batch // 2) or now_s < self._ask_at_s:
            return
        if self._budget.control().state != "running" or not self._budget.decision().allowed:
            return
        if self._outbox.is_full():
            return
        self._outbox.forget_expired(self._now_ms())
        offer = await self._client.leases(room, self._renders())
        self.state, self.position = offer.state, offer.position
        self.lacks = self.lacks if offer.lacks is None else offer.lacks
        self._engine.pause(offer.pauses_ms)
        fresh = self._outbox.take(offer.leases)
        self._ask_at_s = 0.0 if fresh else now_s + max(self._settings.poll_s, offer.again_s)
        self._begin(fresh)

    def _renders(self) -> list[Literal["http", "browser"]]:
        """Return how this node can show pages: in a browser only where one is installed."""
        if "browser" in self._settings.renders:
            try:
                find_chromium(self._settings.chromium, os.environ)
            except WindrowError as error:
                self._note(str(error))
                return [render for render in self._settings.renders if render != "browser"]
        return list(self._settings.renders)

    async def _hand_over(self) -> None:
        """Submit what waits and store verified receipts."""
        while self._outbox.unsent_count() >= (SUBMIT_AT if self._in_flight else 1):
            records = self._outbox.unsent(BATCH_RECORDS_MAX, BATCH_WIRE_BYTES_MAX)
            answers = await self._client.submit(records)
            ends = [self._end_of(record, answer) for record, answer in zip(records, answers, strict=True)]
            settled = [end for end in ends if end is not None]
            self._outbox.settle(settled)
            if not settled:
                return

    def _end_of(self, record: Submission, answer: RecordAnswer) -> Settled | Refused | None:
        """Return what an answer ends a record with, or None when it must be sent again."""
        if not answer.ok:
            facts = {"lease_id": record.lease_id, "reason": answer.error, "detail": answer.detail}
            log.warning("submission refused", extra=facts)
            return None if answer.error in LATER_CODES else Refused(record.lease_id, answer.error)
        digest = record.text_sha256 if isinstance(record, Contribution) else ""
        try:
            receipt = self._client.open_receipt(answer.receipt, record.lease_id, digest)
        except WindrowError as error:
            log.error("receipt refused", extra={"lease_id": record.lease_id, "reason": error.code})
            self._note(str(error))
            return None
        return Settled(record.lease_id, receipt.outcome.value, answer.receipt)

    async def _wait(self, stop: asyncio.Event) -> None:
        """Wait for news, for the next poll, or for the end."""
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._news.wait())]
        left_s = self._ask_at_s - asyncio.get_running_loop().time()
        idle_s = left_s if left_s > 0 else self._settings.poll_s
        timeout = min(1.0, idle_s) if self._in_flight else idle_s
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._news.clear()

    async def _finish(self) -> None:
        """Give up what is being fetched and hand over what is ready."""
        for task in self._batches:
            task.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)
        self._in_flight.clear()
        try:
            async with asyncio.timeout(FINISH_S_MAX):
                await self._hand_over()
            self._tell()
        except (WindrowError, TimeoutError) as error:
            log.warning("left for the next start", extra={"error": str(error)})

    def _note(self, error: str) -> None:
        self._last_error = {"error": error, "at_ms": self._now_ms()}

    def _say_error(self, error: WindrowError) -> None:
        self._note(str(error))
        log.warning("will try again", extra={"reason": error.code, "error": str(error)})
        try:
            self._tell()
        except WindrowError as unwritable:
            log.error("the status cannot be written", extra={"error": str(unwritable)})

    def status(self) -> dict[str, Any]:
        """Return what the node says of itself now."""
        usage, control, decision = self._budget.usage, self._budget.control(), self._budget.decision()
        return {
            "node_id": self._client.node_id,
            "role": self.role,
            "state": self.state,
            "queue_position": self.position,
            "standing_lacks": self.lacks,
            "payout": self._settings.payout,
            "may_work": decision.reason or "yes",
            "why": decision.sentence,
            "control": control.state,
            "paused_until_ms": control.paused_until_ms,
            "in_flight": len(self._in_flight),
            "outbox": self._outbox.counts(),
            "day_bytes": usage.day_bytes,
            "month_bytes": usage.month_bytes,
            "crawl_child_pid": self._engine.child_pid,
            "newer_version": self._newer,
            "last_error": self._last_error.get("error", ""),
            "last_error_at_ms": self._last_error.get("at_ms"),
            "at_ms": self._now_ms(),
        }

    def _tell(self) -> None:
        """Write the status that demos and commands read."""
        write_status(Path(self._settings.home), self.status())
