"""WARC files made by hand, right and wrong ones."""

from __future__ import annotations

import gzip
import uuid

HEAD = (
    "WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{record}>\r\nWARC-Date: {date}\r\n"
    "WARC-Target-URI: {url}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n"
)
DATE = "2026-03-01T10:00:00Z"


def words(seed: int, count: int = 90) -> str:
    """Return prose-like text that shares nothing with another seed's."""
    return " ".join(f"w{seed}x{number}" for number in range(count))


def page(seed: int, head: str = "") -> bytes:
    """Return one HTML page."""
    return f"<html><head><title>Page {seed}</title>{head}</head><body><p>{words(seed)}</p></body></html>".encode()


def http(body: bytes, *fields: str, status: str = "200 OK", media: str = "text/html; charset=utf-8") -> bytes:
    """Return one HTTP answer."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {media}"] if media else []), *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def record(
    block: bytes,
    url: str = "https://a.example/",
    kind: str = "response",
    media: str = "application/http; msgtype=response",
    length: int | None = None,
    record_id: str = "",
    date: str = DATE,
) -> bytes:
    """Return one record; `length` may lie."""
    head = HEAD.format(
        kind=kind,
        record=record_id or uuid.uuid5(uuid.NAMESPACE_URL, url),
        date=date,
        url=url,
        media=media,
        length=len(block) if length is None else length,
    )
    return head.encode() + block + b"\r\n\r\n"


def members(*records: bytes) -> bytes:
    """Return records each compressed by itself, as .warc.gz files hold them."""
    return b"".join(gzip.compress(each) for each in records)


def pages(count: int, first: int = 0) -> list[bytes]:
    """Return records of plain pages."""
    return [record(http(page(n)), f"https://a.example/{n}") for n in range(first, first + count)]
