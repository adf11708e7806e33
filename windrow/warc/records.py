"""From one record of a WARC file to a document, or to the reason why it is none.

    response     a page, when it is HTML or plain text, answered with 200, whole, and says something
    conversion   a text that somebody took from a page (WET), whole
    others       nothing: requests, metadata, revisits (their page is elsewhere), resources of no host

Rules: nothing is read beyond `WARC_BLOCK_BYTES_MAX` of a record or decoded beyond `FETCH_DECODED_BYTES_MAX`; a body
that is declared compressed and is not (crawlers store it decoded and keep the field) is taken as it is. Texts,
titles and opt-out signals are found exactly as a node finds them; robots.txt was not asked, and that is what is
recorded.

Does not: read files, or store anything. Runs in a process that may crash.

Usage: `found = document_of(record)`: a `Document`, or a `Skip`.

Source: ISO 28500 (WARC 1.1); RFC 9112, section 7.1; WET files of Common Crawl.
"""

from __future__ import annotations

import hashlib
import io
import re
from datetime import datetime
from typing import Any, Final, NamedTuple

import brotli
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from aggregator.importing import Document
from contributor_node.crawling.content_coding import undo_content_encoding
from contributor_node.extraction.main_text import EXTRACTOR_VERSION, extract, is_text, media_type
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.content import normalise_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    FETCH_DECODED_BYTES_MAX,
    OPTOUT_SIGNALS_MAX,
    TEXT_BYTES_MAX,
    TITLE_CHARS_MAX,
    WARC_BLOCK_BYTES_MAX,
)
from windrow_protocol.optout import optout_signals
from windrow_protocol.urls import canonical_url

_SHORT: Final = 256
_DIGEST: Final = re.compile(r"[\x21-\x7e]{1,256}")
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class Skip(NamedTuple):
    """Why a record is no document; `cut_short` says that the file ends in it."""

    reason: str
    cut_short: bool = False


class _Page(NamedTuple):
    status: int
    content_type: str
    headers: list[tuple[str, str]]
    body: bytes


def document_of(record: WarcRecord) -> Document | Skip:
    """Return what a record says. The record's block is read to its end."""
    declared_bytes = record.content_length
    if record.record_type not in (WarcRecordType.response, WarcRecordType.conversion):
        return Skip(f"type:{record.record_type}", cut_short=record.consume() < declared_bytes)
    if declared_bytes > WARC_BLOCK_BYTES_MAX:
        return Skip("too_large", cut_short=record.consume() < declared_bytes)
    block = record.reader.read(declared_bytes + 1)
    if len(block) < declared_bytes:
        return Skip("cut_short", cut_short=True)
    try:
        return _document(record, block)
    except WindrowError as error:
        return Skip(error.code)


def _document(record: WarcRecord, block: bytes) -> Document | Skip:
    url = (record.headers.get("WARC-Target-URI") or "").strip().strip("<>")
    try:
        url = canonical_url(url)
    except WindrowError:
        return Skip("bad_url")
    fetched_at_ms = _milliseconds(record.record_date)
    if fetched_at_ms is None:
        return Skip("no_date")
    record_id = (record.headers.get("WARC-Record-ID") or "").strip().strip("<>")
    if not _DIGEST.fullmatch(record_id):
        return Skip("no_record_id")
    page = _page(record, block)
    if isinstance(page, Skip):
        return page
    if page.status != 200:
        return Skip(f"status:{page.status}")
    if not is_text(page.content_type, page.body):
        return Skip("not_text")
    return _said(page, url, fetched_at_ms, record_id)


def _said(page: _Page, url: str, fetched_at_ms: int, record_id: str) -> Document | Skip:
    found = extract(page.body, page.content_type)
    text = _bounded(found.text)
    if not text:
        return Skip("no_text")
    if is_block_page(text, page.status, found.title):
        return Skip("block_page")
    signals = [signal.as_text() for signal in optout_signals(url, page.headers, found.markup)]
    return Document(
        record_id=record_id,
        url=url,
        fetched_at_ms=fetched_at_ms,
        http_status=page.status,
        content_type=page.content_type[:_SHORT],
        optout_signals=[signal[:_SHORT] for signal in signals[:OPTOUT_SIGNALS_MAX]],
        raw_sha256=hashlib.sha256(page.body).hexdigest(),
        text=text,
        title=found.title[:TITLE_CHARS_MAX],
        extractor_version=EXTRACTOR_VERSION,
    )


