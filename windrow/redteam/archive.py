"""Old copies of a web, as a cheat that replays would have them: two of each page, taken some days apart.

Rules: the copies are really fetched, from an address of the cheat's own, on days before the arena begins; control sites
are crawled from link to link like any other, because nothing tells them from the rest.

Does not: replay (see `strategies`). Usage: `older, newer = await take_archive(visitor, clock, urls, origins)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from windrow.redteam.arena_house import ArenaClock
from windrow.redteam.client import Client
from windrow_protocol.trust_rules import DAY_MS

AGES_DAYS: Final = (6, 3)  # of the older and the newer copy when the arena begins

Archive = dict[str, str]


async def take_archive(
    visitor: Client, clock: ArenaClock, urls: Sequence[str], origins: Sequence[str]
) -> tuple[Archive, Archive]:
    """Return the older and the newer texts by URL, of pages that could be had both times."""
    copies: list[Archive] = []
    for age_days in AGES_DAYS:
        clock.advance(-age_days * DAY_MS)
        listed = [page for origin in origins for page in await _pages_listed(visitor, origin)]
        copies.append({url: (await visitor.fetch(url)).text for url in (*urls, *listed)})
        clock.advance(age_days * DAY_MS)
    older, newer = copies
    both = {url for url, text in older.items() if text and newer.get(url)}
    return {url: older[url] for url in both}, {url: newer[url] for url in both}


async def _pages_listed(visitor: Client, origin: str) -> list[str]:
    return [page for shelf in await visitor.links(origin + "/") for page in await visitor.links(shelf)]
