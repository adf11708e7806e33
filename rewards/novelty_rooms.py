"""How much new text of one site and of one hosting network is paid for in an epoch.

    domain:example.org      the registrable domain; all names below a free host's domain (blogs, pages) are one
    prefix:203.0.113.0/24   the /24 or /48, of hosts that are named by address
    unranked                all domains that the network's list of known ones lacks, where it has one
    all                     everything, for the share that `unranked` may have of it

Otherwise somebody's own site, or a crawl trap, would feed endless unique text to whoever is leased its pages; and a
thousand sites of one owner would be a thousand rooms.

Rules: only bytes that are paid use up room; documents are counted in the order in which they are priced, so that the
unranked never have more than their share of what was paid up to then. A cap never touches the fetch fee.

Does not: resolve names (nothing that a node says of its peer's address is proven), price, or lease
(`aggregator/assignment/unranked`, which goes by what is counted here).

Usage::

    rooms = NoveltyRooms(connection, rules, ranked)
    room = rooms.left(epoch_id, "https://a.example.org/page")
    rooms.use(epoch_id, "https://a.example.org/page", 12_000, 15_000)
    rooms.save()
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from storage.state import put_rows
from storage.tables.pay import novelty_rooms
from windrow_protocol.novelty_scopes import ALL, UNRANKED, is_known, scopes_of
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.trust_rules import PPM, TrustRules


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes of a page's text may still be paid for (None: as many as it has), and why not more."""

    bytes_left: int | None
    bound: str = "domain_cap"


@dataclass(frozen=True, slots=True)
class Used:
    """What pages of one scope came to in an epoch: bytes paid, bytes they asked for, and how many pages."""

    bytes_paid: int = 0
    bytes_asked: int = 0
    pages: int = 0


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
        self._used: dict[tuple[int, str], Used] = {}
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
        found = {
            (row.epoch_id, row.scope): Used(row.bytes_paid, row.bytes_asked, row.pages)
            for row in self._connection.execute(rows)
        }
        self._used |= dict.fromkeys(wanted, Used()) | found

    def left(self, epoch_id: int, url: str) -> Room:
        """Return how many bytes of a page's text may still be paid for."""
        if not self._rules.on("domain_caps"):
            return Room(None)
        self.read([(epoch_id, url)])
        of_site = min(self._cap(scope) - self._used[epoch_id, scope].bytes_paid for scope in scopes_of(url))
        if UNRANKED not in self._scopes(url):
            return Room(of_site)
        everything, unranked = self._used[epoch_id, ALL], self._used[epoch_id, UNRANKED]
        of_all = unranked_room(everything.bytes_paid, unranked.bytes_paid, self._rules.unranked_novelty_ppm)
        return Room(of_site) if of_site <= of_all else Room(of_all, "unranked_cap")

    def use(self, epoch_id: int, url: str, bytes_paid: int, bytes_asked: int) -> None:
        """Count a page whose room was asked for: what was paid of its text, and what without caps would have been."""
        if not self._rules.on("domain_caps"):
            return
        for scope in self._scopes(url):
            if not bytes_asked and scope not in (ALL, UNRANKED):
                continue
            used = self._used[epoch_id, scope]
            self._used[epoch_id, scope] = Used(
                used.bytes_paid + bytes_paid, used.bytes_asked + bytes_asked, used.pages + 1
            )
            self._changed.add((epoch_id, scope))

    def save(self) -> None:
        """Write back what changed."""
        rows = [
            {"epoch_id": epoch_id, "scope": scope, **asdict(self._used[epoch_id, scope])}
            for epoch_id, scope in sorted(self._changed)
        ]
        put_rows(self._connection, novelty_rooms, rows)
        self._changed.clear()

    def _scopes(self, url: str) -> tuple[str, ...]:
        of_site = scopes_of(url)
        if self._ranked is None or self._rules.unranked_novelty_ppm >= PPM:
            return of_site
        return (*of_site, ALL) if is_known(self._ranked, url) else (*of_site, ALL, UNRANKED)

    def _cap(self, scope: str) -> int:
        by_domain = scope.startswith("domain:")
        return self._rules.domain_novelty_bytes_max if by_domain else self._rules.prefix_novelty_bytes_max