def _page(record: WarcRecord, block: bytes) -> _Page | Skip:
    if record.record_type == WarcRecordType.conversion:
        kind = record.headers.get("Content-Type") or ""
        return _Page(200, kind if media_type(kind) == "text/plain" else "", [], block)
    if not (record.headers.get("Content-Type") or "").lower().startswith("application/http"):
        return Skip("not_http")
    headers, payload = _answer(block)
    if headers is None or not headers.status_code:
        return Skip("not_http")
    fields = [(str(name), str(value)) for name, value in headers.to_tuples()]
    coding = ", ".join(value for name, value in fields if name.lower() == "content-encoding")
    body = decoded(payload, coding)
    kind = next((value for name, value in fields if name.lower() == "content-type"), "")
    return _Page(int(headers.status_code), kind, fields, body)


def _answer(block: bytes) -> tuple[Any, bytes]:
    """Return header and body of an HTTP answer; one that is declared chunked and is not is taken as it is.

    It is parsed as a file of its own, because a parser that fails on a record loses its place in the file.
    """
    alone = b"WARC/1.1\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n"
    for decode in ("transfer", "none"):
        try:
            record = next(
                iter(ArchiveIterator(io.BytesIO(alone % len(block) + block + b"\r\n\r\n"), parse_http=False))
            )
            record.parse_http(auto_decode=decode)
            return record.http_headers, bytes(record.reader.read(WARC_BLOCK_BYTES_MAX + 1))
        except (OSError, ValueError, StopIteration):
            continue
    raise WindrowError("bad_answer", "the answer cannot be parsed")


def decoded(body: bytes, declared: str) -> bytes:
    """Undo a Content-Encoding. Raises WindrowError `decompression_bomb` or `bad_answer`."""
    coding = declared.strip().lower()
    if coding == "br":
        return _unbrotlied(body)
    if coding == "zstd":
        return _unzstd(body) if body[:4] == _ZSTD else _within(body)
    if coding in ("gzip", "x-gzip") and body[:2] != _GZIP:
        return _within(body)
    try:
        return undo_content_encoding(body, declared, FETCH_DECODED_BYTES_MAX)
    except WindrowError as error:
        if error.code == "bad_answer" and coding not in ("gzip", "x-gzip") and body.lstrip()[:1] == b"<":
            return _within(body)
        raise


def _within(body: bytes) -> bytes:
    if len(body) > FETCH_DECODED_BYTES_MAX:
        raise WindrowError("too_large", f"more than {FETCH_DECODED_BYTES_MAX} bytes")
    return body


def _unbrotlied(body: bytes) -> bytes:
    machine = brotli.Decompressor()
    try:
        made = bytes(machine.process(body, output_buffer_limit=FETCH_DECODED_BYTES_MAX + 1))
        while not machine.is_finished() and len(made) <= FETCH_DECODED_BYTES_MAX:
            more = bytes(machine.process(b"", output_buffer_limit=FETCH_DECODED_BYTES_MAX + 1))
            if not more:
                break
            made += more
    except brotli.error as error:
        if body.lstrip()[:1] == b"<":  # stored decoded
            return _within(body)
        raise WindrowError("bad_answer", "it is no brotli") from error
    if len(made) > FETCH_DECODED_BYTES_MAX:
        raise WindrowError("decompression_bomb", f"more than {FETCH_DECODED_BYTES_MAX} bytes")
    return made


def _unzstd(body: bytes) -> bytes:
    try:
        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(body) as reader:
            made = reader.read(FETCH_DECODED_BYTES_MAX + 1)
    except zstandard.ZstdError as error:
        raise WindrowError("bad_answer", "it is no zstd") from error
    if len(made) > FETCH_DECODED_BYTES_MAX:
        raise WindrowError("decompression_bomb", f"more than {FETCH_DECODED_BYTES_MAX} bytes")
    return bytes(made)


def _bounded(text: str) -> str:
    text = normalise_text(text)
    if len(text.encode("utf-8", "replace")) <= TEXT_BYTES_MAX:
        return text.encode("utf-8", "replace").decode()
    return normalise_text(text.encode("utf-8", "replace")[:TEXT_BYTES_MAX].decode("utf-8", "ignore"))


def _milliseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    milliseconds = round(moment.timestamp() * 1000)
    return milliseconds if 0 <= milliseconds < 2**53 else None
