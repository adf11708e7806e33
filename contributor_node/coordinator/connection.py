"""One request to the coordinator over one connection, by the standard library alone, with every byte counted.

Rules: an answer has a bound and a time limit; certificates are checked; no redirect is followed, no proxy asked, no
cookie kept. Blocking: called in a thread.

Does not: sign, retry, or know what is said.

Usage: `answer = exchange(Coordinate("http", "127.0.0.1", 8420), "GET", "/v1/network", b"", {})`.
"""

from __future__ import annotations

import functools
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import COORDINATOR_ANSWER_BYTES_MAX, COORDINATOR_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Coordinate:
    """Where a coordinator is, and from which local address it is asked."""

    scheme: str
    host: str
    port: int | None = None
    path: str = ""
    source_address: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"


class LineEnd(TypedDict):
    """The figures of a line log's row that only its end knows."""

    status: int
    bytes_up: int
    bytes_down: int
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Bytes include HTTP's own, but not TLS's."""

    status: int = 0
    body: bytes = b""
    retry_after_s: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    address: str = ""

    def row(self) -> LineEnd:
        """Return what the line log says of a request that ended so."""
        return LineEnd(
            status=self.status, bytes_up=self.bytes_up, bytes_down=self.bytes_down, address=self.address
        )


class _Counting(http.client.HTTPConnection):
    bytes_up = 0

    def send(self, data: Any) -> None:
        self.bytes_up += len(data)
        super().send(data)


class _CountingTls(http.client.HTTPSConnection, _Counting):
    pass


def exchange(place: Coordinate, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send one request and return its answer.

    Raises OSError or http.client.HTTPException when the line breaks, WindrowError `too_large` for an endless answer.
    """
    connection = _connection(place)
    try:
        connection.request(method, place.path + path, body or None, dict(headers))
        peer = connection.sock.getpeername()
        response = connection.getresponse()
        received = response.read(COORDINATOR_ANSWER_BYTES_MAX + 1)
    finally:
        connection.close()
    if len(received) > COORDINATOR_ANSWER_BYTES_MAX:
        raise WindrowError("too_large", f"the coordinator's answer to {path}")
    head_bytes = len(f"HTTP/1.1 {response.status} {response.reason}\r\n") + len(response.headers.as_bytes())
    return Answer(
        response.status,
        received,
        _seconds(response.getheader("Retry-After")),
        connection.bytes_up,
        head_bytes + len(received),
        f"{peer[0]}:{peer[1]}",
    )


def _connection(place: Coordinate) -> _Counting:
    source = (place.source_address, 0) if place.source_address else None
    if place.scheme == "https":
        return _CountingTls(
            place.host,
            place.port,
            timeout=COORDINATOR_TIMEOUT_S,
            source_address=source,
            context=_tls(),
        )
    return _Counting(place.host, place.port, timeout=COORDINATOR_TIMEOUT_S, source_address=source)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # once: it reads every root certificate of this machine


def _seconds(value: str | None) -> float:
    return float(value) if value and value.isdecimal() and len(value) < 10 else 0.0
