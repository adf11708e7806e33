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
from collections.abc import Iterator
from typing import BinaryIO, Final

from windrow_protocol.limits import WARC_FALSE_STARTS_MAX

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
    """Return where the first member behind an offset begins that holds a record.

    None when there is none, or when `WARC_FALSE_STARTS_MAX` places had the first bytes of a member and no record.
    """
    tries = WARC_FALSE_STARTS_MAX
    begin, kept = behind + 1, b""
    file.seek(begin)
    while True:
        read = file.read(_PORTION)
        kept += read
        # As long as more may follow, a place is looked at only with enough behind it to tell.
        last = len(kept) if len(read) < _PORTION else len(kept) - _ENOUGH
        for at in _places(kept, last):
            if _begins_record(kept[at : at + _ENOUGH]):
                return begin + at
            tries -= 1
            if not tries:
                return None
        if len(read) < _PORTION:
            return None
        begin, kept = begin + last, kept[last:]


def _places(kept: bytes, last: int) -> Iterator[int]:
    """Yield where the first bytes of a member stand, before an offset."""
    at = kept.find(_MAGIC)
    while 0 <= at < last:
        yield at
        at = kept.find(_MAGIC, at + 1)


def _begins_record(first: bytes) -> bool:
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(first, len(_HEAD)) == _HEAD
    except zlib.error:
        return False
