"""Runs the console's questions: few at a time, one for each session or token, and none that nobody waits for.

Rules: whoever leaves, stops, asks twice or is put out meanwhile is dealt with here; the limits of a question are the
sandbox's. A cancelled question's process is killed. Work that blocks runs in threads of its own, so that no question
holds up the house.

Does not: speak HTTP, or know who asks. Usage: `told = await asking.rows(session_id, Question("SELECT 1"))`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from aggregator.sql.children import Leash, Spare
from aggregator.sql.job import Answer
from aggregator.sql.sandbox import run_job
from aggregator.sql.streaming import ColumnStream
from windrow.home import usable_files
from windrow.questions import Prepared, Question, by_columns, prepare
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    CONSOLE_AT_ONCE,
    CONSOLE_LOOK_S,
    CONSOLE_ROWS_MAX,
    CONSOLE_SHOWN_BYTES_MAX,
    CONSOLE_WAITING_MAX,
)

Form = Literal["arrow", "parquet"]
Made = TypeVar("Made")
_OUT = frozenset({"signed_out", "bad_token", "unknown_operator", "role_too_low"})


class Told(NamedTuple):
    """An answer, and how fresh it is."""

    question: Question
    answer: Answer
    as_of: str
    snapshot: int
    seconds: float


class Asking:
    """The questions of one running console."""

    def __init__(self, settings: HouseSettings, require_in: Callable[[str], object]) -> None:
        """`require_in` raises for a session or token that holds no longer; it is called in a thread."""
        self._settings, self._require_in = settings, require_in
        self._running: dict[str, Leash] = {}
        self._spare = Spare()
        self._turns = asyncio.Semaphore(CONSOLE_AT_ONCE)
        self._pool = ThreadPoolExecutor(CONSOLE_AT_ONCE, "console")

    async def rows(self, asker: str, question: Question, *, whole: bool = False) -> Told:
        """Return an answer's first rows, or with `whole` all that one answer may have.

        Raises WindrowError `question_running`, `busy`, or of `windrow.questions`.
        """
        async with self._turn(asker) as leash:
            return await self._in_pool(lambda: self._rows(question, leash, whole))

    async def columns(
        self, asker: str, question: Question, form: Form
    ) -> tuple[Prepared, AsyncGenerator[bytes]]:
        """Return what is known of an answer, and its bytes as they come. Raises as `rows` does."""
        async with AsyncExitStack() as begun:
            leash = await begun.enter_async_context(self._turn(asker))
            prepared = await self._in_pool(lambda: prepare(self._settings, question))
            stream = await self._in_pool(lambda: self._stream(prepared, form, leash))
            begun.callback(stream.close)
            parts = self._parts(begun.pop_all(), stream.read)
            await anext(parts)  # from here on closing it ends the question, whether or not anybody reads
            return prepared, parts

    def stop(self, asker: str) -> bool:
        """End the question of this session or token and say whether there was one."""
        leash = self._running.get(asker)
        if leash is not None:
            leash.cut()
        return leash is not None

    def _rows(self, question: Question, leash: Leash, whole: bool) -> Told:
        began = time.monotonic()
        prepared = prepare(self._settings, question)
        job = prepared.job
        if not whole:
            job = msgspec.structs.replace(
                job, rows_max=CONSOLE_ROWS_MAX, answer_bytes_max=CONSOLE_SHOWN_BYTES_MAX
            )
        with usable_files(self._settings):
            answer = run_job(job, leash, lake=prepared.lake, spare=self._spare)
        return Told(question, answer, prepared.as_of, prepared.snapshot, time.monotonic() - began)

    def _stream(self, prepared: Prepared, form: Form, leash: Leash) -> ColumnStream:
        with usable_files(self._settings):
            return by_columns(prepared, form, leash)

    async def _parts(self, begun: AsyncExitStack, read: Callable[[], bytes]) -> AsyncGenerator[bytes]:
        async with begun:
            yield b""
            while part := await self._in_pool(read):
                yield part

    @asynccontextmanager
    async def _turn(self, asker: str) -> AsyncIterator[Leash]:
        if asker in self._running:
            raise WindrowError("question_running")
        if len(self._running) >= CONSOLE_AT_ONCE + CONSOLE_WAITING_MAX:
            raise WindrowError("busy", "too many questions wait already")
        leash = self._running[asker] = Leash()
        look = asyncio.create_task(self._put_out(asker, leash))
        try:
            async with self._turns:
                yield leash
        except WindrowError as error:
            if look.done():
                raise look.result() from error
            raise
        finally:
            look.cancel()
            leash.cut()
            del self._running[asker]

    async def _put_out(self, asker: str, leash: Leash) -> WindrowError:
        """End the question of who is in no longer, and return why that is."""
        while True:
            await asyncio.sleep(CONSOLE_LOOK_S)
            try:
                await asyncio.to_thread(self._require_in, asker)
            except WindrowError as error:
                if error.code not in _OUT:
                    continue  # nobody can say just now
                leash.cut()
                return error

    async def _in_pool(self, work: Callable[[], Made]) -> Made:
        loop: Any = asyncio.get_running_loop()
        made: Made = await loop.run_in_executor(self._pool, work)
        return made
