"""The node's day: ask whether it may work, take leases, fetch, keep the result, hand it over, keep the receipt.

Rules: everything is on disk before it leaves and until its receipt is verified; a killed node goes on where it was. A
page without text is reported as `not_found`, because there is nothing to give. What the engine could not finish by
our own fault is left to expire: nothing is made up.

Does not: fetch (see `crawl`) or know HTTP (see `coordinator_client`).

Usage: `await WorkCycle(settings, ...).run(stop)`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog

from contributor_node.budget import Budget
from contributor_node.chromium import find_chromium
from contributor_node.coordinator_client import CoordinatorClient
from contributor_node.crawl import CrawlEngine
from contributor_node.crawl_wire import CrawlResult
from contributor_node.identity import pin_coordinator, write_durably
from contributor_node.outbox import Outbox
from contributor_node.settings import NodeSettings
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import BATCH_RECORDS_MAX, BATCH_WIRE_BYTES_MAX, TEXT_BYTES_MAX, TITLE_CHARS_MAX
from windrow_protocol.messages import (
    Contribution,
    Lease,
    Outcome,
    Receipt,
    Report,
    Submission,
    contribution_id_for,
)

log = structlog.get_logger(__name__)
AGENT = "windrow/0.1"
STATUS_FILE = "status.json"
SUBMIT_AT = 25  # results, or whenever nothing is being fetched
LATER_CODES = frozenset(
    {"busy", "too_many_requests", "clock_skew", "signature_expired", "not_running", "replayed"}
)


def submission_for(result: CrawlResult, node_id: str) -> Submission:
    """Return the record that a crawl result becomes: a contribution where there is text, else a report."""
    text = normalise_text(result.text)
    has_text = result.outcome is Outcome.FETCHED and bool(text)
    if not has_text:
        outcome = Outcome.NOT_FOUND if result.outcome is Outcome.FETCHED else result.outcome
        detail = result.detail if result.outcome is not Outcome.FETCHED else "the page has no text"
        return Report(
            lease_id=result.lease_id,
            url=result.url,
            outcome=outcome,
            fetched_at_ms=result.fetched_at_ms,
            http_status=result.http_status,
            detail=detail[:256],
            bytes_wire=result.bytes_wire,
        )
    if len(text.encode()) > TEXT_BYTES_MAX:
        text = normalise_text(text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore"))
    return Contribution(
        contribution_id=contribution_id_for(result.lease_id, node_id),
        lease_id=result.lease_id,
        url=result.url,
        final_url=result.final_url,
        http_status=result.http_status,
        content_type=result.content_type[:256],
        fetched_at_ms=result.fetched_at_ms,
        robots_state=result.robots_state,
        optout_signals=result.optout_signals,
        raw_sha256=result.raw_sha256,
        text=text,
        text_sha256=text_sha256(text),
        title=result.title[:TITLE_CHARS_MAX],
        extractor_version=result.extractor_version,
        bytes_wire=result.bytes_wire,
    )


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
        self._last_error = ""
        self.role = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is unsent then stays in the outbox."""
        await self._introduce(stop)
        self._begin(self._outbox.open_leases(self._now_ms()))
        while not stop.is_set():
            try:
                await self._hand_over()
                worked = await self._take_work()
            except WindrowError as error:
                worked = False
                self._last_error = str(error)
                log.warning("round_failed", error=str(error))
            self._tell()
            await self._wait(stop, worked)
        await self._finish()

    async def _introduce(self, stop: asyncio.Event) -> None:
        """Pin the coordinator and register, for as long as it takes."""
        while not stop.is_set():
            try:
                facts = await self._client.network()
                home, coordinator = Path(self._settings.home), self._settings.coordinator
                self._client.pin = pin_coordinator(
                    home, coordinator, str(facts["network"]), str(facts["coordinator_id"])
                )
                answer = await self._client.register(self._settings.payout, AGENT, self._settings.region)
            except WindrowError as error:
                if error.code not in LATER_CODES:
                    raise
                self._last_error = str(error)
                self._tell()
                await self._wait(stop, worked=False)
            else:
                self.role = str(answer["role"])
                return

    def _begin(self, leases: list[Lease]) -> None:
        fresh = [lease for lease in leases if lease.lease_id not in self._in_flight]
        if not fresh:
            return
        self._in_flight.update(lease.lease_id for lease in fresh)
        task = asyncio.create_task(self._fetch(fresh))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _fetch(self, leases: list[Lease]) -> None:
        """Crawl some leases, keeping each result as it comes."""
        try:
            async for result in self._engine.crawl(leases):
                self._outbox.put(submission_for(result, self._client.node_id))
                self._in_flight.discard(result.lease_id)
                self._news.set()
        finally:
            self._in_flight.difference_update(lease.lease_id for lease in leases)
            self._news.set()

    async def _take_work(self) -> bool:
        """Ask for leases when there is room for them; returns whether there was any work."""
        room = self._settings.batch - len(self._in_flight)
        if room < max(1, self._settings.batch // 2):
            return True
        if not self._budget.decision().allowed or self._outbox.is_full():
            return bool(self._in_flight)
        leases = await self._client.leases(room, self._renders())
        self._outbox.take(leases)
        self._begin(leases)
        return bool(leases)

    def _renders(self) -> list[Literal["http", "browser"]]:
        """Return how this node can show pages: in a browser only where one is installed."""
        if "browser" in self._settings.renders:
            try:
                find_chromium(self._settings.chromium, os.environ)
            except WindrowError as error:
                self._last_error = str(error)
                return [render for render in self._settings.renders if render != "browser"]
        return list(self._settings.renders)

    async def _hand_over(self) -> None:
        """Submit what waits and store verified receipts."""
        while True:
            records = self._outbox.unsent(BATCH_RECORDS_MAX, BATCH_WIRE_BYTES_MAX)
            if not records or (len(records) < SUBMIT_AT and self._in_flight):
                return
            answers = await self._client.submit(records)
            kept = [self._settle(record, answer) for record, answer in zip(records, answers, strict=True)]
            if not any(kept):
                return

    def _settle(self, record: Submission, answer: dict[str, Any]) -> bool:
        """Store one answer and say whether the record is done with."""
        if not answer.get("ok"):
            code = str(answer.get("error", "not_running"))
            log.warning(
                "submission_refused", lease_id=record.lease_id, reason=code, detail=answer.get("detail")
            )
            if code in LATER_CODES:
                return False
            self._outbox.refuse(record.lease_id, code)
            return True
        receipt = msgspec.convert(self._client.check(str(answer["receipt"]), "receipt").content, Receipt)
        digest = record.text_sha256 if isinstance(record, Contribution) else ""
        if (receipt.lease_id, receipt.content_sha256) != (record.lease_id, digest):
            raise WindrowError("bad_signature", f"the receipt for {record.lease_id} is for something else")
        self._outbox.settle(record.lease_id, receipt.outcome.value, str(answer["receipt"]))
        return True

    async def _wait(self, stop: asyncio.Event, worked: bool) -> None:
        """Wait for news, for the next poll, or for the end."""
        busy = worked or bool(self._in_flight)
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._news.wait())]
        timeout = min(1.0, self._settings.poll_s) if busy else self._settings.poll_s
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
            await self._hand_over()
        except WindrowError as error:
            self._last_error = str(error)
        self._tell()

    def _tell(self) -> None:
        """Write the status that dashboards and demos read."""
        usage = self._budget.usage
        status = {
            "node_id": self._client.node_id,
            "role": self.role,
            "payout": self._settings.payout,
            "in_flight": len(self._in_flight),
            "outbox": self._outbox.counts(),
            "day_bytes": usage.day_bytes,
            "month_bytes": usage.month_bytes,
            "crawl_child_pid": self._engine.child_pid,
            "last_error": self._last_error,
            "at_ms": self._now_ms(),
        }
        write_durably(Path(self._settings.home) / STATUS_FILE, msgspec.json.encode(status))


def read_status(home: Path) -> dict[str, Any]:
    """Return what a node last said of itself; empty when it never ran. Raises WindrowError `bad_config`."""
    try:
        return dict(msgspec.json.decode((home / STATUS_FILE).read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise WindrowError("bad_config", f"{home / STATUS_FILE}: {error}") from error
