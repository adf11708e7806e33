"""Which network addresses a node may connect to: everything is refused that is not plainly public.

Rules: denied by default. IPv6 is allowed only inside 2000::/3 and IPv4 only outside the table, after an IPv4-mapped or
NAT64 address has been unwrapped to the IPv4 address it stands for. Only ports 80 and 443. The one way around is
an endpoint that the node's owner listed exactly, and only loopback endpoints can be listed. The caller must ask about
*every* address a name resolves to, refuse the name if any is refused, and connect to the very address judged.

Does not: resolve names, open sockets, or learn the machine's own addresses (they come in as `own`).

Usage::

    verdict = endpoint_verdict("169.254.169.254", 80)
    verdict.allowed, verdict.rule  # (False, 'ipv4_link_local')
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, NamedTuple

import ada_url

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_CHARS_MAX

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Own = Collection[str | IPAddress | IPNetwork]


class AddressVerdict(NamedTuple):
    """Whether an address may be contacted, by which rule (a stable name), and a sentence for the node's owner."""

    allowed: bool
    rule: str
    sentence: str


class AllowedEndpoint(NamedTuple):
    """One loopback address and port that the node's owner listed exactly."""

    ip: IPAddress
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


class DeniedNet(NamedTuple):
    """One row of the table: a network no node may reach, with the name and source of the rule."""

    net: IPNetwork
    rule: str
    what: str


def _row(net: str, rule: str, what: str) -> DeniedNet:
    return DeniedNet(ip_network(net), rule, what)


# Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); the last row is a cloud's own.
DENIED_NETS: Final[tuple[DeniedNet, ...]] = (
    _row("0.0.0.0/8", "ipv4_this_network", "this network (RFC 791)"),
    _row("10.0.0.0/8", "ipv4_private", "a private network (RFC 1918)"),
    _row("100.64.0.0/10", "ipv4_shared", "a provider's shared network (RFC 6598)"),
    _row("127.0.0.0/8", "ipv4_loopback", "this machine (RFC 1122)"),
    _row("169.254.0.0/16", "ipv4_link_local", "the local link, where clouds keep credentials (RFC 3927)"),
    _row("172.16.0.0/12", "ipv4_private", "a private network (RFC 1918)"),
    _row("192.0.0.0/24", "ipv4_protocol", "reserved for protocols (RFC 6890)"),
    _row("192.0.2.0/24", "ipv4_documentation", "reserved for documentation (RFC 5737)"),
    _row("192.88.99.0/24", "ipv4_6to4_relay", "the former 6to4 relay (RFC 7526)"),
    _row("192.168.0.0/16", "ipv4_private", "a private network (RFC 1918)"),
    _row("198.18.0.0/15", "ipv4_benchmark", "reserved for measurements (RFC 2544)"),
    _row("198.51.100.0/24", "ipv4_documentation", "reserved for documentation (RFC 5737)"),
    _row("203.0.113.0/24", "ipv4_documentation", "reserved for documentation (RFC 5737)"),
    _row("224.0.0.0/4", "ipv4_multicast", "multicast (RFC 5771)"),
    _row("240.0.0.0/4", "ipv4_reserved", "reserved or broadcast (RFC 1112)"),
    _row("168.63.129.16/32", "ipv4_cloud_host", "the host service of a cloud"),
    _row("2001::/23", "ipv6_protocol", "reserved for protocols, Teredo among them (RFC 2928)"),
    _row("2001:db8::/32", "ipv6_documentation", "reserved for documentation (RFC 3849)"),
    _row("2002::/16", "ipv6_6to4", "6to4, which carries any IPv4 address (RFC 3056)"),
    _row("3fff::/20", "ipv6_documentation", "reserved for documentation (RFC 9637)"),
)
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
IPV4_MAPPED: Final = IPv6Network("::ffff:0:0/96")
NAT64: Final = IPv6Network("64:ff9b::/96")
ALLOWED_PORTS: Final = frozenset({80, 443})
# Spelled out, because newer Pythons count ::ffff:127.0.0.1 as loopback as well.
LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_PUBLIC: Final = AddressVerdict(True, "public", "It is a public address.")


