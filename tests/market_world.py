"""What the tests of the market share: keys, the running market, a loop for servers."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregator.publish import Export
from chain.client import ChainClient
from chain.keys import key_from_hex
from chain.relayer import Relayer
from marketplace.client import MarketClient, Receipt
from marketplace.payment import record_purchases
from marketplace.routes import routes
from rewards.epochs.closing import Signers, close_epoch
from rewards.routes import routes as reward_routes
from rewards.royalties import run_royalties
from storage.env import Route
from storage.house import House

CHAIN_ID = 31_337
OPERATOR, BUYER, STRANGER = (key_from_hex(f"{number:064x}") for number in (101, 102, 103))
TREASURY = "0x" + "99" * 20
ROYALTY_BPS = 8_000
BURN_BPS = 500
TIMELOCK_S = 1


@dataclass
class Market:
    """The running market."""

    house: House
    chain: ChainClient
    rpc_url: str
    url: str
    export: Export

    def client(self) -> MarketClient:
        return MarketClient(self.url, coordinator_id=self.house.coordinator_id)

    def close_epoch(self) -> Any:
        record_purchases(self.house, self.chain)
        run_royalties(self.house)
        return asyncio.run(close_epoch(self.house, self.chain, Signers(owner=OPERATOR, minter=OPERATOR)))


def doors_of(house: House, chain: ChainClient) -> list[Route]:
    """Return the doors of a market and of what it pays."""

    async def chain_getter() -> ChainClient:
        return chain

    return [
        *routes(house, chain_getter, OPERATOR),
        *reward_routes(house, lambda: chain, lambda: Relayer(chain, OPERATOR)),
    ]


class ServerThread:
    """A loop of its own for a server, so that synchronous clients can be tested against real sockets."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@dataclass
class Bought:
    """An export as the buyer has it, with the proofs of the epoch that paid its owners."""

    folder: Path
    receipt: Receipt
