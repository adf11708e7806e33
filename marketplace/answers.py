"""What a market answers, as its buyer reads it: a quote, a judgement, and the receipt that the buyer keeps.

Rules: amounts are decimal strings of wei, as on the wire.

Does not: ask or pay (`marketplace.client` does). Usage: `quote: Quote = client.quote("web_text")`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

Wei = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$(?!\\n)")]


class ChainFacts(msgspec.Struct, frozen=True):
    """Where payments go: chain, contracts, and the block events are read from."""

    token: str
    distributor: str
    market: str
    chain_id: int
    block: int


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

    @property
    def price_wei(self) -> int:
        """The price in wei."""
        return int(self.price)


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
