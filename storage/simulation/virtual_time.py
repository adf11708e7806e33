"""Time that passes only when nothing is left to do, and randomness that a seed repeats.

Rules: the event loop never waits: when every task sleeps, the clock jumps to the next of them. A simulated week takes
as long as its work, and the same seed always gives the same order of events.

Does not: touch sockets or threads; a task that waits for one would wait for ever, and is told so.

Usage::

    with virtual_time() as loop:
        loop.run_until_complete(main())
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any


class _NoSelector(selectors.DefaultSelector):
    """Finds nothing ready, at once, and moves the loop's time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let the time pass that the loop would have waited."""
        if timeout is None:
            raise RuntimeError("every task waits for something that cannot happen")
        self.now_s += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting costs nothing."""

    def __init__(self) -> None:
        self._passing = _NoSelector()
        super().__init__(self._passing)

    def time(self) -> float:
        """Return the virtual time in seconds since the loop began."""
        return self._passing.now_s


@contextmanager
def virtual_time() -> Iterator[VirtualTimeLoop]:
    """A loop of its own, closed at the end of the block with whatever still waits in it."""
    loop = VirtualTimeLoop()
    loop.set_exception_handler(lambda _loop, _context: None)  # tasks of a crashed life end unheard
    try:
        yield loop
    finally:
        waiting = asyncio.all_tasks(loop)
        for task in waiting:
            task.cancel()
        if waiting:
            loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        loop.close()


class SimulatedClock:
    """The loop's time as a wall clock; `skew_ms` is how wrong the machine's clock is."""

    def __init__(self, loop: VirtualTimeLoop, start_ms: int, skew_ms: int = 0) -> None:
        self._loop = loop
        self._start_ms = start_ms + skew_ms

    def now_ms(self) -> int:
        """Return the time now in milliseconds since the Unix epoch."""
        return self._start_ms + round(self._loop.time() * 1000)

    async def sleep(self, wait_s: float) -> None:
        """Wait so many virtual seconds."""
        await asyncio.sleep(wait_s)


class SimulatedRandomness:
    """Random bytes that a seed repeats."""

    def __init__(self, randomness: Random) -> None:
        self._randomness = randomness

    def token(self, size_bytes: int) -> bytes:
        """Return the next bytes."""
        return self._randomness.randbytes(size_bytes)
