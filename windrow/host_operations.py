"""What an operator can have done about hosts, and what is owed to their publishers in the background.

Rules: what erases waits until nobody publishes and no file of the lake is being rewritten (`quiet`).

Does not: fetch a proof (`domain_proof`). Usage: `await HostOperations(house, eraser, quiet).list()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from aggregator.assignment.withheld import withheld_hosts
from aggregator.erasure import Eraser
from aggregator.takedowns import Takedowns, host_named, token_of
from storage.house import House


class HostOperations:
    """The operations over hosts."""

    def __init__(
        self, house: House, eraser: Eraser, quiet: Callable[[], AbstractAsyncContextManager[Any]]
    ) -> None:
        self._house, self._quiet = house, quiet
        self._takedowns = Takedowns(house, eraser)

    async def token(self, host: str) -> dict[str, str]:
        """Return the token by which the publisher of a host shows that it is theirs."""
        named = host_named(host)
        return {"host": named, "token": token_of(self._house, named)}

    async def takedown(self, host: str, proof: str, reason: str, subdomains: bool = False) -> dict[str, Any]:
        """Leave a host alone from now on, erase what can be erased of it, and return that with a signed receipt."""
        made = await asyncio.to_thread(
            self._takedowns.order, host, proof=proof, reason=reason, subdomains=subdomains
        )
        erased = await self.sweep()
        return {**made, "documents_erased": erased, "receipt": self._takedowns.receipt(host)}

    async def release(self, host: str, reason: str) -> dict[str, Any]:
        """Let a host be fetched again."""
        return await asyncio.to_thread(self._takedowns.release, host, reason)

    async def receipt(self, host: str) -> dict[str, str]:
        """Return a signed receipt of what became of an order by now."""
        return {"receipt": await asyncio.to_thread(self._takedowns.receipt, host)}

    async def list(self) -> list[dict[str, Any]]:
        """Return the orders in force."""
        with self._house.state.read() as connection:
            orders = withheld_hosts(connection).orders
        return [dict(row._mapping) for _, row in sorted(orders.items())]

    async def sweep(self) -> int:
        """Erase what is stored of hosts that were taken down and can be erased by now; return how many documents."""
        erased = 0
        while True:
            async with self._quiet():
                done = await asyncio.to_thread(self._takedowns.sweep)
            if not done:
                return erased
            erased += done
