"""How long one request may take: the lease counts what the host takes, never what our own speed cap makes it wait.

Rules: while a chunk waits for the owner's speed cap the clock of the lease stands still, however many chunks wait at
once. A host is thus never called slow because the line is capped.

Does not: know requests, or how long a cap makes wait.

Usage::

    patience = Patience(time_s_max=20)
    async with patience.with_host():
        await relay(counted=patience.beside(meter.count))
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contributor_node.egress.relay import Counted, Way
from windrow_protocol.errors import WindrowError


class Patience:
    """The time of one request."""

    def __init__(self, time_s_max: int) -> None:
        self._time_s_max = time_s_max
        self._timeout: asyncio.Timeout | None = None
        self._left_s = 0.0
        self._waiting = 0

    @asynccontextmanager
    async def with_host(self) -> AsyncIterator[None]:
        """Raise WindrowError `fetch_timeout` once the host has taken longer than the lease allows."""
        try:
            async with asyncio.timeout(self._time_s_max) as self._timeout:
                yield
        except TimeoutError as error:
            raise WindrowError("fetch_timeout", f"more than {self._time_s_max} s") from error

    def beside(self, counted: Counted) -> Counted:
        """Return a meter's `count` during which the lease's time stands still."""

        async def count(bytes_n: int, way: Way) -> None:
            self._stop()
            try:
                await counted(bytes_n, way)
            finally:
                self._go_on()

        return count

    def _stop(self) -> None:
        if self._timeout is not None and not self._waiting and (due_s := self._timeout.when()) is not None:
            self._left_s = due_s - asyncio.get_running_loop().time()
            self._timeout.reschedule(None)
        self._waiting += 1

    def _go_on(self) -> None:
        self._waiting -= 1
        if self._timeout is not None and not self._waiting and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._left_s)
