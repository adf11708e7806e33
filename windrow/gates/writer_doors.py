"""The writer's doors behind its gates: every door of the house over HTTP, and batches in frames.

Does not: listen on any address of the network; the gates do.

Usage: `async with writer_doors(network, doors, routes, home) …` within `windrow up`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aggregator.routes import Doors
from aggregator.submission_gate import HANDED_IN, KNOWN, SUBMISSIONS
from storage.env import Handler, Network, Request, Response, Route
from storage.forwarded import behind_gates
from storage.frames import Answer, serve_frames
from storage.http_server import answer_to_failure
from windrow.local_sockets import batches_path, relayed_path

Counted = Callable[[Sequence[Route]], list[Route]]


@asynccontextmanager
async def writer_doors(
    network: Network, doors: Doors, routes: Sequence[Route], counted: Counted, home: Path
) -> AsyncIterator[None]:
    """Serve gates until the block ends; what was begun is answered before it does."""
    relayed = await network.serve_local(counted(behind_gates(routes)), relayed_path(home))
    submitted = Route("POST", SUBMISSIONS, doors.handed_in, "A batch that a gate prepared")
    (handed_in,) = (each.handle for each in counted([submitted]))
    kinds = {HANDED_IN: _framed(handed_in), KNOWN: _framed(doors.known)}
    batches = await serve_frames(kinds, batches_path(home))
    try:
        yield
    finally:
        await batches.close()
        await relayed.close()
        for path in (batches_path(home), relayed_path(home)):
            path.unlink(missing_ok=True)


def _framed(handle: Handler) -> Callable[[bytes], Awaitable[Answer]]:
    async def answer(body: bytes) -> Answer:
        try:
            told: Response = await handle(Request("POST", SUBMISSIONS, body))
        except Exception as error:
            told = answer_to_failure(SUBMISSIONS, error)
        return told.status, told.body

    return answer
