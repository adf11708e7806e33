"""What the coordinator says this node's payout address has earned, and what this node could check of it by itself.

Rules: asked for only while somebody looks, at most once a minute, like every request through the line log. There is a
board for each asset that the address has rows in, since royalties come in what a sale was paid in. Amounts are whole
numbers of the asset's smallest unit. Sums are added up again here; the proof is checked here against the pinned
coordinator's key. What has not been answered is `None`, never zero.

Does not: ask the chain, claim, or make markup.

Usage: `own, *others = await boards.look(wait_s=3)`; `own.statement` is None while there is no data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.coordinator.earnings_proof import Owed, check_proof
from contributor_node.dashboard.wording import Unit
from windrow_protocol.amounts import OWN_ASSET, OWN_DECIMALS
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DASHBOARD_ACCOUNT_AGE_MS

Wei = Annotated[str, Meta(pattern=r"^-?[0-9]{1,78}$")]
Wording = Annotated[str, Meta(max_length=1_000)]
Symbol = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.]{1,16}$(?!\n)")]
PAGE_ROWS = 60
ASSETS_MAX = 16


class Totals(msgspec.Struct, frozen=True):
    """Where an account's money lies."""

    pending_wei: Wei
    bond_wei: Wei
    posted_wei: Wei
    claimed_wei: Wei
    earned_wei: Wei
    held_wei: Wei = "0"  # for months of history, while they can still be taken back


class Waiting(msgspec.Struct, frozen=True):
    """Documents handed in that nothing was decided about yet."""

    documents: int


class Vesting(msgspec.Struct, frozen=True):
    """What one node has pending, what is still missing, and dates that are estimates."""

    node_id: str
    documents: int
    pending_wei: Wei
    audits_wanted: int
    audits_missing: int
    next_vests_at_ms: int | None
    vests_at_ms: int | None


class ReasonSum(msgspec.Struct, frozen=True):
    """One reason, how many rows name it, and what they add up to."""

    reason: str
    sentence: Wording
    rows: int
    amount_wei: Wei


class Entry(msgspec.Struct, frozen=True):
    """One row of the ledger that concerns the account; `cause` is the contribution, sale or epoch."""

    entry_seq: int
    kind: str
    held: str
    sentence: Wording
    cause: str
    amount_wei: Wei
    earned_wei: Wei
    created_at_ms: int


class Statement(msgspec.Struct, frozen=True):
    """The answer of GET /v1/accounts/{payout}/entries."""

    account: str
    totals: Totals
    waiting: Waiting
    vesting: list[Vesting]
    reasons: list[ReasonSum]
    entries: list[Entry]
    next_before_seq: int | None
    asset: Symbol = OWN_ASSET
    assets: Annotated[list[Symbol], Meta(max_length=ASSETS_MAX)] = []
    decimals: Annotated[dict[Symbol, Annotated[int, Meta(ge=0, le=255)]], Meta(max_length=ASSETS_MAX)] = {}

    def adds_up(self) -> bool:
        """Say whether the reasons sum to what was earned, and that to what lies where."""
        told = self.totals
        parts = (told.pending_wei, told.bond_wei, told.held_wei, told.posted_wei, told.claimed_wei)
        held = sum(int(part) for part in parts)
        return held == int(told.earned_wei) == sum(int(row.amount_wei) for row in self.reasons)


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known, since when, and why not more. `refusal` is why there is no statement, `proof_refusal` no proof."""

    statement: Statement | None = None
    owed: Owed | None = None
    at_ms: int = 0
    refusal: str = ""
    proof_refusal: WindrowError | None = None
    asset: str = OWN_ASSET

    @property
    def unit(self) -> Unit:
        """What the amounts are counted in."""
        known = self.statement.decimals.get(self.asset) if self.statement else None
        return Unit(self.asset, OWN_DECIMALS if self.asset == OWN_ASSET else known)


class MoneyBoards:
    """One account in every asset that it has rows in."""

    def __init__(self, client: CoordinatorClient, payout: str, now_ms: Callable[[], int]) -> None:
        self._client, self._payout, self._now_ms = client, payout, now_ms
        self._boards: dict[str, MoneyBoard] = {}

    async def look(self, wait_s: float) -> list[Looked]:
        """Return what is known in the network's own asset, and then in each other that it names."""
        own = await self.of(OWN_ASSET).look(wait_s)
        named = own.statement.assets if own.statement else []
        others = [self.of(asset) for asset in named if asset != OWN_ASSET]
        return [own, *await asyncio.gather(*(board.look(wait_s) for board in others))]

    def of(self, asset: str) -> MoneyBoard:
        """Return the board of an asset that `look` has named."""
        if asset not in self._boards:
            self._boards[asset] = MoneyBoard(self._client, self._payout, self._now_ms, asset)
        return self._boards[asset]

    async def close(self) -> None:
        """Give up what is being asked."""
        for board in self._boards.values():
            await board.close()


class MoneyBoard:
    """One account in one asset, looked at now and then."""

    def __init__(
        self, client: CoordinatorClient, payout: str, now_ms: Callable[[], int], asset: str = OWN_ASSET
    ) -> None:
        self._client, self._payout, self._now_ms, self._asset = client, payout, now_ms, asset
        self._asking: asyncio.Task[None] | None = None
        self._asked_at_ms = 0
        self._looked = Looked(asset=asset)

    async def look(self, wait_s: float) -> Looked:
        """Return what is known, asking first when that is old, but not waiting longer than so many seconds."""
        is_old = self._now_ms() - self._asked_at_ms > DASHBOARD_ACCOUNT_AGE_MS
        if self._asking is None and is_old:
            self._asked_at_ms = self._now_ms()
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None and wait_s:
            await asyncio.wait({self._asking}, timeout=wait_s)
        return self._looked

    async def older(self, before_seq: int) -> Looked:
        """Return what is known with the rows before one. Raises WindrowError when nobody answers."""
        return replace(self._looked, statement=await self._statement(f"&before_seq={before_seq}"))

    async def close(self) -> None:
        """Give up what is being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            statement = await self._statement("")
            self._looked = Looked(statement, at_ms=self._now_ms(), asset=self._asset)
            self._looked = replace(self._looked, owed=await self._owed())
        except WindrowError as error:
            if self._looked.at_ms >= self._asked_at_ms:
                self._looked = replace(self._looked, proof_refusal=error)
            else:
                self._looked = replace(self._looked, refusal=error.reason.sentence)
        finally:
            self._asking = None

    async def _statement(self, more: str) -> Statement:
        of_it = "" if self._asset == OWN_ASSET else f"&asset={self._asset}"
        path = f"/v1/accounts/{self._payout}/entries?limit={PAGE_ROWS}{of_it}{more}"
        statement = await self._client.fetch(path, Statement)
        if statement.asset != self._asset:
            raise WindrowError(
                "bad_coordinator_answer", f"asked for {self._asset}, told of {statement.asset}"
            )
        return statement

    async def _owed(self) -> Owed:
        """Return what the newest accepted epoch owes, as far as this machine can see that it does."""
        pin = self._client.pin
        if pin is None:
            raise WindrowError("not_running", "no coordinator has been met yet")
        answer: dict[str, Any] = await self._client.fetch(
            f"/v1/epochs/latest/proof/{self._payout}?asset={self._asset}", dict[str, Any]
        )
        return check_proof(
            answer,
            self._payout,
            coordinator_id=pin.coordinator_id,
            network=pin.network,
            now_ms=self._now_ms(),
            asset=self._asset,
        )
