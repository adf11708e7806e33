"""The pages that a house holds in a calibration: every page of the set, as its host's neighbours see it.

Rules: the neighbour is found as an audit finds it, by the same function over sizes and the same threshold, among the
host's other pages; what is held are the pages without noise.

Does not: know a database (`aggregator/verification/audits/neighbours`).

Usage::

    held = HeldPages(pages); text_or_none = held.neighbour_of(page, "a text", "a truth")
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from aggregator.verification.audits.neighbours import nearest_in_size
from bench.changing_web.base_pages import BasePage
from windrow_protocol.content import shingles_in_order
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, NEIGHBOURS_SEEN_MAX

_TEXTS_CACHED: Final = 512


class HeldPages:
    """Pages by host, in the order in which they came."""

    def __init__(self, pages: Sequence[BasePage]) -> None:
        self.of_host: dict[str, list[BasePage]] = {}
        for page in pages:
            self.of_host.setdefault(page.host, []).append(page)

    def neighbour_of(
        self, page: BasePage, text: str, truth: str, *, without: BasePage | None = None
    ) -> str | None:
        """Return the text of the page's host that a text resembles most, if it does, but for one page's."""
        claimed = _shingles(text)
        nearby = self._nearby(page, without)
        sizes = {number: _size(each) for number, each in enumerate(nearby)}
        texts = [nearby[number].text for number in nearest_in_size(sizes, text, truth)]
        best = max(texts, key=lambda other: _likeness(claimed, _shingles(other)), default="")
        return best if _likeness(claimed, _shingles(best)) >= MATCH_SIMILARITY_MIN else None

    def _nearby(self, page: BasePage, without: BasePage | None) -> list[BasePage]:
        pages = self.of_host[page.host]
        at = next(i for i, each in enumerate(pages) if each is page)
        nearby = pages[max(0, at - NEIGHBOURS_SEEN_MAX) : at + NEIGHBOURS_SEEN_MAX + 1]
        return [each for each in nearby if each is not page and each is not without]


@lru_cache(None)
def _size(page: BasePage) -> int:
    return len(page.text.encode())


@lru_cache(_TEXTS_CACHED)
def _shingles(text: str) -> frozenset[int]:
    return frozenset(shingles_in_order(text))


def _likeness(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    return min(shared / len(a), shared / len(b)) if a and b else 0.0
