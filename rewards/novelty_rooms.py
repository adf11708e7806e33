"""How much new text of one site and of one hosting network is paid for in an epoch.

    domain:example.org      the registrable domain; all names below a free host's domain (blogs, pages) are one
    prefix:203.0.113.0/24   the /24 or /48, of hosts that are named by address
    unranked                all domains that the network's list of known ones lacks, where it has one
    all                     everything, for the share that `unranked` may have of it

Otherwise somebody's own site, or a crawl trap, would feed endless unique text to whoever is leased its pages; and a
thousand sites of one owner would be a thousand rooms.

Rules: only bytes that are paid use up room; documents are counted in the order in which they are priced, so that the
unranked never have more than their share of what was paid up to then. A cap never touches the fetch fee.

Does not: resolve names (nothing that a node says of its peer's address is proven), or price.

Usage::

    rooms = NoveltyRooms(connection, rules, ranked)
    room = rooms.left(epoch_id, "https://a.example.org/page")
    rooms.use(epoch_id, "https://a.example.org/page", 12_000)
    rooms.save()
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from storage.pay_tables import novelty_rooms
from storage.state import put_rows
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.trust_rules import PPM, TrustRules
from windrow_protocol.urls import split_http_url

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_PAGES_REMEMBERED = 1_000  # a batch is asked for before it is priced, and again while it is


_ALL, _UNRANKED = "all", "unranked"


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes of a page's text may still be paid for (None: as many as it has), and why not more."""

    bytes_left: int | None
    bound: str = "domain_cap"


def unranked_room(all_paid: int, unranked_paid: int, share_ppm: int) -> int:
    """Return the most bytes of one more unranked page that leave all of them within their share of what is paid.

    In bytes paid up to now for all pages and for unranked ones; the page's own count on both sides. `share_ppm` is
    less than a million.
    """
    return max(0, (share_ppm * all_paid - PPM * unranked_paid) // (PPM - share_ppm))


class NoveltyRooms:
    """The rooms used so far, read when first asked for and written back by `save`."""

    def __init__(
        self, connection: sa.Connection, rules: TrustRules, ranked: RankedDomains | None = None
    ) -> None:
        self._connection = connection
        self._rules = rules
        self._ranked = ranked
        self._used: dict[tuple[int, str], int] = {}
        self._changed: set[tuple[int, str]] = set()

    def read(self, pages: Iterable[tuple[int, str]]) -> None:
        """Read the rooms of (epoch, URL) that will be asked for, all at once."""
        asked = ((epoch_id, scope) for epoch_id, url in pages for scope in self._scopes(url))
        wanted = {key for key in asked if key not in self._used}
        if not wanted:
            return
        rows = sa.select(novelty_rooms).where(
            novelty_rooms.c.epoch_id.in_({epoch_id for epoch_id, _ in wanted}),
            novelty_rooms.c.scope.in_({scope for _, scope in wanted}),
        )
        found = {(row.epoch_id, row.scope): row.bytes_paid for row in self._connection.execute(rows)}
        self._used |= dict.fromkeys(wanted, 0) | found

    def left(self, epoch_id: int, url: str) -> Room:
        """Return how many bytes of a page's text may still be paid for."""
        if not self._rules.on("domain_caps"):
            return Room(None)
        self.read([(epoch_id, url)])
        of_site = min(self._cap(scope) - self._used[epoch_id, scope] for scope in scopes_of(url))
        if _UNRANKED not in self._scopes(url):
            return Room(of_site)
        all_paid, unranked_paid = self._used[epoch_id, _ALL], self._used[epoch_id, _UNRANKED]
        of_all = unranked_room(all_paid, unranked_paid, self._rules.unranked_novelty_ppm)
        return Room(of_site) if of_site <= of_all else Room(of_all, "unranked_cap")

    def use(self, epoch_id: int, url: str, bytes_paid: int) -> None:
        """Count bytes that were paid, of a page whose room was asked for."""
        if not self._rules.on("domain_caps") or not bytes_paid:
            return
        for scope in self._scopes(url):
            self._used[epoch_id, scope] += bytes_paid
            self._changed.add((epoch_id, scope))

    def save(self) -> None:
        """Write back what changed."""
        rows = [
            {"epoch_id": epoch_id, "scope": scope, "bytes_paid": self._used[epoch_id, scope]}
            for epoch_id, scope in sorted(self._changed)
        ]
        put_rows(self._connection, novelty_rooms, rows)
        self._changed.clear()

    def _scopes(self, url: str) -> tuple[str, ...]:
        of_site = scopes_of(url)
        if self._ranked is None or self._rules.unranked_novelty_ppm >= PPM:
            return of_site
        known = of_site[0].removeprefix("domain:") in self._ranked
        return (*of_site, _ALL) if known else (*of_site, _ALL, _UNRANKED)

    def _cap(self, scope: str) -> int:
        by_domain = scope.startswith("domain:")
        return self._rules.domain_novelty_bytes_max if by_domain else self._rules.prefix_novelty_bytes_max


@functools.lru_cache(maxsize=_PAGES_REMEMBERED)
def scopes_of(url: str) -> tuple[str, ...]:
    """Return the names under which a page's text is counted. Raises WindrowError `bad_url`."""
    host = split_http_url(url).host.removesuffix(".").strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return (f"domain:{_icann_list().privatesuffix(host) or host}",)
    bits = 24 if address.version == 4 else 48
    prefix = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    return f"domain:{address}", f"prefix:{prefix}"


@functools.cache
def _icann_list() -> PublicSuffixList:
    """Return the registries' suffixes without the private ones, under which anybody gets names for nothing."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)
