"""Lets submissions that arrive together share one commit.

Rules: the first to arrive lets the event loop hand over whoever else is already waiting, then commits for all of
them; nobody waits for a timer, so a lone submission is as quick as before. At most `BATCHES_PER_COMMIT_MAX` share
one, which bounds what is held in memory. An answer is given only after the commit.

Does not: check, write, or answer for a batch (see `ingest`); nor survive the end of its event loop.

Usage: `answers = await shared.accept(caller, body)`.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aggregator.ingest import Answers, Ingest
from aggregator.requests import Caller
from windrow_protocol.limits import BATCHES_PER_COMMIT_MAX

_TURNS = 3  # of the event loop: data arrives, a request's body is read, its handler runs

_Waiting = tuple[Caller, bytes, asyncio.Future[Answers]]


class SharedCommit:
    """The queue before one `Ingest`; used from one event loop."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._waiting: deque[_Waiting] = deque()

    async def accept(self, caller: Caller, body: bytes) -> Answers:
        """Return the answers to a batch once it is durable. Raises what `Ingest.accept` raises."""
        future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append((caller, body, future))
        if len(self._waiting) == 1:
            try:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
            finally:  # also when this caller goes away: others have come to rely on it
                self._commit_all()
        return await future

    def _commit_all(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), BATCHES_PER_COMMIT_MAX)
            self._commit([self._waiting.popleft() for _ in range(count)])

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            results = self._ingest.accept_together([(caller, body) for caller, body, _ in group])
        except Exception as error:  # nothing was committed: every one of them is told so
            results = [error] * len(group)
        for (_, _, future), result in zip(group, results, strict=True):
            if future.done():  # its caller is gone; the receipt waits for the retry
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
