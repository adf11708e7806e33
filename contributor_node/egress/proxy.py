"""The egress proxy: the only road out of this machine for Scrapy, robots.txt and Chromium.

Rules: listens on loopback; every request carries Proxy-Authorization (user `lease_id.purpose`, perhaps with `+` and
robots.txt's verdict, password a secret made for this run). In this order: covered by an open lease, no domain its owner
denies, address resolved once and every answer checked, the host's and the address's pace waited for, the owner's caps
asked, the row written to the line log, and only then a connection to the pinned address. A refusal is JSON {error,
sentence, detail, remedy} with the code in `Windrow-Refused`; a field of that name never passes from outside.

Does not: follow redirects, read robots.txt, parse pages, or verify the signature of a lease.

Usage::

    proxy = EgressProxy(settings, line_log, now_ms)
    await proxy.start()
    proxy.grants.add(grant); …; proxy.grants.revoke(grant.lease_id)
    await proxy.close()
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import h11
import msgspec

from contributor_node.egress.addresses import AddressBook, Resolve, system_resolve
from contributor_node.egress.grants import (
    PURPOSES,
    VERDICTS,
    EgressAsk,
    GrantState,
    GrantTable,
    address_pace_key,
    pace_key,
    target_of,
)
from contributor_node.egress.line_log import LineLog
from contributor_node.egress.owner_domains import OwnerDomains
from contributor_node.egress.pacing import Pacer, pace_for
from contributor_node.egress.patience import Patience
from contributor_node.egress.relay import Endpoint, HttpPeer, Way, Wire, relay_http, relay_tunnel
from windrow_protocol.addresses import AllowedEndpoint
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    ADDRESS_PACE_SHARE,
    EGRESS_CONNECTIONS_MAX,
    EGRESS_HEAD_TIME_S_MAX,
    HOST_PACE_S_MIN,
)

LOOPBACK = "127.0.0.1"


class Meter(Protocol):
    """The owner's caps, asked before each request and told of every chunk."""

    async def before_request(self) -> None:
        """May wait; raises WindrowError `budget_exhausted` when no request may leave now."""

    def after_request(self) -> None:
        """Called once the connection of a request that was let through has ended."""

    async def count(self, bytes_n: int, way: Way) -> None:
        """May wait (a speed cap); raises WindrowError `budget_exhausted` when the cap is reached."""


class NoCaps:
    """A meter without caps."""

    async def before_request(self) -> None:
        """Let every request leave."""

    def after_request(self) -> None:
        """Know of none."""

    async def count(self, bytes_n: int, way: Way) -> None:
        """Let every byte pass."""


@dataclass(frozen=True, slots=True)
class EgressSettings:
    """What the node's owner decided: exact loopback endpoints that may be reached, and paces in seconds.

    `source_address` is used for connections to loopback only.
    """

    allow_private: frozenset[AllowedEndpoint] = frozenset()
    pace_s: float = HOST_PACE_S_MIN
    pace_private_s: float = HOST_PACE_S_MIN
    source_address: str = ""


