"""Where a WARC file can be read again behind a place that is damaged.

Rules: only files whose records are compressed each by itself (gzip, as Common Crawl and most crawlers write them) are
gone on with: the next member that begins a record is a beginning that no page could have written. In a plain file a
page may hold lines that look like a record, so nothing is looked for there.

Does not: read records.

Usage: `offset = next_record(file, behind=55_144)`.

Source: ISO 28500 (WARC 1.1), annex A (one gzip member for each record); RFC 1952.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

_MAGIC: Final = b"\x1f\x8b\x08"
_HEAD: Final = b"WARC/"
_GZIP_WINDOW: Final = 31  # of zlib: a gzip header and the largest window
_PORTION: Final = 1 << 20
_ENOUGH: Final = 4_096  # compressed bytes that surely hold a record's first ones


def is_by_members(file: BinaryIO) -> bool:
    """Say whether a file begins with a gzip member; it is read from its beginning afterwards."""
    file.seek(0)
    head = file.read(len(_MAGIC))
    file.seek(0)
    return head == _MAGIC


def next_record(file: BinaryIO, behind: int) -> int | None:
    """Return where the first member behind an offset begins that holds a record, None when there is none."""
    at = behind + 1
    while True:
        file.seek(at)
        portion = file.read(_PORTION)
        found = portion.find(_MAGIC)
        if found < 0:
            if len(portion) < len(_MAGIC):
                return None
            at += len(portion) - len(_MAGIC) + 1  # it may lie across the end of the portion
            continue
        at += found
        if _begins_record(file, at):
            return at
        at += 1


def _begins_record(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(file.read(_ENOUGH), len(_HEAD)) == _HEAD
    except zlib.error:
        return False
