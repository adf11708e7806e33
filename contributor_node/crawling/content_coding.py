"""Undoing Content-Encoding without ever holding more than the bound.

Rules: gzip (any number of members) and deflate (with or without its zlib wrapper), at most two codings deep;
the decoded size is bounded absolutely and, above one megabyte, by the ratio to what came over the wire.

Does not: guess a coding that was not declared, or decode what the node never asks for (br, zstd).

Usage::

    body = undo_content_encoding(wire_body, "gzip", decoded_bytes_max=20_000_000)
"""

from __future__ import annotations

import zlib

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import FETCH_RATIO_FLOOR_BYTES, FETCH_RATIO_MAX

ACCEPT_ENCODING = "gzip, deflate"
CODINGS_MAX = 2
_GZIP, _ZLIB, _RAW = 31, 15, -15


def undo_content_encoding(body: bytes, declared: str, decoded_bytes_max: int) -> bytes:
    """Return the decoded body.

    Raises WindrowError `decompression_bomb` beyond the bounds and `bad_answer` for a body that is not what it
    declares.
    """
    codings = [name.strip().lower() for name in declared.split(",") if name.strip()]
    codings = [name for name in codings if name != "identity"]
    if len(codings) > CODINGS_MAX:
        raise WindrowError("bad_answer", f"{len(codings)} content codings")
    for coding in reversed(codings):
        body = _undo_one(body, coding, decoded_bytes_max)
    if len(body) > decoded_bytes_max:
        raise WindrowError("decompression_bomb", f"more than {decoded_bytes_max} bytes")
    return body


def _undo_one(body: bytes, coding: str, decoded_bytes_max: int) -> bytes:
    if not body:
        return body
    bound = min(decoded_bytes_max, max(FETCH_RATIO_FLOOR_BYTES, len(body) * FETCH_RATIO_MAX))
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, _GZIP, bound)
    if coding == "deflate":
        try:
            return _inflate(body, _ZLIB, bound)
        except WindrowError as error:
            if error.code != "bad_answer":
                raise
            return _inflate(body, _RAW, bound)
    raise WindrowError("bad_answer", f"content coding {coding[:20]!r} was not asked for")


def _inflate(body: bytes, window_bits: int, bound: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        machine = zlib.decompressobj(window_bits)
        try:
            part = machine.decompress(body, bound - size + 1)
        except zlib.error as error:
            if parts:
                break  # padding after the last member is common and harmless
            raise WindrowError("bad_answer", f"undecodable body: {error}") from error
        parts.append(part)
        size += len(part)
        if size > bound:
            raise WindrowError("decompression_bomb", f"more than {bound} bytes")
        if not machine.eof:
            raise WindrowError("bad_answer", "the compressed body is cut short")
        body = machine.unused_data
    return b"".join(parts)
