"""Carrying one admitted request to its pinned address and the answer back: plain HTTP by h11, HTTPS as a tunnel.

Rules: the request is rebuilt from what h11 parsed, so nothing can be smuggled; hop-by-hop fields, cookies and
credentials are dropped both ways, and so is any field that could pass for the proxy's own refusal. Every chunk
is counted before it is handed on. The peer is the address that was checked, or the connection is given up.

Does not: decide whether a request may leave, resolve names, or write the line log.

Usage::

    async with asyncio.timeout(grant.time_s_max):
        await relay_http(client, request, ask, endpoint, wire)
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import h11

from contributor_node.egress.grants import Traffic
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import EGRESS_HEAD_BYTES_MAX

CHUNK_BYTES = 65_536
RECEIVE_BYTES_MAX = (
    65_536  # the kernel takes in so much ahead of us, so that a killed node has little uncounted
)
CONNECT_TIME_S_MAX = 10
TUNNEL_SLACK_BYTES = 65_536  # TLS handshake and record overhead of one response
BODY_SLACK_BYTES = 16_384  # lets the crawl child notice first that a body is too long

_DROPPED_UP = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer transfer-encoding "
    b"upgrade cookie authorization host content-length expect".split()
)
_DROPPED_DOWN = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate trailer transfer-encoding upgrade set-cookie "
    b"alt-svc".split()
)

Way = Literal["up", "down"]
Counted = Callable[[int, Way], Awaitable[None]]
"""Called with the bytes and way of each chunk before it is handed on; may wait (a speed cap) or raise WindrowError."""


@dataclass(slots=True)
class Endpoint:
    """Where a connection goes: an address that passed the table, and the local address to come from."""

    address: str
    port: int
    source: str = ""


@dataclass(slots=True)
class Wire:
    """What one request moved, headers included, and the answer's status (0 before there is one).

    `lease` is what the whole lease moved; `on_redirect` hears a Location before the client can act on it.
    """

    counted: Counted
    on_redirect: Callable[[str], None]
    body_bytes_max: int
    lease: Traffic
    own: Traffic = field(default_factory=Traffic)
    status: int = 0
    answering: bool = False

    async def down(self, bytes_n: int) -> None:
        """Count bytes that arrived."""
        self.own.bytes_down += bytes_n
        self.lease.bytes_down += bytes_n
        await self.counted(bytes_n, "down")

    async def up(self, bytes_n: int) -> None:
        """Count bytes about to leave."""
        self.own.bytes_up += bytes_n
        self.lease.bytes_up += bytes_n
        await self.counted(bytes_n, "up")


class HttpPeer:
    """An h11 connection on asyncio streams."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        role: type[h11.CLIENT] | type[h11.SERVER],
        wire: Wire | None = None,
    ) -> None:
        self.reader, self.writer = reader, writer
        self.state = h11.Connection(role, max_incomplete_event_size=EGRESS_HEAD_BYTES_MAX)
        self._wire = wire

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """Return the next event. Raises h11.RemoteProtocolError on anything that is not HTTP."""
        while True:
            event = self.state.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            data = await self.reader.read(CHUNK_BYTES)
            if self._wire is not None:
                await self._wire.down(len(data))
            self.state.receive_data(data)

    async def send(self, event: h11.Event) -> None:
        """Send one event."""
        data = self.state.send(event)
        if data:
            if self._wire is not None:
                await self._wire.up(len(data))
            self.writer.write(data)
            await self.writer.drain()


