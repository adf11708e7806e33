"""What an operator can have done on chain: offers, sales, claims and epochs, and whether the books agree with it.

Rules: `busy` is held while anything is written; the logs are taken up first (`settle_logs`), so that what is recorded
follows all that is stored.

Does not: connect (`chain_link`), or decide what is published or owed.

Usage: `await ChainOperations(house, chain, busy, settle_logs).sales()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from marketplace.acceptance import finish_orders
from marketplace.other_assets import close_beside, list_beside
from marketplace.payment import close_retired, list_on_chain, record_purchases
from marketplace.taken_payments import TakenPayments
from rewards.epochs.closing import Signers, close_epoch
from rewards.epochs.rows import Epoch
from rewards.ledger import balance_of
from rewards.personal.pay import POOL, fund
from rewards.royalties import run_royalties
from rewards.settlement import reconcile_claims, relay_due_of_each
from storage.house import House
from storage.pay_terms import terms_now
from windrow.chain_link import ChainLink
from windrow.ledger_report import verify_books
from windrow_protocol.economics import Economics
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from chain.client import ChainClient

ON_CHAIN: Final = ("sales", "chain", "ledger_verify", "personal_fund")


class ChainOperations:
    """The operations over one house and its chain."""

    def __init__(
        self, house: House, chain: ChainLink, busy: asyncio.Lock, settle_logs: Callable[[], Awaitable[int]]
    ) -> None:
        self._house, self._chain = house, chain
        self._busy, self._settle_logs = busy, settle_logs

    async def offer(self) -> None:
        """Offer every published version for sale; called with `busy` held."""
        client = await self._chain.client()
        await asyncio.to_thread(self._list, client)

    async def close_each(self) -> list[Epoch]:
        """Close an epoch of every asset that has anything new, and send the claims that are large enough.

        The network's own is first where it has. Called with `busy` held. Raises WindrowError `nothing_to_settle`.
        """
        client = await self._chain.client()
        closed = await self._closed(client)
        relayer, of = self._chain.claims_relayer(), self._in_force()
        await asyncio.to_thread(relay_due_of_each, self._house, client, relayer, of)
        return closed

    async def sales(self) -> dict[str, Any]:
        """Record new sales and claims from the chain and credit their royalties; send payments again that it lost."""
        house = self._house
        client = await self._chain.client()
        async with self._busy:
            await self._settle_logs()
            if client.depth_blocks:  # an offer that a reorganisation took back is made again
                await asyncio.to_thread(self._list, client)
            await asyncio.to_thread(close_retired, house, client, self._chain.operator)
            await asyncio.to_thread(close_beside, house, client, self._chain.operator)
            recorded = 0
            for one in client.of_each_asset():
                recorded += await asyncio.to_thread(self._sold, one)
            await asyncio.to_thread(run_royalties, house)
            for one in client.of_each_asset():
                await asyncio.to_thread(reconcile_claims, house, one)
        return {"recorded": recorded}

    def _sold(self, client: ChainClient) -> int:
        """End what waits on the market of one asset, and record what was sold there."""
        house = self._house
        finish_orders(house, client, self._chain.operator)
        TakenPayments(house).look(client, self._chain.operator)
        return len(record_purchases(house, client))

    async def ledger_verify(self) -> dict[str, Any]:
        """Hold the books against their own rules and the chain; the claims that it shows are recorded first."""
        await self.sales()
        client = await self._chain.client()
        async with self._busy:
            return await asyncio.to_thread(verify_books, self._house, client)

    async def chain(self) -> dict[str, Any]:
        """Connect to the chain and say where it and its contracts are."""
        await self._chain.client()
        return self._chain.facts()

    async def _closed(self, client: ChainClient) -> list[Epoch]:
        signers, closed = Signers(owner=self._chain.operator, minter=self._chain.operator), []
        for one in client.of_each_asset():
            try:
                closed.append(await close_epoch(self._house, one, signers))
            except WindrowError as error:
                if error.code != "nothing_to_settle":
                    raise
                nothing = error
        if not closed:
            raise nothing
        return closed

    def _in_force(self) -> Economics:
        """Return the economic parameters of the audit epoch under way."""
        with self._house.state.read() as connection:
            return terms_now(connection, self._house).economics

    def _list(self, client: ChainClient) -> None:
        of = self._in_force()
        house, operator = self._house, self._chain.operator
        list_on_chain(house, client, operator, of.royalty_bps, of.burn_bps)
        list_beside(house, client, operator, of.royalty_bps)

    async def personal_fund(self, amount_wei: str) -> dict[str, str]:
        """Set WIND of the operator's own aside for months of history: it goes to the reserve that pays them."""
        amount = _wei(amount_wei)
        client = await self._chain.client()
        async with self._busy:
            sent = await asyncio.to_thread(
                client.token.transfer, self._chain.operator, client.distributor.reserve, amount
            )
            with self._house.state.write() as connection:
                fund(connection, amount, sent.tx, self._house.now_ms())
                return {"pool_wei": str(balance_of(connection, POOL)), "tx": sent.tx}


def _wei(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 38 and int(text)):
        raise WindrowError("wrong_schema", "an amount is a whole number of wei above 0")
    return int(text)
