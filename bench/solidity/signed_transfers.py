"""Transfers of the token that one payer signed (EIP-3009), as x402 clients sign them, and what became of each.

Rules: a nonce is used once; each transfer comes with the signature that would cancel it.

Does not: call anything.

Usage: `one = SignedTransfers(domain, payee, (1, 3), random.Random(1)).draw(now_s)`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.typed_data import Authorization, TokenDomain, cancel_authorization, transfer_authorization

PAYER: Final[LocalAccount] = Account.from_key(b"\x0b" * 32)
_LIVES_S: Final = (60, 86_400)
_LAST: Final = 4  # older ones have expired, mostly


@dataclass
class Signed:
    """A transfer that was signed, and what became of it."""

    value: int
    until_s: int
    nonce: bytes
    signature: bytes
    cancellation: bytes
    used: bool = False
    sold: bool = False


class SignedTransfers:
    """All that were signed for one payee."""

    def __init__(self, domain: TokenDomain, payee: str, values: Sequence[int], drawn: random.Random) -> None:
        self._domain = domain
        self._payee = payee
        self._values = values
        self._drawn = drawn
        self._signed: list[Signed] = []

    def draw(self, now_s: int) -> Signed:
        """Return a new one, or one of the last, used or not."""
        if self._signed and self._drawn.random() < 0.6:
            return self._drawn.choice(self._signed[-_LAST:])
        nonce = len(self._signed).to_bytes(32, "big")
        value, until_s = self._drawn.choice(self._values), now_s + self._drawn.choice(_LIVES_S)
        wanted = Authorization(PAYER.address, self._payee, value, 0, until_s, nonce)
        transfer = _signature(transfer_authorization(self._domain, wanted))
        cancellation = _signature(cancel_authorization(self._domain, PAYER.address, nonce))
        self._signed.append(Signed(value, until_s, nonce, transfer, cancellation))
        return self._signed[-1]


def _signature(message: dict[str, Any]) -> bytes:
    return bytes(PAYER.sign_typed_data(full_message=message).signature)
