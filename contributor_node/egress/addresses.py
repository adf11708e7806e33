"""From a host name to one address that may be reached, or a refusal.

Rules: a name is resolved once for a request; if any of its addresses is one the table refuses, the name is
refused as a whole; the first address is pinned and nothing is asked again. The table itself is
`windrow_protocol.addresses`; here it is told this machine's own addresses and the networks its interfaces are
on.

Does not: connect, cache a refusal, or follow anything.

Usage::

    pinned = await AddressBook(allow_private).choose(Place("example.org", 443))
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from contributor_node.egress.grants import Place
from windrow_protocol.addresses import AllowedEndpoint, IPNetwork, endpoint_verdict, parse_host_literal
from windrow_protocol.errors import WindrowError

RESOLVE_TIME_S_MAX = 10
RESOLVED_ADDRESSES_MAX = 64

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Name and port to all of its addresses; raises OSError when there is none."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The address a request will go to. `listed` says that the node's owner listed exactly this address and port."""

    address: str
    listed: bool
    loopback: bool


async def system_resolve(host: str, port: int) -> list[str]:
    """Resolve by the operating system. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def own_networks() -> tuple[IPNetwork, ...]:
    """Return the networks this machine's interfaces are on, loopback left out."""
    networks: dict[IPNetwork, None] = {}
    for addresses in psutil.net_if_addrs().values():
        for entry in addresses:
            if entry.family not in (socket.AF_INET, socket.AF_INET6) or not entry.netmask:
                continue
            address = entry.address.partition("%")[0]
            network = ipaddress.ip_network(f"{address}/{_prefix(entry.netmask)}", strict=False)
            if not network.is_loopback:
                networks[network] = None
    return tuple(networks)


def _prefix(netmask: str) -> int:
    return int(ipaddress.ip_address(netmask)).bit_count()


class AddressBook:
    """Chooses the address for a place. `allow_private` holds the endpoints that the node's owner listed."""

    def __init__(
        self, allow_private: frozenset[AllowedEndpoint] = frozenset(), resolve: Resolve = system_resolve
    ) -> None:
        self._allowed = allow_private
        self._resolve = resolve
        self._own = own_networks()

    async def choose(self, place: Place) -> Pinned:
        """Return the address for a request.

        Raises WindrowError `unsafe_address`, `host_unreachable` or `bad_url`.
        """
        addresses = await self._addresses(place)
        for address in addresses:
            verdict = endpoint_verdict(address, place.port, allowed=self._allowed, own=self._own)
            if not verdict.allowed:
                raise WindrowError("unsafe_address", f"{place.host}: {verdict.sentence}", rule=verdict.rule)
        first = ipaddress.ip_address(addresses[0])
        listed = AllowedEndpoint(first, place.port) in self._allowed
        return Pinned(addresses[0], listed, first.is_loopback)

    async def _addresses(self, place: Place) -> list[str]:
        literal = parse_host_literal(place.host)
        if literal is not None:
            return [str(literal)]
        try:
            async with asyncio.timeout(RESOLVE_TIME_S_MAX):
                found = await self._resolve(place.host, place.port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise WindrowError("host_unreachable", f"{place.host}: {error}") from error
        addresses = [address.partition("%")[0] for address in found]
        if not addresses or len(addresses) > RESOLVED_ADDRESSES_MAX:
            raise WindrowError("host_unreachable", f"{place.host} has {len(addresses)} addresses")
        return addresses
