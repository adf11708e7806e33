"""What is known of the tokens that the ledger has entries of, so that amounts can be said in whole tokens.

Rules: read from the token itself when the house connects to its chain, and kept: an account is told its amounts while
the chain is silent too. What is not known is left out and never guessed: six decimals are not eighteen.

Does not: ask the chain. Usage: `remember(state, "USDC", 6)`; `decimals_of(connection, ["USDC", "WIND"])`.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from storage.state import State, get_meta, set_meta
from windrow_protocol.amounts import OWN_ASSET, OWN_DECIMALS


def remember(state: State, symbol: str, decimals: int) -> None:
    """Keep how many decimals an asset has; again is the same as once."""
    with state.write() as connection:
        set_meta(connection, _key(symbol), str(decimals))


def decimals_of(connection: sa.Connection, symbols: Iterable[str]) -> dict[str, int]:
    """Return the decimals of those assets that are known."""
    kept = {symbol: get_meta(connection, _key(symbol)) for symbol in symbols}
    known = {symbol: int(text) for symbol, text in kept.items() if text is not None}
    return {OWN_ASSET: OWN_DECIMALS} | known


def _key(symbol: str) -> str:
    return f"decimals of {symbol}"