async def connect(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a checked address and make sure that it is the peer. Raises WindrowError `host_unreachable`."""
    local = (endpoint.source, 0) if endpoint.source else None
    try:
        async with asyncio.timeout(CONNECT_TIME_S_MAX):
            reader, writer = await asyncio.open_connection(
                endpoint.address, endpoint.port, local_addr=local, limit=CHUNK_BYTES // 2
            )
    except (OSError, TimeoutError) as error:
        raise WindrowError("host_unreachable", f"{endpoint.address}:{endpoint.port}: {error}") from error
    peer = writer.get_extra_info("peername")
    if not peer or ipaddress.ip_address(peer[0]) != ipaddress.ip_address(endpoint.address):
        writer.transport.abort()
        raise WindrowError("unsafe_address", f"asked for {endpoint.address}, reached {peer}")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES_MAX)
    return reader, writer


async def relay_http(
    client: HttpPeer, request: h11.Request, url: str, endpoint: Endpoint, wire: Wire
) -> None:
    """Send one request without a body and stream the answer to the client.

    Raises WindrowError `too_large`, `bad_answer`, `host_unreachable` or whatever `wire.counted` raises.
    """
    reader, writer = await connect(endpoint)
    origin = HttpPeer(reader, writer, h11.CLIENT, wire)
    try:
        await origin.send(_request_up(request, url))
        await origin.send(h11.EndOfMessage())
        head = await origin.next_event()
        while isinstance(head, h11.InformationalResponse):
            head = await origin.next_event()
        if not isinstance(head, h11.Response):
            raise WindrowError("bad_answer", "the host closed without an answer")
        await _relay_answer(client, origin, head, wire)
    except h11.RemoteProtocolError as error:
        raise WindrowError("bad_answer", str(error)[:120]) from error
    except OSError as error:
        raise WindrowError("host_unreachable", str(error)[:120]) from error
    finally:
        writer.transport.abort()


def _request_up(request: h11.Request, url: str) -> h11.Request:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [(name, value) for name, value in request.headers if name not in _DROPPED_UP]
    host = parts.netloc.encode("ascii")
    headers = [(b"host", host), *kept, (b"connection", b"close")]
    return h11.Request(method=request.method, target=target.encode("ascii"), headers=headers)


async def _relay_answer(client: HttpPeer, origin: HttpPeer, head: h11.Response, wire: Wire) -> None:
    wire.status = head.status_code
    fields = {bytes(name): bytes(value) for name, value in head.headers}
    if 300 <= head.status_code < 400 and b"location" in fields:
        wire.on_redirect(fields[b"location"].decode("latin-1"))
    declared = fields.get(b"content-length", b"")
    if (
        declared.isdigit()
        and int(declared) > wire.body_bytes_max
        and origin.state.their_state is h11.SEND_BODY
    ):
        raise WindrowError("too_large", f"{int(declared)} bytes announced, {wire.body_bytes_max} allowed")
    kept = [
        (name, value)
        for name, value in head.headers
        if name not in _DROPPED_DOWN and not name.startswith(b"windrow-")
    ]
    wire.answering = True
    await client.send(
        h11.Response(
            status_code=head.status_code, headers=[*kept, (b"connection", b"close")], reason=head.reason
        )
    )
    body_bytes = 0
    while isinstance(event := await origin.next_event(), h11.Data):
        body_bytes += len(event.data)
        if body_bytes > wire.body_bytes_max + BODY_SLACK_BYTES:
            raise WindrowError("too_large", f"more than {wire.body_bytes_max} bytes")
        await client.send(event)
    if not isinstance(event, h11.EndOfMessage):
        raise WindrowError("bad_answer", "the answer broke off")
    await client.send(h11.EndOfMessage())


async def relay_tunnel(client: HttpPeer, endpoint: Endpoint, wire: Wire) -> None:
    """Open a tunnel and pump bytes both ways until either side ends or the cap is reached.

    Raises WindrowError `too_large`, `host_unreachable` or whatever `wire.counted` raises.
    """
    reader, writer = await connect(endpoint)
    try:
        wire.status, wire.answering = 200, True
        await client.send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
        early, _ = client.state.trailing_data
        if early:
            await wire.up(len(early))
            writer.write(early)
        down_max = wire.body_bytes_max + wire.body_bytes_max // 50 + TUNNEL_SLACK_BYTES
        pumps = [
            asyncio.create_task(_pump(client.reader, writer, wire.up, TUNNEL_SLACK_BYTES)),
            asyncio.create_task(_pump(reader, client.writer, wire.down, down_max)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in done:
                pump.result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
    finally:
        writer.transport.abort()


async def _pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    count: Callable[[int], Awaitable[None]],
    bytes_max: int,
) -> None:
    moved = 0
    try:
        while data := await source.read(CHUNK_BYTES):
            moved += len(data)
            if moved > bytes_max:
                raise WindrowError("too_large", f"more than {bytes_max} bytes in one tunnel")
            await count(len(data))
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        return  # one side left; the tunnel is over
