"""What a market answers, as its buyer reads it: a quote, a judgement, and the receipt that the buyer keeps.

Rules: amounts are decimal strings of wei, as on the wire.

Does not: ask or pay (`marketplace.client` does). Usage: `quote: Quote = client.quote("web_text")`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from windrow_protocol.errors import WindrowError

Wei = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$(?!\\n)")]


class AssetFacts(msgspec.Struct, frozen=True):
    """Where payments in one further asset go, and how many decimals its amounts have."""

    token: str
    distributor: str
    market: str
    chain_id: int
    block: int
    decimals: int


class ChainFacts(msgspec.Struct, frozen=True):
    """Where payments go: chain, contracts, the block events are read from, and the same of further assets."""

    token: str
    distributor: str
    market: str
    chain_id: int
    block: int
    assets: dict[str, AssetFacts] = {}


class Quote(msgspec.Struct, frozen=True):
    """What is offered and for how much; `price` is a decimal string of wei."""

    dataset: str
    version: str
    title: str
    network: str
    coordinator_id: str
    export_id: str
    manifest_sha256: str
    price: Wei
    asset: str
    listed: bool
    rows: int
    tokens: int
    bytes: int
    languages: dict[str, int]
    chain: ChainFacts | None
    prices: dict[str, Wei] = {}  # in further assets, by symbol, in the smallest unit of each

    @property
    def price_wei(self) -> int:
        """The price in wei."""
        return int(self.price)

    def price_in(self, asset: str) -> int:
        """The price in the smallest unit of an asset. Raises WindrowError `not_found`."""
        if asset == self.asset:
            return self.price_wei
        if asset not in self.prices or self.chain is None or asset not in self.chain.assets:
            raise WindrowError("not_found", f"{self.dataset} {self.version} is not sold for {asset}"[:200])
        return int(self.prices[asset])


class Finding(msgspec.Struct, frozen=True):
    """One assertion as the market found it."""

    assertion: str
    wanted: str
    found: str
    holds: bool


class Judged(msgspec.Struct, frozen=True):
    """How an order under terms ended."""

    accepted: bool
    reason: str
    findings: list[Finding]
    tx_hash: str


@dataclass(frozen=True)
class Receipt:
    """What the buyer holds afterwards; also written to `purchase.json`. Amounts are decimal strings of wei."""

    dataset: str
    version: str
    network: str
    coordinator_id: str
    export_id: str
    manifest_sha256: str
    buyer: str
    asset: str
    price: str
    royalties: str
    fees: str
    burned: str = field(default="0", kw_only=True)  # not in what earlier versions wrote
    chain_id: int
    market: str
    tx_hash: str
    sale_id: str
    receipt_jws: str
    files: int
    bytes: int
