"""The dashboard's HTTP: one bounded request, one answer, then the connection ends.

Rules: listens on 127.0.0.1 alone. A request has bounds on its head, its body and the time it takes; so have the number
of connections and the time a reader may take. Every answer carries the headers that keep a browser from doing anything
but showing it: a strict Content-Security-Policy, no framing, no sniffing, no caching.

Does not: know pages or who may see them (see `site`).

Usage: `door = Door(site.answer, site.body_bytes_max); await door.open(0)`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import h11

from contributor_node.egress.relay import HttpPeer
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    DASHBOARD_CONNECTIONS_MAX,
    DASHBOARD_READ_S_MAX,
    DASHBOARD_WRITE_S_MAX,
)

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
GUARDED = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),  # with "no-referrer" browsers call a form's Origin null
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: a body, or chunks of one that is as long as it is."""

    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    chunks: AsyncIterator[bytes] | None = field(default=None)


class Door:
    """A listening socket and the one function that answers."""

    def __init__(
        self, answer: Callable[[Ask], Awaitable[Answer]], body_bytes_max: Callable[[Ask], int]
    ) -> None:
        """Make a door. `body_bytes_max` says from a request's head how long its body may be."""
        self._answer, self._body_bytes_max = answer, body_bytes_max
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self, port: int) -> int:
        """Listen on a port of loopback, 0 for any, and return it. Raises WindrowError `port_taken`."""
        try:
            self._server = await asyncio.start_server(self._on_connection, LOOPBACK, port)
        except OSError as error:
            raise WindrowError("port_taken", f"`dashboard_port` {port}: {error.strerror}") from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and break off what is under way."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._serving) >= DASHBOARD_CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._serving.add(task)
        try:
            await self._serve(HttpPeer(reader, writer, h11.SERVER))
        except (h11.ProtocolError, ConnectionError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # whoever asked speaks no HTTP, is too slow, or has gone
        finally:
            self._serving.discard(task)
            writer.close()

    async def _serve(self, peer: HttpPeer) -> None:
        try:
            async with asyncio.timeout(DASHBOARD_READ_S_MAX):
                ask = await _read(peer, self._body_bytes_max)
        except h11.RemoteProtocolError as error:
            return await _send(peer, Answer(b"", status=error.error_status_hint))
        except WindrowError as error:
            return await _send(peer, Answer(str(error).encode(), "text/plain; charset=utf-8", 413))
        if ask is not None:
            await _send(peer, await self._answered(ask))
        return None

    async def _answered(self, ask: Ask) -> Answer:
        try:
            return await self._answer(ask)
        except Exception:
            log.exception("the dashboard could not answer")
            return Answer(b"The dashboard could not answer; see the node's log.", status=500)


async def _read(peer: HttpPeer, body_bytes_max: Callable[[Ask], int]) -> Ask | None:
    """Return a whole request, or None where nobody spoke. Raises WindrowError `too_large`."""
    head = await peer.next_event()
    if not isinstance(head, h11.Request):
        return None
    headers: dict[str, str] = {}
    for name, value in head.headers:
        known, text = bytes(name).decode("ascii"), bytes(value).decode("latin-1")
        headers[known] = f"{headers[known]}, {text}" if known in headers else text
    ask = Ask(head.method.decode("ascii"), head.target.decode("latin-1"), headers)
    bound, body = body_bytes_max(ask), bytearray()
    while isinstance(event := await peer.next_event(), h11.Data):
        body += event.data
        if len(body) > bound:
            raise WindrowError("too_large", f"more than {bound} bytes")
    return replace(ask, body=bytes(body))


async def _send(peer: HttpPeer, answer: Answer) -> None:
    fields = [("Content-Type", answer.content_type), *GUARDED, *answer.headers]
    if answer.chunks is None:
        fields.append(("Content-Length", str(len(answer.body))))
    head = h11.Response(
        status_code=answer.status, headers=fields, reason=HTTPStatus(answer.status).phrase.encode()
    )
    async with asyncio.timeout(DASHBOARD_WRITE_S_MAX):
        await peer.send(head)
        await peer.send(h11.Data(data=answer.body))
    if answer.chunks is not None:
        async for chunk in answer.chunks:
            async with asyncio.timeout(DASHBOARD_WRITE_S_MAX):
                await peer.send(h11.Data(data=chunk))
    await peer.send(h11.EndOfMessage())
