"""Amounts of tokens in words: every asset has decimals of its own, and 6 of USDC are not 18 of WIND.

Rules: exact, by whole numbers and decimals, never by floats. An asset is named with every amount.

Does not: know which assets exist, or convert one into another: no rate between assets stands anywhere in Windrow.

Usage: `token_text(250_000, 6)` → `0.25`; `units_text(250_000, "USDC")` → `250000 units of USDC`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

OWN_ASSET: Final = "WIND"  # the network's own token, whose smallest unit is called wei
OWN_DECIMALS: Final = 18


def token_text(units: int, decimals: int) -> str:
    """Return an amount in a token's smallest unit as whole tokens, exactly and without trailing zeros."""
    return f"{Decimal(f'{units}e-{decimals}').normalize():f}"


def units_text(units: int, asset: str) -> str:
    """Return an amount in an asset's smallest unit in words, where its decimals are not known or could be a lie."""
    return f"{units} wei" if asset == OWN_ASSET else f"{units} units of {asset}"


def priced_text(units: int, asset: str, decimals: int) -> str:
    """Return an amount both ways: `250000 units of USDC (0.25 USDC)`."""
    return f"{units_text(units, asset)} ({token_text(units, decimals)} {asset})"
