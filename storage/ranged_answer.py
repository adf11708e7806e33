"""Sends a file that never changes, whole or one range of it, from wherever it lies.

Rules: its digest is its strong ETag, so a download goes on against the same bytes or begins anew (`If-Range`). What
cannot be understood of a range is ignored, as is a set of several: the whole file is a right answer to both. The first
piece is read before the status is sent, so that an outage is a 503; a later one breaks the connection off.

Does not: hold more than one piece of a file in memory, or know what the file is.

Usage: `return await send_ranged(request, response)`.

Source: RFC 9110, sections 13.1.5 (If-Range), 14 (range requests) and 15.5.17 (416).
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import structlog
from aiohttp import web

from storage.env import RangedFile, Response

log = structlog.get_logger(__name__)
PIECE_BYTES: Final = 1 << 20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _OutsideError(Exception):
    """The range that was asked for begins behind the file's end."""


async def send_ranged(request: web.Request, answer: Response) -> web.StreamResponse:
    """Send `answer.ranged` as this request wants it. Raises OSError while nothing was sent yet."""
    file = answer.ranged
    assert file is not None
    etag = f'"{file.sha256}"'
    headers = {**answer.headers, "Content-Type": answer.content_type, "ETag": etag, "Accept-Ranges": "bytes"}
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": etag})
    try:
        wanted = _wanted(request, file.size, etag)
    except _OutsideError:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{file.size}"})
    first, length = wanted or (0, file.size)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{file.size}"
    response = web.StreamResponse(status=200 if wanted is None else 206, headers=headers)
    response.content_length = length
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    piece = await _piece(file, first, length)
    await response.prepare(request)
    await _send_rest(request, response, file, piece, first + length)
    return response


async def _send_rest(
    request: web.Request, response: web.StreamResponse, file: RangedFile, piece: bytes, end: int
) -> None:
    """Send a first piece and what follows it, up to a place in the file."""
    left = (response.content_length or 0) - len(piece)
    try:
        await response.write(piece)
        while left:
            piece = await _piece(file, end - left, left)
            left -= len(piece)
            await response.write(piece)
    except OSError as error:  # the status is sent: only a connection that breaks can still say no
        if not isinstance(error, ConnectionError):
            log.warning("answer_broken_off", error=type(error).__name__)
        if request.transport is not None:
            request.transport.abort()


async def _piece(file: RangedFile, offset: int, length: int) -> bytes:
    if not length:
        return b""
    return await asyncio.to_thread(file.read, offset, min(length, PIECE_BYTES))


def _wanted(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return where the range begins that is asked for and its length, None for the whole file."""
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or request.method != "GET" or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if first:
        begin, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < begin:
            return None
    elif last:
        begin, end = max(0, size - int(last)), size - 1
    else:
        return None
    if begin > end:
        raise _OutsideError
    return begin, end - begin + 1
