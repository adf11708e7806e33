"""A web for `node_footprint`: many hosts on loopback, real pages, and the kernel's own counters of every connection.

Rules: a process of its own, so that its CPU is nobody else's. Each host is an address of 127/8 with one port. What went
over a connection is read from the kernel when it ends (TCP_INFO: bytes acknowledged and bytes received), not counted by
hand. Orders come on stdin: `counters` prints the sums so far as one JSON line.

Does not: speak TLS or HTTP/2, or pace anybody.

Usage: `python bench/footprint_web.py --hosts 64 [--pages PAGES.parquet] [--endless]`; its first line names the hosts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

BODY_BYTES_MAX: Final = 400_000
PAGES_MAX: Final = 400
_BYTES_ACKED, _BYTES_RECEIVED = 120, 128  # offsets in struct tcp_info of Linux
_WORDS: Final = (
    "grass",
    "row",
    "field",
    "lane",
    "barn",
    "rake",
    "mown",
    "dry",
    "light",
    "turn",
    "heap",
    "load",
    "cart",
)


class Counters:
    """Sums over all connections that have ended; times by the wall clock."""

    def __init__(self) -> None:
        self.bytes_out = self.bytes_in = self.requests = self.connections = 0
        self.last_page_at = 0.0

    def line(self) -> str:
        """Return the sums as JSON."""
        return json.dumps(vars(self))


class Connection(asyncio.Protocol):
    """One client: answers each request in turn, keeps the connection where the client does."""

    def __init__(self, bodies: list[bytes], counters: Counters, endless: bool) -> None:
        self._bodies, self._counters, self._endless = bodies, counters, endless
        self._heard = b""

    def connection_made(self, transport: Any) -> None:
        """Asyncio's call."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Asyncio's call."""
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        path = head.split(b" ", 2)[1]
        self._counters.requests += 1
        close = b"connection: close" in head.lower()
        if path == b"/robots.txt":
            kind, body = b"text/plain", b"User-agent: *\nDisallow: /private/\n"
        else:
            self._counters.last_page_at = time.time()
            kind, body = b"text/html; charset=utf-8", self._bodies[zlib.crc32(path) % len(self._bodies)]
            if self._endless:
                body = body * (4_000_000 // len(body))
        fields = [b"Content-Type: " + kind, b"Content-Length: %d" % len(body)]
        fields.append(b"Connection: close" if close else b"Connection: keep-alive")
        self._transport.write(b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + body)
        if close:
            self._transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call; the socket is still open."""
        told = self._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        self._counters.connections += 1
        self._counters.bytes_out += struct.unpack_from("Q", told, _BYTES_ACKED)[0]
        self._counters.bytes_in += struct.unpack_from("Q", told, _BYTES_RECEIVED)[0]


def invented_bodies() -> Iterator[bytes]:
    """Yield pages of prose between navigation, where there are no real ones."""
    for number in range(PAGES_MAX):
        lines = [
            " ".join(_WORDS[(number * 7 + k * (j + 3)) % len(_WORDS)] for k in range(60)) for j in range(30)
        ]
        text = "".join(f"<p>{line}.</p>" for line in lines)
        menu = "<li><a href=/x>Elsewhere</a></li>" * 60
        page = (
            f"<!doctype html><html><head><title>Page {number}</title></head><body><nav><ul>{menu}</ul></nav>"
        )
        yield f"{page}<main><h1>Page {number}</h1>{text}</main></body></html>".encode()


def bodies_of(pages: Path | None) -> list[bytes]:
    """Return real pages of a file of labelled pages, or invented ones."""
    if pages is None:
        return list(invented_bodies())
    import pyarrow.parquet as pq

    html = pq.read_table(pages, columns=["html"]).column("html").to_pylist()
    found = [body.encode() if isinstance(body, str) else body for body in html]
    return [body for body in found if 2_000 < len(body) < BODY_BYTES_MAX][:PAGES_MAX]


async def serve(options: argparse.Namespace) -> None:
    """Serve until stdin ends."""
    bodies, counters, loop = bodies_of(options.pages), Counters(), asyncio.get_running_loop()
    addresses = [f"127.{100 + number // 250}.{number % 250}.1" for number in range(options.hosts)]
    servers = [
        await loop.create_server(lambda: Connection(bodies, counters, options.endless), address, 0)
        for address in addresses
    ]
    print(
        json.dumps([f"{a}:{s.sockets[0].getsockname()[1]}" for a, s in zip(addresses, servers, strict=True)])
    )
    sys.stdout.flush()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(0, "rb"))
    while await orders.readline():
        print(counters.line(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--endless", action="store_true", help="every page is 4 MB long")
    asyncio.run(serve(parser.parse_args()))
