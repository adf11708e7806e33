"""Under which names the new text of a page is counted, so that what is paid for it, and leased of it, has a bound.

    domain:example.org      the registrable domain; all names below a free host's domain (blogs, pages) are one
    prefix:203.0.113.0/24   the /24 or /48, of hosts that are named by address
    all, unranked           everything, and all domains that the network's list of known ones lacks

Rules: pure. Does not: resolve names, count, or say how much is paid (`rewards/novelty_rooms`) or leased
(`aggregator/assignment/unranked`).

Usage: `scopes_of("https://a.example.org/page")`; `is_known(ranked, url)`.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, Final

from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.urls import split_http_url

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

ALL: Final = "all"
UNRANKED: Final = "unranked"
_PAGES_REMEMBERED: Final = 1_000  # a batch is asked for before it is priced, and again while it is


def is_known(ranked: RankedDomains, url: str) -> bool:
    """Say whether a page is of a domain on a list. Raises WindrowError `bad_url`."""
    return scopes_of(url)[0].removeprefix("domain:") in ranked


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