class EgressProxy:
    """A small forward proxy that knows leases. See the module's docstring for its rules."""

    def __init__(
        self,
        settings: EgressSettings,
        line_log: LineLog,
        now_ms: Callable[[], int],
        *,
        resolve: Resolve = system_resolve,
        meter: Meter | None = None,
    ) -> None:
        self.grants = GrantTable()
        self.pacer = Pacer()
        self.secret = secrets.token_hex(16)
        self.refused = 0
        self.domains = OwnerDomains()
        self._settings, self._log, self._now_ms = settings, line_log, now_ms
        self._addresses = AddressBook(settings.allow_private, resolve)
        self._meter: Meter = meter or NoCaps()
        self._lanes = asyncio.Semaphore(EGRESS_CONNECTIONS_MAX)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The proxy's URL, without credentials. Raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the egress proxy has not been started")
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._on_connection, LOOPBACK, 0)

    async def close(self) -> None:
        """Stop listening and break off everything that is under way."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve(HttpPeer(reader, writer, h11.SERVER))
        except (h11.ProtocolError, ConnectionError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # whoever spoke does not speak HTTP, or has gone
        finally:
            self._serving.discard(task)
            writer.close()

    async def _serve(self, client: HttpPeer) -> None:
        async with asyncio.timeout(EGRESS_HEAD_TIME_S_MAX):
            request = await client.next_event()
        if not isinstance(request, h11.Request):
            return
        ask = EgressAsk(request.method.decode("ascii"), _url_of(request), "", "")
        try:
            ask = self._authenticated(request, ask)
            if not ask.tunnel and not isinstance(await client.next_event(), h11.EndOfMessage):
                raise WindrowError("method_refused", "the request has a body")
            await self._forward(client, request, ask)
        except WindrowError as refusal:
            self.refused += 1
            self._log.refused(
                url=ask.url,
                purpose=ask.purpose,
                client="crawl",
                lease_id=ask.lease_id,
                error=refusal.code,
            )
            await _answer_refusal(client, refusal)

    def _authenticated(self, request: h11.Request, ask: EgressAsk) -> EgressAsk:
        fields = {bytes(name): bytes(value) for name, value in request.headers}
        scheme, _, token = fields.get(b"proxy-authorization", b"").partition(b" ")
        try:
            user, _, password = base64.b64decode(token, validate=True).partition(b":")
        except binascii.Error:
            user, password = b"", b""
        if scheme.lower() != b"basic" or not hmac.compare_digest(password, self.secret.encode()):
            raise WindrowError("not_leased", "the request names no lease of this run")
        lease_id, _, rest = user.decode("ascii", "replace").rpartition(".")
        purpose, _, robots = rest.partition("+")
        if purpose not in PURPOSES or robots not in VERDICTS:
            raise WindrowError("not_leased", "the request names no purpose")
        return EgressAsk(ask.method, ask.url, lease_id, purpose, robots)

    async def _forward(self, client: HttpPeer, request: h11.Request, ask: EgressAsk) -> None:
        state = self.grants.admit(ask, self._now_ms())
        place = target_of(ask.url).place
        self.domains.check(place.host)
        pinned = await self._addresses.choose(place)
        pace_s = pace_for(
            pinned.listed, self._settings.pace_private_s if pinned.listed else self._settings.pace_s
        )
        await self.pacer.turn(pace_key(place), pace_s, part=ask.purpose == "subresource")
        await self.pacer.turn(address_pace_key(pinned.address, place.port), pace_s / ADDRESS_PACE_SHARE)
        async with self._lanes:
            self.grants.still_open(ask.lease_id, self._now_ms())
            await self._meter.before_request()
            source = self._settings.source_address if pinned.loopback else ""
            try:
                await self._carry(client, request, ask, state, Endpoint(pinned.address, place.port, source))
            finally:
                self._meter.after_request()

    async def _carry(
        self, client: HttpPeer, request: h11.Request, ask: EgressAsk, state: GrantState, endpoint: Endpoint
    ) -> None:
        patience = Patience(state.grant.time_s_max)
        wire = Wire(
            patience.beside(self._meter.count),
            lambda location: self.grants.saw_redirect(ask, location),
            state.grant.body_bytes_max,
            state.traffic,
        )
        request_id = self._log.sent(
            url=ask.url,
            purpose=ask.purpose,
            client="crawl",
            method=ask.method,
            lease_id=ask.lease_id,
            address=f"{endpoint.address}:{endpoint.port}",
            robots=ask.robots,
        )
        state.requests += 1
        error = "cancelled"
        try:
            async with patience.with_host():
                if ask.tunnel:
                    await relay_tunnel(client, endpoint, wire)
                else:
                    await relay_http(client, request, ask.url, endpoint, wire)
            error = ""
        except WindrowError as broken:
            error = broken.code
            if not wire.answering:
                raise
            state.cut = broken.code
            client.writer.transport.abort()
        except (ConnectionError, h11.LocalProtocolError):
            error = "client_left"
        finally:
            self._log.done(
                request_id,
                status=wire.status,
                bytes_up=wire.own.bytes_up,
                bytes_down=wire.own.bytes_down,
                error=error,
            )


def _url_of(request: h11.Request) -> str:
    target = request.target.decode("ascii", "replace")
    return f"https://{target}" if request.method == b"CONNECT" else target


async def _answer_refusal(client: HttpPeer, refusal: WindrowError) -> None:
    body = msgspec.json.encode(refusal.as_dict())
    headers = [
        ("windrow-refused", refusal.code),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    try:
        await client.send(
            h11.Response(
                status_code=max(400, refusal.reason.http_status),
                headers=headers,
                reason=b"Refused by Windrow",
            )
        )
        await client.send(h11.Data(data=body))
        await client.send(h11.EndOfMessage())
    except (h11.LocalProtocolError, ConnectionError):
        client.writer.transport.abort()
