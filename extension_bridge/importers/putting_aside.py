"""From an export to what is put aside for review: its latest items of which anything may leave, redacted.

Rules: what an item is decides as what it may be given (`SOURCES`); of messages only those whose author the person says
they are, of an assistant's answers none unless asked for; money that came in, other people's words and what no consent
has words for stay here and are counted. The latest so many, in bounded memory; nothing leaves.

Does not: read exports (`registry`), or send.

Usage: `chosen = LatestItems(500, me="Ana")`, `chosen.see(item)` for each, then `chosen.put_aside(drafts)`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Final

from extension_bridge.donation import Piece
from extension_bridge.drafts import Drafts
from extension_bridge.importers.items import ImportedItem
from extension_bridge.own_words import went_out
from extension_bridge.sources import RULES, Source

# What the kinds of items are given as; messages depend on who wrote them.
SOURCES: Final[dict[str, Source]] = {
    "visit": "browser_history",
    "search": "search",
    "watch": "watch",
    "listen": "listen",
    "post": "post",
    "reaction": "reaction",
    "transaction": "transaction",
}
_ROLES: Final[dict[str, Source]] = {"user": "ai_prompt", "human": "ai_prompt", "assistant": "ai_answer"}
ASSISTANTS: Final = "chatgpt"  # the importer of conversations whose other side is a machine
# Why an item stays on this computer, as a person reads it.
STAYS: Final[dict[str, str]] = {
    "others": "other people wrote them",
    "unknown_author": "nothing says which of their authors is you: name it with --me",
    "answers": "an assistant wrote them: ask for them with --with-answers",
    "incoming": "money that came in says who pays you",
    "no_address": "nothing of them but other people's words is known",
    "no_words": "no consent has words for what they are",
}
_AUTHORS_MAX: Final = 100  # of one conversation, whose names are taken out
_THREADS_MAX: Final = 20_000


class LatestItems:
    """The latest `count_max` of all items that were seen and may be given; `me` is the person as author of messages."""

    def __init__(self, count_max: int, *, me: str = "", with_answers: bool = False) -> None:
        self._count_max, self._me, self._with_answers = count_max, me.strip().casefold(), with_answers
        self._kept: list[tuple[int, str, ImportedItem, Source]] = []
        self._names: dict[str, set[str]] = {}
        self.stayed: Counter[str] = Counter()  # by keys of `STAYS`
        self.authors: Counter[str] = Counter()  # of messages that may be anybody's

    def see(self, item: ImportedItem) -> None:
        """Look at one item."""
        self._note_author(item)
        source = _source_of(item)
        why = self._why_it_stays(item, source)
        if source is None or why:
            self.stayed[why] += 1
            return
        entry = (item.at_ms, item.item_id, item, source)
        if len(self._kept) < self._count_max:
            heapq.heappush(self._kept, entry)
        elif self._kept:
            heapq.heappushpop(self._kept, entry)

    def put_aside(self, drafts: Drafts) -> tuple[int, Counter[str]]:
        """Keep them for review, the latest first; return how many are new, and why others were left out.

        Raises WindrowError `busy` when too many would wait, and then keeps none; `home_unwritable`.
        """
        latest = sorted(self._kept, key=lambda entry: entry[:2], reverse=True)
        added, refused = drafts.put_pieces(
            (source, self._piece(item, source)) for _, _, item, source in latest
        )
        return added, Counter(error.reason.sentence for error in refused)

    def _why_it_stays(self, item: ImportedItem, source: Source | None) -> str:
        """Return the reason of `STAYS` why an item is not for giving, empty when it is."""
        match source:
            case None:
                return "no_words"
            case "ai_answer" if not self._with_answers:
                return "answers"
            case "message" if not self._me:
                return "unknown_author"
            case "message" if item.author.casefold() != self._me:
                return "others"
            case "transaction" if not went_out(item.amount):
                return "incoming"
            case "browser_history" | "reaction" if not item.url:
                return "no_address"
        return ""

    def _note_author(self, item: ImportedItem) -> None:
        if item.kind != "message" or item.source == ASSISTANTS or not item.author:
            return
        if item.author in self.authors or len(self.authors) < _AUTHORS_MAX:
            self.authors[item.author] += 1
        if item.thread in self._names or len(self._names) < _THREADS_MAX:
            names = self._names.setdefault(item.thread, set())
            if len(names) < _AUTHORS_MAX:
                names.add(item.author)

    def _piece(self, item: ImportedItem, source: Source) -> Piece:
        title, text = item.title, item.text
        if source == "browser_history":
            text = ""
        elif source == "search":
            text = text or title
        elif source == "post" and item.source == "instagram":
            title = ""  # the account that was commented on
        names = tuple(sorted(self._names.get(item.thread, ()))) if source == "message" else ()
        return Piece(item.url, title, text, item.at_ms, RULES[source].author, item.amount, names)


def _source_of(item: ImportedItem) -> Source | None:
    """Return what an item would be given as, None for what no consent has words for."""
    if item.kind != "message":
        return SOURCES.get(item.kind)
    return _ROLES.get(item.author) if item.source == ASSISTANTS else "message"
