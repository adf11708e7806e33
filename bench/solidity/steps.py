"""One step of a sequence: a call with what a model written apart from the contract says will come of it.

Rules: a model keeps its own state in Python, decides the exact error a contract will refuse with, or what changes, and
is compared with the contract after every call. It shares no code with the contract or with `chain/`.

Does not: call anything.

Usage: `Step("market", BUYER, "buy", (export,), expected="", effect=lambda: …)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def nothing() -> None:
    """The effect of a call that changes nothing, or that is refused."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call to `contract` ("token", "market", "distributor" or "reserve"); `expected` names its error, or nothing."""

    contract: str
    sender: str
    function: str
    arguments: tuple[Any, ...]
    expected: str
    effect: Callable[[], None] = nothing


class Balances:
    """Who has how much of the token, as a model counts it."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def add(self, account: str, amount: int) -> None:
        """Give or take; a model that would take more than there is has a fault of its own."""
        self.of[account] = self.of.get(account, 0) + amount
        if self.of[account] < 0:
            raise AssertionError(f"the model took too much from {account}")

    def move(self, giver: str, taker: str, amount: int) -> None:
        """Move an amount."""
        self.add(giver, -amount)
        self.add(taker, amount)

    def get(self, account: str) -> int:
        """What an account has."""
        return self.of.get(account, 0)
