"""The framing of native messaging: four bytes of length in the machine's byte order, then UTF-8 JSON.

Rules: nothing longer than its bound is held in memory; a frame that is too long is skipped and named, a length that
cannot be meant ends the stream; a stream that ends inside a frame is truncated, not a message.

Does not: know any message.

Usage::

    for frame in frames(sys.stdin.buffer): ...
    sys.stdout.buffer.write(encode_frame({"ok": True}))

Source: Chromium and Firefox, "Native messaging".
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import NATIVE_MESSAGE_BYTES_MAX, NATIVE_MESSAGE_SKIP_BYTES_MAX

_LENGTH: Final = struct.Struct("=I")
_SKIP_BYTES: Final = 65_536


def encode_frame(message: Mapping[str, Any]) -> bytes:
    """Return one frame. Raises WindrowError `too_large` beyond the browser's own bound."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(body) > NATIVE_MESSAGE_BYTES_MAX:
        raise WindrowError("too_large", f"an answer of {len(body)} bytes")
    return _LENGTH.pack(len(body)) + body


def frames(stream: IO[bytes]) -> Iterator[bytes | WindrowError]:
    """Yield each message's bytes, or the error that stands in its place; end when the stream does."""
    while True:
        head = _read(stream, _LENGTH.size)
        if not head:
            return
        if len(head) < _LENGTH.size:
            yield WindrowError("not_json", "the stream ended inside a length")
            return
        (length,) = _LENGTH.unpack(head)
        if length > NATIVE_MESSAGE_SKIP_BYTES_MAX:
            yield WindrowError("too_large", f"a frame of {length} bytes; the host stops")
            return
        if length > NATIVE_MESSAGE_BYTES_MAX:
            skipped = _skip(stream, length)
            yield WindrowError("too_large", f"a frame of {length} bytes, {NATIVE_MESSAGE_BYTES_MAX} allowed")
            if not skipped:
                return
            continue
        body = _read(stream, length)
        if len(body) < length:
            yield WindrowError("not_json", f"the stream ended after {len(body)} of {length} bytes")
            return
        yield body


def _read(stream: IO[bytes], length: int) -> bytes:
    """Return exactly `length` bytes, fewer only when the stream ends."""
    pieces, left = [], length
    while left:
        piece = stream.read(min(left, _SKIP_BYTES))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _skip(stream: IO[bytes], length: int) -> bool:
    while length:
        piece = stream.read(min(length, _SKIP_BYTES))
        if not piece:
            return False
        length -= len(piece)
    return True
