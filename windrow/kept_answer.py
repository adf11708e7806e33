"""A costly answer that everybody may ask for: worked out for all who ask at once, and kept for a while.

Rules: it is worked out anew once it is older than a second and than twenty times what working it out took. So however
many ask, and however large the tables grow, a twentieth of one thread's time is spent on it at most.

Does not: know what the answer is.

Usage: `figures = KeptAnswer(env.clock, operations.public_figures)`; `await figures()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from storage.env import Clock

KEPT_MS_MIN: Final = 1_000
TIMES_ITS_COST: Final = 20

Answer = TypeVar("Answer")


class KeptAnswer(Generic[Answer]):
    """See the module's docstring."""

    def __init__(self, clock: Clock, work_out: Callable[[], Awaitable[Answer]]) -> None:
        self._clock, self._work_out = clock, work_out
        self._turn = asyncio.Lock()
        self._kept: tuple[Answer, int] | None = None  # and until when it is good

    async def __call__(self) -> Answer:
        """Return the answer, at most as old as said above. Raises what working it out raises; that is not kept."""
        async with self._turn:
            began_ms = self._clock.now_ms()
            if self._kept is not None and began_ms < self._kept[1]:
                return self._kept[0]
            answer = await self._work_out()
            done_ms = self._clock.now_ms()
            self._kept = answer, done_ms + max(KEPT_MS_MIN, TIMES_ITS_COST * (done_ms - began_ms))
            return answer
