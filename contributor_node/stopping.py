"""A node that is told to stop waits for nobody who keeps silent.

Rules: a step under way when `stop` is set has `STEP_S_MAX` left, then it is given up as if the node had been killed
there; blocking work runs in a thread that the end of the process does not wait for.

Does not: take anything back that a step has done.

Usage::

    await unless_stopped(stop, ask_for_work())
    answer = await in_own_thread(lambda: exchange(place, "GET", "/v1/network", b"", {}))
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

STEP_S_MAX: Final = 5.0


async def unless_stopped(stop: asyncio.Event, step: Coroutine[Any, Any, T]) -> T | None:
    """Return what a step returns, None where it was given up because of `stop`. Raises what the step raises."""
    doing, told = asyncio.create_task(step), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, told}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({doing}, timeout=STEP_S_MAX)
        return doing.result() if doing.done() else None
    finally:
        told.cancel()
        doing.cancel()
        await asyncio.gather(doing, told, return_exceptions=True)


async def in_own_thread(work: Callable[[], T]) -> T:
    """Return what blocking work returns. Raises what it raises; whoever is cancelled here leaves it behind."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as broken:
            error = broken
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await ended
