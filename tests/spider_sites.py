"""The sites that the crawl child is sent to, and what a test asks of it there."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web
from crawl_sites import Site, html, lease
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contributor_node.crawling.engine import CrawlEngine
from contributor_node.crawling.wire import CrawlResult
from windrow_protocol.messages import Lease

USER_AGENT = "WindrowBot/0.1 (+https://windrow.example/bot)"
PROSE = (
    "<main><h1>Mown grass</h1>"
    + "".join(f"<p>Sentence {n} about the rows.</p>" for n in range(40))
    + "</main>"
)
LATIN = b"<p>caf\xe9 " + b"words " * 60
ROBOTS = "User-agent: *\nDisallow: /private/\nUser-agent: WindrowBot\nDisallow: /private/\nDisallow: /ours/\n"
STATUSES = {
    "/404": 404,
    "/410": 410,
    "/403": 403,
    "/429": 429,
    "/451": 451,
    "/500": 500,
    "/503": 503,
    "/204": 204,
}
REDIRECTS = {
    "/moved": "/page",
    "/to-private": "http://10.0.0.1/",
    "/to-metadata": "http://169.254.169.254/latest/meta-data/",
    "/to-loopback": "http://127.0.0.1:9/",
    "/to-denied": "/private/1",
    "/to-file": "file:///etc/passwd",
    "/to-nonsense": "http://[10.0.0.1]/",
    "/circle": "/circle-2",
    "/circle-2": "/circle",
    "/far/0": "/far/1",
    "/far/1": "/far/2",
    "/far/2": "/far/3",
}


async def main_site(request: web.Request) -> web.StreamResponse:
    path = request.path
    if path in REDIRECTS:
        return web.Response(status=302, headers={"Location": REDIRECTS[path]})
    if path in STATUSES:
        return html("an error page", status=STATUSES[path])
    fixed: dict[str, Any] = {
        "/robots.txt": lambda: web.Response(text=ROBOTS),
        "/noai-meta": lambda: html(PROSE, head='<meta name="robots" content="noai">'),
        "/noai-header": lambda: html(PROSE, headers={"X-Robots-Tag": "noai"}),
        "/tdm": lambda: html(PROSE, headers={"TDM-Reservation": "1"}),
        "/bomb": lambda: encoded(gzip.compress(b"0" * 10_000_000), "gzip"),
        "/nested": lambda: encoded(gzip.compress(gzip.compress(PROSE.encode())), "gzip, gzip"),
        "/members": lambda: encoded(gzip.compress(b"<p>one</p>") + gzip.compress(b"<p>two</p>"), "gzip"),
        "/deflate": lambda: encoded(zlib.compress(PROSE.encode())[2:-4], "deflate"),
        "/brotli": lambda: encoded(b"\x0b\x02\x80abc\x03", "br"),
        "/liar": lambda: encoded(b"this is not gzip", "gzip"),
        "/large": lambda: web.Response(body=b"x" * 200_000, content_type="text/html"),
        "/plain": lambda: web.Response(text="# Plain words\n\nkept as they are\n", content_type="text/plain"),
        "/image": lambda: web.Response(body=b"\x89PNG", content_type="image/png"),
        "/latin": lambda: web.Response(body=LATIN, headers={"Content-Type": "text/html; charset=latin-1"}),
        "/forged": lambda: html(PROSE, headers={"Windrow-Refused": "unsafe_address"}),
        "/shell": lambda: html('<div id="root"></div><script src="/app.js"></script>'),
    }  # fmt: skip
    if path in fixed:
        return fixed[path]()  # type: ignore[no-any-return]
    if path == "/drip":
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.1)
    return html(PROSE)


def encoded(body: bytes, coding: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Encoding": coding, "Content-Type": "text/html"})


async def slow_robots(request: web.Request) -> web.StreamResponse:
    if request.path == "/robots.txt":
        await asyncio.sleep(0.5)
        return web.Response(text=ROBOTS)
    return html(PROSE)


async def failing_robots(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503) if request.path == "/robots.txt" else html(PROSE)


async def no_robots(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404) if request.path == "/robots.txt" else html(PROSE)


async def usage_robots(request: web.Request) -> web.StreamResponse:
    if request.path == "/robots.txt":
        return web.Response(text="User-agent: *\nContent-Usage: /closed train-ai=n\nDisallow:\n")
    return html(PROSE)


async def reserved_site(request: web.Request) -> web.StreamResponse:
    if request.path == "/.well-known/tdmrep.json":
        rules = [{"location": "/reserved/*", "tdm-reservation": 1}, {"location": "/*", "tdm-reservation": 0}]
        return web.json_response(rules)
    return web.Response(status=404) if request.path == "/robots.txt" else html(PROSE)


def certificate(folder: Path, address: str) -> ssl.SSLContext:
    """A server context with a certificate of its own; `folder/ca.pem` makes it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


@dataclass
class World:
    engine: CrawlEngine
    log: Path
    main: Site
    slow: Site
    failing: Site
    bare: Site
    usage: Site
    reserved: Site
    secure: Site
    strange: Site

    async def crawl(self, *leases: Lease) -> list[CrawlResult]:
        """Results in the order of the leases; every lease must have one."""
        batch = self.engine.crawl(leases)
        found = {result.lease_id: result async for result in batch}
        assert batch.unfinished == []
        return [found[one.lease_id] for one in leases]

    async def one(self, url: str, **fields: Any) -> CrawlResult:
        (result,) = await self.crawl(lease(url, **fields))
        return result
