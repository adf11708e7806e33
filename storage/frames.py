"""Requests and answers as frames over one local connection: what a gate and the writer say to each other.

A frame is its length, a number, a kind (of a request) or an HTTP status (of an answer), and its bytes. Answers come in
any order. A server that ends in order answers what it has begun and then says goodbye, which means: of everything else
nothing was done, and it may be sent to the next server as it is. Where a connection breaks without a goodbye nobody
knows, and who asked is told `restarting`.

Rules: the socket is this user's alone. A client holds requests back while there is no server, for a bounded time.

Does not: read what is in a frame. A frame's length is not bounded here: both ends are this house.

Usage: `server = await serve_frames({1: handle}, path)`; `answer = await FrameClient(path, hold_s=30).ask(1, body)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import GATE_HELD_BYTES_MAX

Answer = tuple[int, bytes]  # HTTP status, JSON
FrameHandler = Callable[[bytes], Awaitable[Answer]]
_HEAD: Final = struct.Struct(">IIH")
_GOODBYE: Final = 0  # a number that no request has
_NUMBERS: Final = 1 << 32
_LOOK_AGAIN_S: Final = 0.05
_HANG_UP_S_MAX: Final = 5.0


class _Frames(asyncio.Protocol, ABC):
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            length, number, kind = _HEAD.unpack_from(self._buffer, at)
            end = at + _HEAD.size + length
            if len(self._buffer) < end:
                break
            self.frame_received(number, kind, bytes(memoryview(self._buffer)[at + _HEAD.size : end]))
            at = end
        if at:
            del self._buffer[:at]

    def send(self, number: int, kind: int, body: bytes) -> bool:
        """Send one frame and return True, or False where the other end is known to be gone."""
        if self.transport is None or self.transport.is_closing():
            return False
        self.transport.writelines((_HEAD.pack(len(body), number, kind), body))
        return True

    @abstractmethod
    def frame_received(self, number: int, kind: int, body: bytes) -> None:
        """Take one frame."""


class _ServerEnd(_Frames):
    def __init__(self, server: FrameServer) -> None:
        super().__init__()
        self._server = server
        self.running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.left(self)

    def frame_received(self, number: int, kind: int, body: bytes) -> None:
        if self._server.closing:
            return  # the goodbye says that nothing was done
        task = asyncio.get_running_loop().create_task(self._answer(number, self._server.handlers[kind], body))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _answer(self, number: int, handle: FrameHandler, body: bytes) -> None:
        self.send(number, *await handle(body))


class FrameServer:
    """The writer's end."""

    def __init__(self, handlers: Mapping[int, FrameHandler]) -> None:
        self.handlers = handlers
        self.ends: set[_ServerEnd] = set()
        self.closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen on a socket that this user alone can open; a left-over socket file is replaced."""
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: _ServerEnd(self), str(path), backlog=256)
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening, answer what was begun, and say goodbye."""
        assert self._server is not None
        self.closing = True
        self._server.close()
        ends = list(self.ends)
        while running := {task for end in ends for task in end.running}:
            await asyncio.wait(running)
        for end in self.ends:
            end.send(_GOODBYE, 0, b"")
        # The other end hangs up: who closes first may make it miss the goodbye, by an error of what it is just sending.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), _HANG_UP_S_MAX)
        for end in self.ends:
            if end.transport is not None:
                end.transport.abort()

    def joined(self, end: _ServerEnd) -> None:
        """Take a connection that was made."""
        self.ends.add(end)
        self._empty.clear()

    def left(self, end: _ServerEnd) -> None:
        """Forget a connection that is gone."""
        self.ends.discard(end)
        if not self.ends:
            self._empty.set()


async def serve_frames(handlers: Mapping[int, FrameHandler], path: Path) -> FrameServer:
    """Listen on a local socket; a handler for each kind answers, and never raises."""
    server = FrameServer(handlers)
    await server.start(path)
    return server


class _ClientEnd(_Frames):
    def __init__(self, client: FrameClient) -> None:
        super().__init__()
        self._client = client
        self.said_goodbye = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._client.connected(self)

    def frame_received(self, number: int, kind: int, body: bytes) -> None:
        if number == _GOODBYE:
            self.said_goodbye = True
            self._client.lost(self)
            if self.transport is not None:
                self.transport.close()
        else:
            self._client.answered(number, (kind, body))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.said_goodbye:
            self._client.lost(self)


class FrameClient:
    """A gate's end: one connection, which is made again for as long as the client lives."""

    def __init__(self, path: Path, *, hold_s: float) -> None:
        """Take the server's socket and how long a request is held back while nobody answers there."""
        self._path = path
        self._hold_s = hold_s
        self._end: _ClientEnd | None = None
        self._numbers = 0
        self._asked: dict[int, asyncio.Future[Answer | None]] = {}
        self._held_bytes = 0
        self._connecting: asyncio.Task[None] | None = None

    async def ask(self, kind: int, body: bytes) -> Answer:
        """Return the answer. Raises WindrowError `restarting` where there is none, or where nobody knows."""
        if self._held_bytes + len(body) > GATE_HELD_BYTES_MAX:
            raise WindrowError("busy", "too much waits for the writer")
        self._held_bytes += len(body)
        try:
            return await self._ask(kind, body)
        finally:
            self._held_bytes -= len(body)

    async def _ask(self, kind: int, body: bytes) -> Answer:
        deadline_s = asyncio.get_running_loop().time() + self._hold_s
        while True:
            end = await self._connected(deadline_s)
            self._numbers = self._numbers % (_NUMBERS - 1) + 1
            number = self._numbers
            if not end.send(number, kind, body):
                await asyncio.sleep(_LOOK_AGAIN_S)  # nothing was sent: its end is about to be told
                continue
            future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
            self._asked[number] = future
            answer = await future
            if answer is not None:
                return answer

    def connected(self, end: _ClientEnd) -> None:
        """Take a connection that was made."""
        self._end = end

    def answered(self, number: int, answer: Answer) -> None:
        """Hand an answer to who asked."""
        future = self._asked.pop(number)
        if not future.done():
            future.set_result(answer)

    def lost(self, end: _ClientEnd) -> None:
        """Tell everybody who waits: after a goodbye they may ask again, without one nobody knows what was done."""
        self._end = None if self._end is end else self._end
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if future.done():
                continue
            if end.said_goodbye:
                future.set_result(None)
            else:
                future.set_exception(WindrowError("restarting", "the answer was lost on its way"))

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._end is not None and self._end.transport is not None:
            self._end.transport.close()

    async def _connected(self, deadline_s: float) -> _ClientEnd:
        if self._end is None:
            if self._connecting is None or self._connecting.done():
                self._connecting = asyncio.create_task(self._connect())
            left_s = deadline_s - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({self._connecting}, timeout=max(0.0, left_s))
            if not done or self._end is None:
                raise WindrowError("restarting", "it has not come back yet")
        return self._end

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while self._end is None:
            with contextlib.suppress(OSError):
                await loop.create_unix_connection(lambda: _ClientEnd(self), str(self._path))
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
