"""Control sites: which pages one has, since when, and the minute at which each begins to change.

    born ───────────── wakes ─────────── gone
         the same text         another one each minute

Rules: pure; everything follows from the site's key. A page stands unchanged for two to six weeks, as most pages of the
web do, wakes at a minute that nobody can foresee, and is leased only in the four days after that. So whoever keeps old
copies has one of it, which is wrong, and whoever looks whether it has woken has fetched it. A site answers only the
pages it has, and lists them, as any site does.

Does not: say how a site looks (`canary_style`), write the texts (`canary_text`), serve, lease or judge (`canaries`).

Usage: `site = ControlSite(key, pages_a_day=64)`; `site.page_at(path, minute)`; `site.lately_woken(minute)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aggregator.verification.comparing.canary_style import PageName, SiteStyle, keyed_numbers, style_of

DAY_MINUTES: Final = 1_440
QUIET_DAYS: Final = (12, 45)  # at least, at most, between birth and waking
LEASED_DAYS: Final = 4  # after waking
AWAKE_DAYS: Final = (6, 9)  # between waking and its end; its last lease is over by then
QUIET_MINUTE: Final = -1  # of the text that is shown before a page wakes
_DAYS_CACHED: Final = 1_024


@dataclass(frozen=True, slots=True)
class ControlPage:
    """One page of a control site; minutes since 1970."""

    name: PageName
    born: int
    wakes: int
    gone: int

    @property
    def path(self) -> str:
        """Where it is."""
        return self.name.path

    def text_minute(self, minute: int) -> int:
        """Return the minute whose text the page shows in a minute."""
        return minute if minute >= self.wakes else QUIET_MINUTE


@dataclass(frozen=True, slots=True)
class ControlSite:
    """The pages of one site: of each day, `pages_a_day` wake."""

    key: bytes
    pages_a_day: int

    @property
    def style(self) -> SiteStyle:
        """How its addresses and pages look."""
        return style_of(self.key)

    def pages_at(self, minute: int) -> list[ControlPage]:
        """Return the pages that there are in a minute, by path."""
        day = minute // DAY_MINUTES
        days = range(day - AWAKE_DAYS[1], day + QUIET_DAYS[1] + 1)
        there = (page for each in days for page in _waking(self.key, each, self.pages_a_day))
        return sorted((p for p in there if p.born <= minute < p.gone), key=lambda page: page.path)

    def page_at(self, path: str, minute: int) -> ControlPage | None:
        """Return the page at a path in a minute, None where there is none."""
        return next((page for page in self.pages_at(minute) if page.path == path), None)

    def lately_woken(self, minute: int) -> list[ControlPage]:
        """Return the pages that woke within `LEASED_DAYS` before a minute: those that may be leased."""
        day = minute // DAY_MINUTES
        days = range(day - LEASED_DAYS, day + 1)
        woken = (page for each in days for page in _waking(self.key, each, self.pages_a_day))
        return [page for page in woken if minute - LEASED_DAYS * DAY_MINUTES < page.wakes <= minute]


@lru_cache(maxsize=_DAYS_CACHED)
def _waking(key: bytes, day: int, count: int) -> tuple[ControlPage, ...]:
    return tuple(_page(key, day, number) for number in range(count))


def _page(key: bytes, day: int, number: int) -> ControlPage:
    lot = f"{day}/{number}"
    draw = keyed_numbers(key, "life", lot)
    wakes = day * DAY_MINUTES + next(draw) % DAY_MINUTES
    born, gone = wakes - _minutes(draw, QUIET_DAYS), wakes + _minutes(draw, AWAKE_DAYS)
    return ControlPage(style_of(key).page_name(key, lot), born, wakes, gone)


def _minutes(draw: Iterator[int], days: tuple[int, int]) -> int:
    least, most = (each * DAY_MINUTES for each in days)
    return least + next(draw) % (most - least + 1)
