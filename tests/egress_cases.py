"""Ways to make a node reach what it must never reach: addresses at every edge, spellings, names, redirects, ports.

Rules: written from the list of hazards and the standards, never from the node's own table, so that both must agree.
Deterministic. A case names a URL, what its host resolves to at each look, and where its page redirects to, if it does.

Does not: send anything, or know what the node answers.

Usage::

    cases = all_cases()
    cases[0].url, cases[0].kind
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, NamedTuple

PUBLIC_V4: Final = "93.184.215.14"
PUBLIC_V6: Final = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
IPV4_DENIED: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
)  # fmt: skip
IPV6_DENIED: Final = ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "::/3", "4000::/2", "8000::/1")
KNOWN_V4: Final = ("169.254.169.254", "100.100.100.200", "192.0.0.192", "127.0.0.53", "10.255.255.255")
KNOWN_V6: Final = (
    "::", "::1", "100::1", "64:ff9b:1::a00:1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1", "fe80::1",
    "fe80::a9fe:a9fe", "febf:ffff::1", "fec0::1", "feff::1", "ff02::1", "ff05::2", "2001::1", "2001:10::1",
    "2001:20::1", "2001:1ff:ffff::1", "fe80::5efe:a00:1", "::ffff:0:a00:1",
)  # fmt: skip
ODD_PORTS: Final = (
    1, 7, 21, 22, 23, 25, 53, 79, 81, 110, 111, 135, 139, 389, 445, 465, 631, 873, 1080, 1433, 2049, 2375, 3128, 3306,
    3389, 4444, 5000, 5432, 5900, 5984, 6379, 6667, 8000, 8008, 8080, 8443, 8888, 9000, 9090, 9200, 10250, 11211, 27017,
    65535,
)  # fmt: skip


class Case(NamedTuple):
    """One attempt. `answers` are what the URL's host resolves to, look by look; the last one stays."""

    kind: str
    url: str
    answers: tuple[tuple[str, ...], ...] = ()
    location: str = ""


