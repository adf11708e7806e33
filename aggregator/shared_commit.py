"""Lets requests that arrive together share one commit.

Rules: the first to arrive lets the event loop hand over whoever else is already waiting, then acts for all of them;
nobody waits for a timer, so a lone request is as quick as before. At most `most` share one turn, which bounds what is
held in memory. An answer is given only after the commit.

Does not: check, write, or answer (see `ingest` and `lease_requests`); nor survive the end of its event loop.

Usage: `shared = SharedCommit(ingest.accept_together, BATCHES_PER_COMMIT_MAX)`, `answers = await shared.ask(batch)`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_TURNS = 3  # of the event loop: data arrives, a request's body is read, its handler runs


class SharedCommit(Generic[Asked, Answer]):
    """The queue before one function that acts for several at once; used from one event loop."""

    def __init__(self, act: Callable[[Sequence[Asked]], Sequence[Answer | Exception]], most: int) -> None:
        """Take what acts: it returns an answer or an exception for each, or raises what holds for all of them."""
        self._act = act
        self._most = most
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()

    async def ask(self, asked: Asked) -> Answer:
        """Return the answer once what it says is durable. Raises what was returned or raised instead of it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if len(self._waiting) == 1:
            try:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
            finally:  # also when this caller goes away: others have come to rely on it
                self._act_for_all()
        return await future

    def _act_for_all(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._most)
            self._act_for([self._waiting.popleft() for _ in range(count)])

    def _act_for(self, group: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            results = self._act([asked for asked, _ in group])
        except Exception as error:  # nothing was committed: every one of them is told so
            results = [error] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future.done():  # its caller is gone; what it asked for waits for the retry
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
