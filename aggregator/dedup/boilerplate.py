"""Boilerplate: which lines and paragraphs of a page its host's other pages have too.

Rules: a line counts as repeated from the third page on that has it, in the order of the log; the same log gives the
same marks however it is cut into batches. Lines are compared by their folded words, paragraphs (lines between empty
ones) by their lines. Only texts that were new count for those that follow, and pages by their URL, so neither copies
nor one page fetched again make boilerplate of an article; what does not count is marked all the same. Of a host a
bounded number of blocks is remembered, 20 bytes each; what only one page had is forgotten first, and then what was not
seen for longest.

Does not: change texts, judge novelty, or begin and commit transactions.

Usage::

    pages = read_pages([(final_url, text), ...])               # before the transaction
    marks = mark_boilerplate(connection, pages, are_new)       # in it; the hosts' blocks are saved
    without = drop_lines(text, marks[0].lines)

Source: the line-wise deduplication of CCNet (Wenzek et al. 2019) and C4 (Raffel et al. 2019), here host by host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from aggregator.dedup.characters import fold_table, plain_table
from aggregator.dedup.minhash import bytes_of, folded
from storage.state import put_rows
from storage.tables.contributions import host_blocks
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_BLOCKS_KEPT, HOST_BLOCKS_MAX, PAGE_LINES_MAX
from windrow_protocol.urls import host_key

Hashes = NDArray[np.uint64]

_NAMES: Final = ("digest", "first", "second", "last")
_FIELDS: Final = np.dtype(list(zip(_NAMES, ("<u8", "<u4", "<u4", "<u4"), strict=True)))
_HOSTS: sa.BindParameter[str] = sa.bindparam("hosts", expanding=True)
_HELD = sa.select(host_blocks).where(host_blocks.c.host_key.in_(_HOSTS))


class Page(NamedTuple):
    """A page's blocks: digests of lines and then of paragraphs, and which lines each block is, counted from 1."""

    host: str
    url: int
    digests: Hashes
    spans: list[tuple[int, int]]
    lines: int  # how many of the blocks are lines
    line_bytes: list[int]  # of all lines


class Marked(NamedTuple):
    """What of a page is boilerplate: line numbers from 1; `paragraphs` are the lines of whole repeated paragraphs."""

    lines: list[int]
    paragraphs: list[int]
    line_bytes: int


def read_pages(texts: Sequence[tuple[str, str]]) -> list[Page]:
    """Return the blocks of pages, given as URL and text in normal form. What is no URL is a host of its own."""
    split = [text.split("\n") for _, text in texts]
    numbered = [_looked_at(lines) for lines in split]
    chosen = [lines[i - 1] for lines, numbers in zip(split, numbered, strict=True) for i in numbers]
    digests = _digests(chosen)
    pages, start = [], 0
    for (url, _), lines, numbers in zip(texts, split, numbered, strict=True):
        of_lines, start = digests[start : start + len(numbers)], start + len(numbers)
        of_paragraphs, spans = _paragraphs(numbers, of_lines)
        place = int.from_bytes(hashlib.sha256(url.encode()).digest()[:4], "little") | 1
        pages.append(
            Page(
                _host_of(url),
                place,
                np.concatenate([of_lines, of_paragraphs]),
                [(i, i) for i in numbers] + spans,
                len(numbers),
                [len(line.encode()) for line in lines],
            )
        )
    return pages


def mark_boilerplate(
    connection: sa.Connection, pages: Sequence[Page], are_new: Sequence[bool]
) -> list[Marked]:
    """Mark pages in their order, those that are new count for the next, and save what the hosts' pages have."""
    names = sorted({page.host for page in pages})
    hosts = {name: HostBlocks() for name in names}
    for row in connection.execute(_HELD, {"hosts": names}):
        hosts[row.host_key] = HostBlocks(row.blocks, row.pages)
    marked = [hosts[page.host].mark(page, is_new) for page, is_new in zip(pages, are_new, strict=True)]
    changed = {page.host for page, is_new in zip(pages, are_new, strict=True) if is_new}
    rows = [{"host_key": name, "pages": hosts[name].pages, "blocks": hosts[name].saved()} for name in changed]
    put_rows(connection, host_blocks, sorted(rows, key=lambda row: str(row["host_key"])))
    return marked