def denied_v4() -> list[IPv4Address]:
    """Return both edges of every denied IPv4 network, their neighbours inside, the middle, and notorious addresses."""
    found = {IPv4Address(text): None for text in KNOWN_V4}
    for net in map(ip_network, IPV4_DENIED):
        first, last = int(net.network_address), int(net.broadcast_address)
        for number in (first, first + 1, (first + last) // 2, last - 1, last):
            found[IPv4Address(min(max(number, first), last))] = None
    return list(found)


def denied_v6() -> list[IPv6Address]:
    """Return the same for IPv6, with every denied IPv4 address inside the forms that can carry one."""
    found = {IPv6Address(text): None for text in KNOWN_V6}
    for net in map(ip_network, IPV6_DENIED):
        first, last = int(net.network_address), int(net.broadcast_address)
        for number in (first, first + 1, (first + last) // 2, last - 1, last):
            found[IPv6Address(number)] = None
    for address in denied_v4():
        for carried in carriers(address):
            found[carried] = None
    return list(found)


def carriers(address: IPv4Address) -> list[IPv6Address]:
    """Return the IPv6 addresses that stand for, or lead to, an IPv4 address."""
    bits = int(address)
    return [
        IPv6Address((0xFFFF << 32) | bits),  # mapped, RFC 4291
        IPv6Address(bits),  # compatible, RFC 4291
        IPv6Address((0xFFFF << 48) | bits),  # translated, RFC 2765
        IPv6Address((0x64FF9B << 96) | bits),  # NAT64, RFC 6052
        IPv6Address((0x64FF9B0001 << 80) | bits),  # local NAT64, RFC 8215
        IPv6Address((0x2002 << 112) | (bits << 80)),  # 6to4, RFC 3056
        IPv6Address((0x2002 << 112) | (bits << 80) | 1),
        IPv6Address((0x20010000 << 96) | (0x5DB8D70E << 64) | (bits ^ 0xFFFFFFFF)),  # Teredo client, RFC 4380
        IPv6Address((0x20010000 << 96) | (bits << 64)),  # Teredo server
        IPv6Address((0xFE80 << 112) | (0x5EFE << 32) | bits),  # ISATAP, RFC 5214
    ]


def spellings_v4(address: IPv4Address) -> Iterator[str]:
    """Yield hosts, as a URL may write them, that some reader takes for this IPv4 address."""
    text, number = str(address), int(address)
    a, b, c, d = text.split(".")
    yield from (
        text,
        f"{text}.",
        f"{text}..",
        f".{text}",
        str(number),
        f"{number}.",
        f"0x{number:x}",
        f"0X{number:08X}",
    )
    yield from (f"0x{number:016x}", f"0{number:o}", f"0{number:o}.", f"000{number:o}", str(number + 2**32))
    yield ".".join(f"0{int(part):o}" for part in (a, b, c, d))
    yield ".".join(f"{int(part):04o}" for part in (a, b, c, d))
    yield ".".join(f"0x{int(part):x}" for part in (a, b, c, d))
    yield ".".join(f"0x{int(part):08X}" for part in (a, b, c, d))
    yield ".".join(part.zfill(3) for part in (a, b, c, d))
    yield f"{a}.{b}.{(int(c) << 8) | int(d)}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"0x{int(a):x}.0{int(b):o}.{c}.{d}"
    yield f"{a}.0x{number & 0xFFFFFF:x}"
    yield f"0{int(a):o}.0x{int(b):x}.{number & 0xFFFF}"
    yield text.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    yield text.translate({ord(digit): 0x1D7CE + int(digit) for digit in "0123456789"})
    yield text.translate({ord("1"): "①", ord("2"): "②", ord("0"): "⓪", ord("6"): "⑥"})
    for dot in "。．｡":
        yield text.replace(".", dot)
    yield f"{a}\u00ad.{b}.{c}.{d}"
    yield f"{a}.{b}\u200b.{c}.{d}"
    yield "".join(f"%{ord(letter):02x}" for letter in text)
    yield text.replace(".", "%2e")
    yield text.replace(".", "%E3%80%82")
    yield from (f"[{text}]", f"[::ffff:{text}]", f"[::{text}]", f"[64:ff9b::{text}]", f"[::ffff:{text}%25lo]")


def disguises(host: str) -> Iterator[str]:
    """Yield authorities that hide a host behind a harmless one, or beside one."""
    yield from (
        f"public.example@{host}",
        f"public.example:80@{host}",
        f"u:p@{host}",
        f"{host}#@public.example",
    )
    yield from (
        f"{host}\\@public.example",
        f"public.example\\@{host}",
        f"public.example%40{host}",
        f"@{host}",
    )
    yield from (
        f"{host}:80",
        f"{host}:443",
        f"{host}:00080",
        f"{host}:",
        f"public.example#@{host}",
        f"{host}%00.example",
    )
    yield from (f"{host}%0d%0aHost:%20public.example", f"{host}\t", f"{host} ", f"{host}?@public.example")


def spellings_v6(address: IPv6Address) -> Iterator[str]:
    """Yield hosts for an IPv6 address: short, long, in capitals, with its tail dotted, with a zone."""
    text = str(address)
    tail = IPv4Address(int(address) & 0xFFFFFFFF)
    head = ":".join(address.exploded.split(":")[:6])
    yield from (f"[{text}]", f"[{address.exploded}]", f"[{text.upper()}]", f"[{head}:{tail}]")
    yield from (f"[{text}%25lo]", f"[{text}%lo]", f"[{text}].", text)


def _literals() -> Iterator[Case]:
    for v4 in denied_v4():
        for host in spellings_v4(v4):
            yield Case("ipv4 notation", f"http://{host}/x")
            yield Case("ipv4 notation", f"https://{host}/x")
        for authority in disguises(str(v4)):
            yield Case("disguise", f"http://{authority}/x")
    for v6 in denied_v6():
        for host in spellings_v6(v6):
            yield Case("ipv6 notation", f"http://{host}/x")
        yield Case("ipv6 notation", f"https://[{v6}]/x")
    for local in (
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "ip6-localhost",
        "localhost.localdomain",
    ):
        yield Case("name", f"http://{local}/x", (("127.0.0.1",),))
        yield Case("name", f"https://{local}/x", (("::1",),))


def _names() -> Iterator[Case]:
    """Names that resolve to what is denied, by itself or among good answers, and names that change their mind."""
    for number, address in enumerate([*denied_v4(), *denied_v6()[::3]]):
        bad, host = str(address), f"n{number}.example"
        scheme = "https" if number % 2 else "http"
        yield Case("name", f"{scheme}://only-{host}/x", ((bad,),))
        yield Case("name", f"{scheme}://first-{host}/x", ((bad, PUBLIC_V4),))
        yield Case("name", f"{scheme}://last-{host}/x", ((PUBLIC_V4, PUBLIC_V6, bad),))
        yield Case("rebinding", f"{scheme}://flips-{host}/x", ((PUBLIC_V4,), (bad,)))
        yield Case("rebinding", f"{scheme}://later-{host}/x", ((PUBLIC_V4,), (PUBLIC_V6, bad)))
    for number, address in enumerate(denied_v4()):
        dashed = str(address).replace(".", "-")
        yield Case("name", f"http://{address}.w{number}.example/x", ((str(address),),))
        yield Case("name", f"http://{dashed}.w{number}.example/x", ((str(address),),))
        yield Case("name", f"http://xn--{dashed}-9za.example/x", ((f"{address}",),))


def _redirects() -> Iterator[Case]:
    """Public pages, and public robots.txt files, that redirect to what is denied."""
    targets = [str(v4) for v4 in denied_v4()] + [f"[{v6}]" for v6 in denied_v6()[::4]]
    targets += [host for v4 in denied_v4()[::6] for host in spellings_v4(v4)]
    for number, host in enumerate(targets):
        for kind, prefix in (("redirect", "r"), ("robots redirect", "t")):
            scheme = "https" if number % 5 == 0 else "http"
            location = f"https://{host}/y" if number % 3 == 0 else f"http://{host}/y"
            yield Case(kind, f"{scheme}://{prefix}{number}.example/x", ((PUBLIC_V4,),), location)
    for number, port in enumerate(ODD_PORTS):
        location = f"http://public.example:{port}/y"
        yield Case("redirect", f"http://p{number}.example/x", ((PUBLIC_V4,),), location)


def _ports() -> Iterator[Case]:
    for port in ODD_PORTS:
        for host in (PUBLIC_V4, f"[{PUBLIC_V6}]", "public.example", "127.0.0.1", "10.0.0.1", "[::1]"):
            yield Case("port", f"http://{host}:{port}/x")
            yield Case("port", f"https://{host}:{port}/x")


def public_addresses(cases: Sequence[Case]) -> set[str]:
    """Return the addresses that may be reached: the public ones, and those that `010.1.2.3` means to the C library."""
    found = {PUBLIC_V4, PUBLIC_V6}
    for case in cases:
        for url in (case.url, case.location):
            host = url.partition("://")[2].rpartition("/")[0]
            try:
                meant = IPv4Address(socket.inet_aton(host))
            except (OSError, UnicodeError):
                continue
            if not any(meant in net for net in map(ip_network, IPV4_DENIED)):
                found.add(str(meant))
    return found


def all_cases() -> list[Case]:
    """Return every case once, in a fixed order."""
    found = (case for make in (_literals, _names, _redirects, _ports) for case in make())
    return list({(case.url, case.location): case for case in found}.values())


def some_cases(count: int) -> list[Case]:
    """Return about so many cases, of every kind in its proportion, at least a few of each; 0 for all."""
    cases = all_cases()
    if not 0 < count < len(cases):
        return cases
    kinds: dict[str, list[Case]] = {}
    for case in cases:
        kinds.setdefault(case.kind, []).append(case)
    shares = {kind: max(20, count * len(group) // len(cases)) for kind, group in kinds.items()}
    return [case for kind, group in kinds.items() for case in group[:: max(1, len(group) // shares[kind])]]
