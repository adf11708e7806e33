"""Requests in frames over a local socket: answered out of order, sent again after a goodbye, never after a break."""

from __future__ import annotations

import asyncio
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.frames import Answer, FrameClient, FrameServer, serve_frames
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import GATE_HELD_BYTES_MAX

ECHO, SLOW = 1, 2


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has 107 bytes at most
        yield Path(folder) / "batches.sock"


class Writer:
    """A server whose slow answers wait until they are let go."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.let_go = asyncio.Event()
        self.something_begun = asyncio.Event()

    async def serve(self, path: Path) -> FrameServer:
        return await serve_frames({ECHO: self.echo, SLOW: self.slow}, path)

    async def echo(self, body: bytes) -> Answer:
        return 200, body

    async def slow(self, body: bytes) -> Answer:
        self.begun.append(body)
        self.something_begun.set()
        await self.let_go.wait()
        return 201, body


async def test_each_gets_its_own_answer_whatever_the_order(path: Path) -> None:
    writer = Writer()
    server, client = await writer.serve(path), FrameClient(path, hold_s=5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "this user's alone"
    waiting = asyncio.create_task(client.ask(SLOW, b"first"))
    large = bytes(range(256)) * 40_000  # in many pieces
    assert await asyncio.gather(client.ask(ECHO, b""), client.ask(ECHO, large)) == [(200, b""), (200, large)]
    writer.let_go.set()
    assert await waiting == (201, b"first")
    await client.close()
    await server.close()


async def test_who_asks_while_nobody_answers_waits_and_then_is_told(path: Path) -> None:
    client = FrameClient(path, hold_s=30)
    asked = asyncio.create_task(client.ask(ECHO, b"early"))
    await asyncio.sleep(0)
    server = await Writer().serve(path)
    assert await asked == (200, b"early")
    await server.close()
    impatient = FrameClient(path.with_name("nobody.sock"), hold_s=0)
    with pytest.raises(WindrowError, match="restarting"):
        await impatient.ask(ECHO, b"")
    await client.close()
    await impatient.close()


async def test_what_an_orderly_end_did_not_begin_goes_to_the_next_one(path: Path) -> None:
    first, second = Writer(), Writer()
    server, client = await first.serve(path), FrameClient(path, hold_s=30)
    begun = asyncio.create_task(client.ask(SLOW, b"begun"))
    await first.something_begun.wait()
    ending = asyncio.create_task(server.close())
    await asyncio.sleep(0)
    late = asyncio.create_task(client.ask(SLOW, b"late"))
    await asyncio.sleep(0)
    second.let_go.set()
    first.let_go.set()
    await ending
    following = await second.serve(path)
    assert await begun == (201, b"begun")
    assert await late == (201, b"late")
    assert (first.begun, second.begun) == ([b"begun"], [b"late"]), "each once"
    await client.close()
    await following.close()


async def test_after_a_break_nothing_is_sent_again(path: Path) -> None:
    writer = Writer()
    server, client = await writer.serve(path), FrameClient(path, hold_s=30)
    asked = asyncio.create_task(client.ask(SLOW, b"perhaps done"))
    await writer.something_begun.wait()
    for end in list(server.ends):  # as a process that is killed breaks it off
        assert end.transport is not None
        end.transport.abort()
    with pytest.raises(WindrowError, match="restarting"):
        await asked
    assert await client.ask(ECHO, b"again") == (200, b"again")
    assert writer.begun == [b"perhaps done"]
    writer.let_go.set()
    await client.close()
    await server.close()


async def test_what_waits_is_bounded(path: Path) -> None:
    client = FrameClient(path, hold_s=30)
    client._held_bytes = GATE_HELD_BYTES_MAX
    with pytest.raises(WindrowError, match="busy"):
        await client.ask(ECHO, b"x")
