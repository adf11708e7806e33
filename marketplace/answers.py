"""What a market answers, as its buyer reads it: a quote, a judgement, and the receipt that the buyer keeps.

Rules: amounts are decimal strings of wei, as on the wire; of another asset, of its smallest unit. No price is ever
worked out from that in another asset: where the seller stated none, the version is not sold for it.

Does not: ask or pay (`marketplace.client` does). Usage: `quote: Quote = client.quote("web_text")`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from windrow_protocol.amounts import OWN_DECIMALS
from windrow_protocol.errors import WindrowError

Wei = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$(?!\\n)")]


class AssetFacts(msgspec.Struct, frozen=True):
    """Where payments in one further asset go, and how many decimals its amounts have."""

    token: str
    distributor: str
    market: str
    chain_id: int
    block: int
    decimals: Annotated[int, Meta(ge=0, le=255)]


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
        why = self.not_sold_for(asset)
        if why:
            raise WindrowError("not_found", why)
        return int(self.prices[asset])

    def not_sold_for(self, asset: str) -> str:
        """Why this version is not sold for an asset, in words; empty where it is."""
        what = f"{self.dataset} {self.version} is not sold for {asset[:16]}"
        if asset != self.asset and asset not in self.prices:
            return f"{what}: its seller states no price in that"
        if asset != self.asset and (self.chain is None or asset not in self.chain.assets):
            return f"{what}: the market does not take that at the moment"
        return ""

    def decimals_of(self, asset: str) -> int:
        """How many decimals the market says that an asset has; for words alone. Raises WindrowError `not_found`."""
        if asset == self.asset:
            return OWN_DECIMALS
        if self.chain is None or asset not in self.chain.assets:
            raise WindrowError("not_found", f"the market does not take {asset}"[:120])
        return self.chain.assets[asset].decimals

    def token_of(self, asset: str) -> str:
        """The address of an asset's token, as symbols are anybody's; empty while the market does not know it."""
        facts = (
            None
            if self.chain is None
            else self.chain
            if asset == self.asset
            else self.chain.assets.get(asset)
        )
        return facts.token if facts else ""

    @property
    def assets(self) -> list[str]:
        """The symbols of what this version is sold for, the network's own first."""
        return [self.asset, *(each for each in sorted(self.prices) if not self.not_sold_for(each))]


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
    """What the buyer holds afterwards; also written to `purchase.json`.

    Amounts are decimal strings of wei; of another `asset`, of its smallest unit, of which 10 to the power of `decimals`
    are one token. `token` is its address.
    """

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
    # this and the next two are not in what earlier versions wrote
    burned: str = field(default="0", kw_only=True)
    token: str = field(default="", kw_only=True)
    decimals: int = field(default=OWN_DECIMALS, kw_only=True)
    chain_id: int
    market: str
    tx_hash: str
    sale_id: str
    receipt_jws: str
    files: int
    bytes: int
