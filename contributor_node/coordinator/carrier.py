"""Brings away what its owner gave and had time to take back: from the review, over the outbox, to the coordinator.

Rules: an item leaves only when its time has come; each request stands in the line log first, like every request of the
node; only a receipt that verifies counts. An outage is waited out, any other refusal is final and shown. A home in
which nothing was ever given costs one look at the disk now and then.

Does not: ask for consent, sign donations, or look into them.

Usage::

    carrier = Carrier(home, client, now_ms)
    task = asyncio.create_task(carrier.run())
    carrier.wake()
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from contributor_node.coordinator.client import CoordinatorClient
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CARRIER_WAIT_S, MONTHS_ASKED_MS_MIN, STATUS_MONTHS_MAX
from windrow_protocol.personal.messages import PersonalContribution, PersonalPay, PersonalWithdrawal

if TYPE_CHECKING:
    from extension_bridge.delivery import Parties
    from extension_bridge.outbox import Outbox

log = logging.getLogger(__name__)
FILE = "bridge.db"
AT_ONCE = 16


class _Taken(msgspec.Struct, frozen=True):
    """The answer of POST /v1/personal."""

    receipt: str


class Month(msgspec.Struct, frozen=True):
    """What one month of history was judged to be and earned, in wei."""

    month: str
    state: str
    items: int
    sentence: str
    held_wei: str
    posted_wei: str
    posts_at_ms: int | None
    share_ppm: int = 0  # the part of a full month that it is paid as, once it counts


class Months(msgspec.Struct, frozen=True):
    """The answer of POST /v1/personal/pay."""

    months: list[Month]


class Carrier:
    """The one of a running node that takes donations out of its home."""

    def __init__(self, home: Path, client: CoordinatorClient, now_ms: Callable[[], int]) -> None:
        self._path, self._client, self._now_ms = home / FILE, client, now_ms
        self._woken = asyncio.Event()
        self._asked_at_ms = 0

    def wake(self) -> None:
        """Look again now."""
        self._woken.set()

    async def run(self) -> None:
        """Carry until cancelled."""
        while True:
            self._woken.clear()
            wait_s = float(CARRIER_WAIT_S)
            try:
                wait_s = await self.carry()
            except WindrowError as error:
                log.warning("donations wait", extra={"reason": error.code, "detail": error.detail})
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def carry(self) -> float:
        """Take away what is due and return after how many seconds to look again. Raises WindrowError."""
        if not self._path.exists():
            return CARRIER_WAIT_S
        from extension_bridge.drafts import Drafts  # only who gives pays for these in memory
        from extension_bridge.outbox import Outbox

        with Outbox.open(self._path) as outbox:
            drafts = Drafts(outbox.file)
            drafts.leave(self._now_ms(), AT_ONCE)
            handed = await self._deliver(outbox)
            await self._take_back(outbox)
            await self._look_at_pay(outbox)
            next_ms = drafts.next_leaves_at_ms()
        if handed == AT_ONCE:
            return 0
        left_s = CARRIER_WAIT_S if next_ms is None else (next_ms - self._now_ms()) / 1_000
        return max(0.0, min(left_s, CARRIER_WAIT_S))

    async def _deliver(self, outbox: Outbox) -> int:
        """Hand in the oldest waiting donations; return how many were answered, stopping at an outage."""
        from extension_bridge.delivery import PURPOSE, checked_receipt, is_final

        waiting = outbox.waiting(AT_ONCE)
        for place, (contribution_id, body) in enumerate(waiting):
            try:
                donation = msgspec.json.decode(body, type=PersonalContribution)
                parties = self._parties()
                if not outbox.sending(contribution_id, self._now_ms()):
                    continue
                answer = await self._client.ask("/v1/personal", PURPOSE, donation, _Taken)
                kept = outbox.get(contribution_id)
                outbox.receipt(
                    contribution_id, checked_receipt(answer.receipt, kept, parties, now_ms=self._now_ms())
                )
            except WindrowError as error:
                if not is_final(error):
                    outbox.note(contribution_id, error)
                    return place
                outbox.refusal(contribution_id, error)
        return len(waiting)

    async def _take_back(self, outbox: Outbox) -> None:
        """Hand in signed withdrawals; what could not be handed in is tried again."""
        from extension_bridge.delivery import checked_receipt, is_final
        from extension_bridge.withdrawal import RECEIPT_PURPOSE, REQUEST_PURPOSE

        for contribution_id, token in outbox.withdrawals(AT_ONCE):
            is_answered = False
            try:
                wish, parties = PersonalWithdrawal(withdrawal_jws=token), self._parties()
                answer = await self._client.ask("/v1/personal/withdrawals", REQUEST_PURPOSE, wish, _Taken)
                is_answered = True
                kept, now_ms = outbox.get(contribution_id), self._now_ms()
                receipt = checked_receipt(
                    answer.receipt, kept, parties, now_ms=now_ms, purpose=RECEIPT_PURPOSE
                )
                outbox.removal(contribution_id, receipt)
            except WindrowError as error:
                outbox.note(contribution_id, error)
                if not (is_answered or is_final(error)):
                    return

    async def _look_at_pay(self, outbox: Outbox) -> None:
        """Ask now and then what the months that were given have earned; what is not answered is asked later."""
        now_ms = self._now_ms()
        if now_ms - self._asked_at_ms < MONTHS_ASKED_MS_MIN or not outbox.counts()["delivered"]:
            return
        self._asked_at_ms = now_ms
        try:
            told = await self._client.ask("/v1/personal/pay", "personal_pay", PersonalPay(), Months)
        except WindrowError as error:
            log.info("months of history: no answer", extra={"reason": error.code})
            return
        newest = Months(told.months[:STATUS_MONTHS_MAX])
        outbox.note_months(msgspec.json.encode(newest).decode())

    def _parties(self) -> Parties:
        from extension_bridge.delivery import Parties

        pin = self._client.pin
        if pin is None:
            raise WindrowError("not_running", "no coordinator has been met yet")
        return Parties(pin.network, pin.coordinator_id, self._client.node_id)
