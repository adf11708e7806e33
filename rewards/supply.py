"""The token's supply on chain, held against what was minted, what was burned, and what the ledger says of it.

Rules: minted less burned is the supply, to the wei, as the token's own transfers from and to nobody tell. The chain
burned at least what the ledger has as burned by sales; the rest holders burned themselves, as anybody may. Only what is
settled is compared.

Does not: compare single sales (`marketplace/payment.py` does), or mint.

Usage: `problems = supply_differences(house, chain)`; an empty list is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewards.ledger import BURNED, balance_of
from storage.house import House

if TYPE_CHECKING:
    from chain.client import ChainClient


def supply_differences(house: House, chain: ChainClient) -> list[str]:
    """Return what differs. Raises WindrowError `chain_unreachable`."""
    block = chain.settled_state()
    if block is None:
        return []  # the contracts themselves are not settled yet, which another check says
    last = chain.head() if block == "pending" else int(block)
    minted, burned = chain.token.minted_and_burned(chain.deployment.block, last)
    supply = chain.token.total_supply(block)
    with house.state.read() as connection:
        by_sales = balance_of(connection, BURNED)
    found = []
    if minted - burned != supply:
        found.append(f"{minted} were minted and {burned} burned, the supply is {supply}")
    if by_sales > burned:
        found.append(f"sales burned {by_sales} by the ledger, the chain burned {burned} in all")
    return found
