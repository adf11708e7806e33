"""What goes into the embedded EVM and what comes out of it.

Rules: amounts are wei, times whole seconds, addresses 20 bytes except in the genesis, which people read.

Does not: execute anything; `chain/evm.py` does.

Usage::

    Genesis(chain_id=31337, timestamp_s=0, balances_wei={"0x…": 10**18})
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eth.abc import BlockAPI, ReceiptAPI, SignedTransactionAPI

from windrow_protocol.limits import BLOCK_GAS_MAX


class RefusalError(Exception):
    """The chain refuses a transaction or a call. `data` is what a contract reverted with, None where none ran."""

    def __init__(self, message: str, data: bytes | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Genesis:
    """What the chain starts from. Balances are wei by 0x address."""

    chain_id: int
    timestamp_s: int
    balances_wei: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A message to be tried without being sent. `to` is None for a creation."""

    sender: bytes = bytes(20)
    to: bytes | None = None
    data: bytes = b""
    value_wei: int = 0
    gas: int = BLOCK_GAS_MAX


@dataclass(frozen=True, slots=True)
class Mined:
    """One transaction in its block; also a prepared one that is not committed yet."""

    block: BlockAPI
    transaction: SignedTransactionAPI
    receipt: ReceiptAPI
    sender: bytes
    created: bytes | None
    price_wei: int
    output: bytes

    @property
    def succeeded(self) -> bool:
        """Whether the transaction did what it was sent for."""
        return self.receipt.state_root == b"\x01"
