"""Real servers on loopback for the crawl engine's tests, and a client that speaks to the egress proxy by hand."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from aiohttp import web

from contributor_node.egress.grants import EgressGrant
from contributor_node.egress.proxy import EgressProxy
from windrow_protocol.addresses import AllowedEndpoint
from windrow_protocol.limits import FETCH_BODY_BYTES_MAX
from windrow_protocol.messages import Lease

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def wall_ms() -> int:
    """The real clock in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass
class Site:
    """A running site: where it is and what it was asked."""

    address: str
    port: int
    hits: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def endpoint(self) -> AllowedEndpoint:
        return AllowedEndpoint(ip_address(self.address), self.port)

    def hits_of(self, prefix: str) -> list[str]:
        return [path for path in self.hits if path.startswith(prefix)]


@asynccontextmanager
async def serve(handler: Handler, address: str = "127.0.0.1", ssl: object = None) -> AsyncIterator[Site]:
    """Serve one handler for all paths and keep what was asked."""
    site = Site(address, 0)

    async def keep(request: web.Request) -> web.StreamResponse:
        site.hits.append(request.path_qs)
        site.heads.append({name.lower(): value for name, value in request.headers.items()})
        return await handler(request)

    server = web.Server(keep)  # type: ignore[arg-type]  # it hands over what the handlers need
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    place = web.TCPSite(runner, address, 0, ssl_context=ssl)  # type: ignore[arg-type]
    await place.start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()


def html(body: str, head: str = "", status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An HTML answer."""
    page = f"<!doctype html><html><head><title>A page</title>{head}</head><body>{body}</body></html>"
    return web.Response(text=page, content_type="text/html", status=status, headers=headers)


_count = 0


def lease(url: str, **fields: object) -> Lease:
    """A lease as the coordinator would sign it, with generous defaults."""
    global _count
    _count += 1
    values: dict[str, object] = {
        "lease_id": f"l{_count:031x}",
        "node_id": "0" * 64,
        "url": url,
        "render": "http",
        "body_bytes_max": FETCH_BODY_BYTES_MAX,
        "decoded_bytes_max": 20_000_000,
        "time_s_max": 20,
        "redirects_max": 5,
        "nonce": "n",
        "issued_at_ms": wall_ms(),
        "expires_at_ms": wall_ms() + 600_000,
    }
    return Lease(**{**values, **fields})  # type: ignore[arg-type]


def grant(url: str, lease_id: str = "l1", **fields: object) -> EgressGrant:
    """A grant with generous defaults."""
    values: dict[str, object] = {
        "lease_id": lease_id,
        "url": url,
        "redirects_max": 5,
        "body_bytes_max": FETCH_BODY_BYTES_MAX,
        "time_s_max": 20,
        "render": "http",
        "expires_at_ms": wall_ms() + 600_000,
    }
    return EgressGrant(**{**values, **fields})  # type: ignore[arg-type]


def credentials(proxy: EgressProxy, lease_id: str = "l1", purpose: str = "page") -> str:
    """The Proxy-Authorization value for a lease."""
    token = base64.b64encode(f"{lease_id}.{purpose}:{proxy.secret}".encode()).decode()
    return f"Basic {token}"


@dataclass
class Answer:
    """What came back over the raw connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def refused(self) -> str:
        return self.headers.get("windrow-refused", "")


async def through(
    proxy: EgressProxy,
    target: str,
    *,
    auth: str | None,
    method: str = "GET",
    extra: str = "",
    body: bytes = b"",
) -> Answer:
    """Send one raw request to the proxy and read until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    line = f"Proxy-Authorization: {auth}\r\n" if auth is not None else ""
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: ignored.example\r\n{line}{extra}\r\n".encode() + body)
    try:
        raw = await reader.read(-1)
    except ConnectionError:
        raw = b""
    writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers, rest)
