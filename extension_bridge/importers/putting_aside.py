"""From an export to what is put aside for review: its latest visits, as the history of a browser.

Rules: only visits are taken, for consent covers pages and visits; the latest so many, in bounded memory; each is
redacted before it is kept, as `Drafts` does with every item, and nothing leaves.

Does not: read exports (`registry`), or send.

Usage: `visits = LatestVisits(500)`, `visits.see(item)` for each, then `visits.put_aside(drafts)`.
"""

from __future__ import annotations

import heapq
from collections import Counter

from extension_bridge.donation import Page
from extension_bridge.drafts import Drafts
from extension_bridge.importers.items import ImportedItem


class LatestVisits:
    """The latest `count_max` visits of all that were seen."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._kept: list[tuple[int, str, ImportedItem]] = []
        self.other = 0  # items that are no visits

    def see(self, item: ImportedItem) -> None:
        """Look at one item."""
        if item.kind != "visit" or not item.url:
            self.other += 1
        elif len(self._kept) < self._count_max:
            heapq.heappush(self._kept, (item.at_ms, item.item_id, item))
        elif self._kept:
            heapq.heappushpop(self._kept, (item.at_ms, item.item_id, item))

    def put_aside(self, drafts: Drafts) -> tuple[int, Counter[str]]:
        """Keep them for review, the latest first; return how many are new, and why others were left out.

        Raises WindrowError `busy` when too many would wait, and then keeps none; `home_unwritable`.
        """
        latest = sorted(self._kept, reverse=True)
        pages = [Page(item.url, item.title, "", at_ms) for at_ms, _, item in latest]
        added, refused = drafts.put(pages, "browser_history")
        return added, Counter(error.reason.sentence for error in refused)
