"""Who asks, where proxies stand in between: the address that the outermost trusted proxy saw.

Rules: what a header says counts only when the connection itself comes from a trusted proxy, and then only as far as
trusted proxies wrote it: addresses are read from the right, and the first that is no trusted proxy's is the asker's.
What stands left of it anybody can have written. Where a proxy wrote no address, the proxy's own counts.

Does not: serve, or trust anybody by itself.

Usage: `doors = behind_proxies(routes, proxies_of(["10.0.0.0/8"]))`.

Source: RFC 7239, section 8.1 (trust); the de facto header X-Forwarded-For.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from storage.env import Handler, Request, Response, Route
from windrow_protocol.errors import WindrowError

HEADER: Final = "X-Forwarded-For"
Proxies = tuple[IPv4Network | IPv6Network, ...]
_HOPS_MAX: Final = 32


def proxies_of(addresses: Sequence[str]) -> Proxies:
    """Return networks (or single addresses) as they are configured. Raises WindrowError `bad_config`."""
    try:
        return tuple(ip_network(each) for each in addresses)
    except ValueError as error:
        raise WindrowError("bad_config", f"`trusted_proxies`: {error}") from error


def behind_proxies(routes: Sequence[Route], proxies: Proxies) -> list[Route]:
    """Return the same doors, which see who asks behind these proxies."""
    if not proxies:
        return list(routes)
    return [replace(route, handle=_seeing_through(route.handle, proxies)) for route in routes]


def behind_gates(routes: Sequence[Route]) -> list[Route]:
    """Return the same doors on a socket of the house's own, where its gates say who asks and nobody else can."""
    return [replace(route, handle=_believing(route.handle)) for route in routes]


def _believing(handle: Handler) -> Handler:
    async def believing(request: Request) -> Response:
        return await handle(replace(request, peer=request.header(HEADER)))

    return believing


def _seeing_through(handle: Handler, proxies: Proxies) -> Handler:
    async def seeing(request: Request) -> Response:
        return await handle(replace(request, peer=asker(request.peer, request.header(HEADER), proxies)))

    return seeing


def asker(peer: str, header: str, proxies: Proxies) -> str:
    """Return the address of who asks, given that of the connection and what a header says, or `peer`."""
    said = [peer, *(part.strip() for part in reversed(header.split(",")) if part.strip())]
    nearest = peer
    for address in map(_address, said[: _HOPS_MAX + 1]):
        if address is None:
            break
        nearest = str(address)
        if not any(address in network for network in proxies if network.version == address.version):
            break
    return nearest


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address that may be written with its port or in brackets; None for anything else."""
    bare = text[1 : text.find("]")] if text.startswith("[") else text
    bare = bare.rpartition(":")[0] if bare.count(":") == 1 else bare
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