def unwrapped(ip: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv4-mapped (RFC 4291) or NAT64 (RFC 6052) address stands for, else `ip`."""
    if isinstance(ip, IPv6Address) and (ip in IPV4_MAPPED or ip in NAT64):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _denied(ip: IPAddress, rule: str, what: str) -> AddressVerdict:
    return AddressVerdict(False, rule, f"{ip} is {what}; a node reaches only public addresses.")


def address_verdict(ip: str | IPAddress, *, own: Own = ()) -> AddressVerdict:
    """Decide whether a node may connect to an address, whatever the port.

    `own` holds what belongs to the machine itself: its public addresses, on-link prefixes and gateways, as
    addresses or networks. A text that is no address in its usual notation is refused, never guessed at.
    """
    try:
        asked = ip_address(ip)
    except ValueError:
        return AddressVerdict(False, "not_an_address", f"{str(ip)[:60]!r} is not an IP address.")
    if isinstance(asked, IPv6Address) and asked.scope_id is not None:
        return _denied(asked, "ipv6_zone", "an address of one local link")
    real = unwrapped(asked)
    for row in DENIED_NETS:
        if real in row.net:
            return _denied(asked, row.rule, row.what)
    if isinstance(real, IPv6Address) and real not in GLOBAL_UNICAST:
        return _denied(asked, "ipv6_not_global", "outside the public range 2000::/3 (RFC 4291)")
    if any(asked in net or real in net for net in map(_as_network, own)):
        return _denied(asked, "own_network", "this machine's own address or network")
    return _PUBLIC


def _is_loopback(ip: IPAddress) -> bool:
    return any(ip in net for net in LOOPBACK) and getattr(ip, "scope_id", None) is None


def _as_network(item: str | IPAddress | IPNetwork) -> IPNetwork:
    # An interface is usually written with its host bits ("203.0.113.7/24"): its prefix is meant.
    return item if isinstance(item, (IPv4Network, IPv6Network)) else ip_network(item, strict=False)


def endpoint_verdict(
    ip: str | IPAddress,
    port: int,
    *,
    allowed: Collection[AllowedEndpoint] = frozenset(),
    own: Own = (),
) -> AddressVerdict:
    """Decide whether a node may connect to this address and port.

    `allowed` are the endpoints the owner listed: they match exactly, address and port, in no other spelling.
    """
    try:
        listed = AllowedEndpoint(ip_address(ip), port)
    except ValueError:
        return address_verdict(ip)
    if listed in allowed and _is_loopback(listed.ip):
        return AddressVerdict(True, "owner_listed", f"The owner of this node listed {listed}.")
    verdict = address_verdict(ip, own=own)
    if verdict.allowed and port not in ALLOWED_PORTS:
        return AddressVerdict(False, "port", f"Port {port} is not a web port; only 80 and 443 are used.")
    return verdict


def parse_allowed(text: str) -> AllowedEndpoint:
    """Return the endpoint an owner lists, such as `127.0.20.1:8100` or `[::1]:8100`.

    Raises WindrowError `bad_config` for anything but a loopback address in its usual notation with a port 1–65535.
    """
    host, _, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        ip = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise _bad_allowed(text, "it is not an IP address with a port, such as 127.0.20.1:8100") from None
    if bracketed != (ip.version == 6) or not _is_loopback(ip):
        raise _bad_allowed(text, "only loopback addresses (127.0.0.0/8, ::1) can be listed")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise _bad_allowed(text, "the port must be a number from 1 to 65535")
    return AllowedEndpoint(ip, int(port))


def _bad_allowed(text: str, why: str) -> WindrowError:
    return WindrowError("bad_config", f"allow_private {text[:60]!r}: {why}")


def parse_host_literal(host: str) -> IPAddress | None:
    """Return the address that a URL's host stands for in any notation browsers accept, or None for a name.

    Decimal, octal, hexadecimal and short forms, a trailing dot, full-width digits and bracketed IPv6 are all read
    (`0x7f.1`, `2130706433`, `127.1.`). Raises WindrowError `bad_url` where a browser would refuse the host, so that
    `256.1.1.1` can never reach a resolver as if it were a name. Source: WHATWG URL Standard, host parsing.
    """
    is_bare_ipv6 = host.count(":") > 1 and not host.startswith("[")
    bracketed = f"[{host}]" if is_bare_ipv6 else host
    has_port = ":" in bracketed and not bracketed.endswith("]")
    if len(host) > HOST_CHARS_MAX + 1 or has_port or any(mark in host for mark in "/\\?#@\t\r\n"):
        raise _bad_host(host)
    try:
        url = ada_url.URL(f"http://{bracketed}/")
    except ValueError:
        raise _bad_host(host) from None
    if url.host_type == ada_url.HostType.DEFAULT:
        return None
    return ip_address(url.hostname.strip("[]"))


def _bad_host(host: str) -> WindrowError:
    return WindrowError("bad_url", f"{host[:80]!r} is not a host", cause="host")
