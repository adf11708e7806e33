"""How much new text of one site and of one hosting network is paid for in an epoch.

    domain:example.org      the registrable domain; all names below a free host's domain (blogs, pages) are one
    prefix:203.0.113.0/24   the /24 or /48, of hosts that are named by address

Otherwise somebody's own site, or a crawl trap, would feed endless unique text to whoever is leased its pages.

Rules: only bytes that are paid use up room; documents are counted in the order in which they are priced. A cap never
touches the fetch fee.

Does not: resolve names (nothing that a node says of its peer's address is proven), or price.

Usage::

    rooms = NoveltyRooms(connection, rules)
    left = rooms.left(epoch_id, "https://a.example.org/page")
    rooms.use(epoch_id, "https://a.example.org/page", 12_000)
    rooms.save()
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from storage.pay_tables import novelty_rooms
from windrow_protocol.trust_rules import TrustRules
from windrow_protocol.urls import split_http_url

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


class NoveltyRooms:
    """The rooms used so far, read when first asked for and written back by `save`."""

    def __init__(self, connection: sa.Connection, rules: TrustRules) -> None:
        self._connection = connection
        self._rules = rules
        self._used: dict[tuple[int, str], int] = {}
        self._changed: set[tuple[int, str]] = set()

    def left(self, epoch_id: int, url: str) -> int | None:
        """Return how many bytes of a page's text may still be paid for; None when nothing caps them."""
        if not self._rules.on("domain_caps"):
            return None
        return min(self._cap(scope) - self._bytes(epoch_id, scope) for scope in scopes_of(url))

    def use(self, epoch_id: int, url: str, bytes_paid: int) -> None:
        """Count bytes that were paid."""
        if not self._rules.on("domain_caps") or not bytes_paid:
            return
        for scope in scopes_of(url):
            self._used[epoch_id, scope] = self._bytes(epoch_id, scope) + bytes_paid
            self._changed.add((epoch_id, scope))

    def save(self) -> None:
        """Write back what changed."""
        for epoch_id, scope in sorted(self._changed):
            row = (novelty_rooms.c.epoch_id == epoch_id) & (novelty_rooms.c.scope == scope)
            values = {"bytes_paid": self._used[epoch_id, scope]}
            if not self._connection.execute(sa.update(novelty_rooms).where(row).values(**values)).rowcount:
                self._connection.execute(
                    sa.insert(novelty_rooms).values(epoch_id=epoch_id, scope=scope, **values)
                )
        self._changed.clear()

    def _cap(self, scope: str) -> int:
        by_domain = scope.startswith("domain:")
        return self._rules.domain_novelty_bytes_max if by_domain else self._rules.prefix_novelty_bytes_max

    def _bytes(self, epoch_id: int, scope: str) -> int:
        key = epoch_id, scope
        if key not in self._used:
            row = (novelty_rooms.c.epoch_id == epoch_id) & (novelty_rooms.c.scope == scope)
            found = self._connection.execute(sa.select(novelty_rooms.c.bytes_paid).where(row)).scalar()
            self._used[key] = found or 0
        return self._used[key]


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