def drop_lines(text: str, numbers: Collection[int]) -> str:
    """Return a text without some of its lines, counted from 1.

    A recipe does the same in DuckDB with `string_split`, `list_contains` and `array_to_string` (docs/dedup.md).
    """
    return "\n".join(line for i, line in enumerate(text.split("\n"), 1) if i not in numbers)


class HostBlocks:
    """The blocks that one host's pages had, as they were saved."""

    def __init__(self, saved: bytes = b"", pages: int = 0) -> None:
        held: NDArray[np.void] = np.frombuffer(saved, _FIELDS)
        self.pages, self._held = pages, held.size
        self._digests = np.zeros(HOST_BLOCKS_MAX, np.uint64)
        self._firsts, self._seconds, self._last = (np.zeros(HOST_BLOCKS_MAX, np.uint32) for _ in range(3))
        for column, name in zip(self._columns(), _NAMES, strict=True):
            column[: held.size] = held[name]
        self._slots = _kernels().slots_of(self._digests, self._held, HOST_BLOCKS_MAX)

    def mark(self, page: Page, is_new: bool) -> Marked:
        """Mark one page, and count it for the next ones when it is new."""
        if is_new:
            self.pages += 1
            if self._held + page.digests.size > HOST_BLOCKS_MAX:
                self._forget()
        place, number = np.uint32(page.url), np.uint32(self.pages)
        repeated, self._held = _kernels().note_page(
            page.digests, place, number, is_new, self._held, self._slots, *self._columns()
        )
        lines = [page.spans[i][0] for i in np.flatnonzero(repeated[: page.lines]).tolist()]
        spans = [page.spans[page.lines + i] for i in np.flatnonzero(repeated[page.lines :]).tolist()]
        paragraphs = [line for first, last in spans for line in range(first, last + 1)]
        return Marked(lines, paragraphs, sum(page.line_bytes[i - 1] for i in lines))

    def saved(self) -> bytes:
        """Return what is kept of it."""
        out: NDArray[np.void] = np.empty(self._held, _FIELDS)
        for column, name in zip(self._columns(), _NAMES, strict=True):
            out[name] = column[: self._held]
        return out.tobytes()

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self._digests, self._firsts, self._seconds, self._last

    def _forget(self) -> None:
        held = slice(self._held)
        alone = (self._firsts[held] != 0) & (self._seconds[held] == 0)
        order = np.lexsort((self._digests[held], -self._last[held].astype(np.int64), alone))[
            :HOST_BLOCKS_KEPT
        ]
        for column in self._columns():
            column[: order.size] = column[order]
        self._held = order.size
        self._slots = _kernels().slots_of(self._digests, self._held, HOST_BLOCKS_MAX)


def _host_of(url: str) -> str:
    try:
        return host_key(url)
    except WindrowError:
        return url


def _looked_at(lines: Sequence[str]) -> list[int]:
    """Return the numbers of the lines that are looked at: of a long page its beginning and its end."""
    numbers = [i for i, line in enumerate(lines, 1) if line]
    half = PAGE_LINES_MAX // 2
    return numbers if len(numbers) <= PAGE_LINES_MAX else numbers[:half] + numbers[-half:]


def _paragraphs(numbers: Sequence[int], digests: Hashes) -> tuple[Hashes, list[tuple[int, int]]]:
    """Return the digests of paragraphs of more than one line, and their first and last lines."""
    breaks = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1), len(numbers)]
    several = [(a, b) for a, b in pairwise(breaks) if b - a > 1 and digests[a:b].any()]
    found = [_kernels().digest_of(digests, a, b) for a, b in several]
    return np.array(found, np.uint64), [(numbers[a], numbers[b - 1]) for a, b in several]


def _digests(lines: Sequence[str]) -> Hashes:
    encoded = [line.encode() for line in lines]
    digests, flags = _hashed(encoded, fold_table())
    long = np.flatnonzero(flags & _kernels().IS_LONG)
    if long.size:
        digests[long] = _hashed([folded(lines[i]) for i in long.tolist()], plain_table())[0]
    return digests


def _hashed(encoded: Sequence[bytes], table: NDArray[np.uint32]) -> tuple[Hashes, NDArray[np.uint8]]:
    ends = np.cumsum([len(data) for data in encoded], dtype=np.int64)
    found: tuple[Hashes, NDArray[np.uint8]] = _kernels().line_digests(
        bytes_of(b"".join(encoded)), ends, table
    )
    return found


@cache
def _kernels() -> Any:
    from aggregator.dedup import block_kernels

    return block_kernels
