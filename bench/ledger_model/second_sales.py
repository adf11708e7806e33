"""Sales and claims once more, in plain dictionaries: what royalties, burns, fees and payments must come to, by asset.

Rules: written from the protocol's text and not from `rewards/`; the largest remainders are found with fractions.

Does not: know of pay for work (`second_ledger`).

Usage: `second = SecondSales(); second.sell("WIND", 1_003, 703, 150, {"0xAb…": 200, "": 100})`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from math import floor


class SecondSales:
    """The balance of every account that a sale or a claim moves, by asset and name."""

    def __init__(self) -> None:
        self.balances: defaultdict[tuple[str, str], int] = defaultdict(int)

    def sell(self, asset: str, price: int, royalties: int, burned: int, tokens: Mapping[str, int]) -> None:
        """Sell an export whose owners have so many tokens each; what the empty name has is the treasury's."""
        self.balances[asset, "buyers"] -= price
        self.balances[asset, "burned"] += burned
        self.balances[asset, "treasury"] += price - royalties - burned
        for owner, part in _parts(royalties, tokens).items():
            self.balances[asset, f"posted:{owner}" if owner else "treasury"] += part

    def claim(self, asset: str, owner: str, amount: int) -> None:
        """Pay an owner on chain."""
        self.balances[asset, f"posted:{owner}"] -= amount
        self.balances[asset, f"claimed:{owner}"] += amount


def _parts(amount: int, tokens: Mapping[str, int]) -> dict[str, int]:
    """Give each owner the whole units of their exact part, and one more to the largest remainders."""
    whole = sum(tokens.values())
    if not whole:
        return {"": amount}
    exact = {owner: Fraction(amount * weight, whole) for owner, weight in tokens.items()}
    parts = {owner: floor(part) for owner, part in exact.items()}
    # Rows of nobody stand under the name of the treasury, also where remainders are equal.
    ranked = sorted(exact, key=lambda owner: (parts[owner] - exact[owner], (owner or "treasury").lower()))
    for owner in ranked[: amount - sum(parts.values())]:
        parts[owner] += 1
    return parts
