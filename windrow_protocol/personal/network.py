"""Electronic addresses in a text: e-mail, IP and hardware addresses.

Rules: an e-mail address is grown outwards from its `@`, so that a long text without one costs nothing; an IP address
must parse, and those that can be nobody's (loopback, masks, documentation) are left alone.

Does not: resolve a name, or send anything.

Usage::

    for start, end in emails_in(text): ...
    for kind, start, end in addresses_in(text): ...

Source: RFC 5321 (lengths), RFC 6531 (international addresses), RFC 4291, RFC 5737 and RFC 3849 (documentation).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_LOCAL_CHARS: Final = 64
_LOCAL: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]{1,64}$")
_LOCAL_QUOTED: Final = re.compile(r"\"(?:[^\"\\\n]|\\[^\n]){1,62}\"$")
_LOCAL_CUT: Final = re.compile(r".*[=/?&](?=.)|[^\w]+(?=\w)")
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOMAIN: Final = re.compile(
    rf"(?:{_LABEL}\.){{1,8}}(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{2,24}})(?![\w@])", re.I
)
_DOMAIN_LITERAL: Final = re.compile(r"\[(?:IPv6:)?[0-9a-fA-F.:]{7,39}\]")
_SPELLED_AT: Final = re.compile(r" ?[\[({] ?at ?[\])}] ?", re.IGNORECASE)
_SPELLED_SIGN: Final = re.compile(r"[\[({] ?at ?[\])}]", re.IGNORECASE)  # begins with what is rare
_SPELLED_LOCAL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}$")
_DOT: Final = r"(?:\.| ?[\[({] ?dot ?[\])}] ?| dot )"
_SPELLED_DOMAIN: Final = re.compile(
    rf"{_LABEL}(?:{_DOT}{_LABEL}){{0,4}}{_DOT}[A-Za-z]{{2,24}}(?!\w)", re.IGNORECASE
)
# `icon@2x.png` is a picture, not a person.
_FILE_ENDINGS: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "avif", "css", "js", "html"})

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(
    rf"(?<![0-9A-Za-z_])(?<![0-9]\.)(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9A-Za-z_]|\.[0-9])"
)
# Cheap signs that a text may hold an address at all: they begin with one fixed character.
_DOTS: Final = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}")
_PAIR_OF_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]")
_PAIR: Final = re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]")
_VERSION: Final = re.compile(
    r"(?<!\w)(?:v|ver|version|release|build|rev|revision|firmware|section|chapter)\W{0,3}$", re.I
)
_COLONS: Final = re.compile(
    r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}(?=:)|(?=::))(?::(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4})){2,8}"
)
_MAC: Final = re.compile(
    r"(?<![0-9A-Za-z:-])[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?:(?:\1[0-9A-Fa-f]{2}){2})?"
    r"(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
# Behind an address: its zone, and the length of its prefix.
_SUFFIX: Final = re.compile(r"(?:%[0-9A-Za-z]{1,15})?(?:/[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9]))?")
_MAC_DOTTED: Final = re.compile(
    r"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9])"
)
_MAC_NAMED: Final = re.compile(
    r"(?<!\w)(?:mac|hardware|physical|ethernet|lladdr|bssid)\W(?:\W{0,3}\w{2,10}){0,2}\W{0,3}$", re.I
)
# Behind its name a hardware address of six or eight bytes is one in every way of writing it.
_MAC_BEHIND_NAME: Final = re.compile(
    r"(?<!\w)(?:mac|hardware|physical|ethernet|lladdr|bssid|eui-?(?:48|64))(?: addr(?:ess)?)?(?: is)?[\s:=\"']{1,4}"
    r"(?P<mac>[0-9A-F]{2}(?P<sep>[ :-]?)(?:[0-9A-F]{2}(?P=sep)){4}(?:[0-9A-F]{2}(?P=sep)){0,2}[0-9A-F]{2})(?![0-9A-Z])",
    re.IGNORECASE,
)
_NOWHERE_V4: Final = [IPv4Network(n) for n in ("0.0.0.0/8", "127.0.0.0/8", "255.0.0.0/8")]
_NOWHERE_V6: Final = [IPv6Network(n) for n in ("::/127", "ff00::/8")]
# Documentation: in a public page nobody's; on a device nothing is lost without them.
_NOBODY_V4: Final = [*_NOWHERE_V4, *map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))]
_NOBODY_V6: Final = [*_NOWHERE_V6, *map(IPv6Network, ("2001:db8::/32", "3fff::/20"))]


def emails_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each e-mail address, `name [at] host [dot] org` included."""
    place = text.find("@")
    while place >= 0:
        found = _email_around(text, place)
        if found:
            yield found
        place = text.find("@", place + 1)
    for at in _SPELLED_AT.finditer(text) if _SPELLED_SIGN.search(text) else ():
        local = _SPELLED_LOCAL.search(text, max(0, at.start() - _LOCAL_CHARS - 1), at.start())
        domain = _SPELLED_DOMAIN.match(text, at.end())
        if local and domain:
            yield local.start(), domain.end()


def _email_around(text: str, at: int) -> tuple[int, int] | None:
    domain = _DOMAIN.match(text, at + 1) or _DOMAIN_LITERAL.match(text, at + 1)
    if domain is None or domain.group().rpartition(".")[2].lower() in _FILE_ENDINGS:
        return None
    head = text[max(0, at - _LOCAL_CHARS) : at]
    local = _LOCAL_QUOTED.search(head) or _LOCAL.search(head)
    if local is None:
        return None
    cut = _LOCAL_CUT.match(local.group()) if not local.group().startswith('"') else None
    skipped = cut.end() if cut else 0
    if local.group()[skipped:].strip(".") == "":
        return None
    return at - len(local.group()) + skipped, domain.end()


def addresses_in(text: str, *, device: bool = False) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, start, end) of each IP address (`ip`) and hardware address (`mac`).

    `device`: also those of documentation, of a link, and hardware addresses written with dots.
    """
    nobody = _NOWHERE_V4 if device else _NOBODY_V4
    named = [match.span("mac") for match in _MAC_BEHIND_NAME.finditer(text)] if device else []
    yield from (("mac", *span) for span in named if len(set(text[slice(*span)])) > 2)
    for match in _IPV4.finditer(text) if _DOTS.search(text) else ():
        address = IPv4Address(match.group())
        version = _VERSION.search(text, max(0, match.start() - 12), match.start())
        if not version and not any(address in network for network in nobody):
            suffix = _SUFFIX.match(text, match.end()) if device else None
            yield "ip", match.start(), suffix.end() if suffix else match.end()
    if _PAIR_OF_COLONS.search(text):
        yield from (("ip", *span) for span in _ipv6_in(text, device=device) if span not in named)
    for match in _MAC.finditer(text) if _PAIR.search(text) else ():
        if len(set(match.group().lower())) > 2:
            yield "mac", match.start(), match.end()
    for match in _MAC_DOTTED.finditer(text) if device else ():
        if _MAC_NAMED.search(text, max(0, match.start() - 32), match.start()):
            yield "mac", match.start(), match.end()


def _ipv6_in(text: str, *, device: bool) -> Iterator[tuple[int, int]]:
    nobody = _NOWHERE_V6 if device else _NOBODY_V6
    for match in _COLONS.finditer(text):
        written = match.group()
        if written.endswith(":") and not written.endswith("::"):
            written = written[:-1]
        after = text[match.start() + len(written) :][:1]
        groups = [group for group in written.split(":") if group]
        try:
            address = IPv6Address(written)
        except AddressValueError:
            continue
        # `a::b` is a name in several programming languages; an address shows more of itself.
        routed = device and address.is_link_local
        mapped = device and address.ipv4_mapped is not None
        shown = (len(groups) >= 3 or routed or mapped) and any(c.isdigit() for c in written)
        if shown and not after.isalnum() and not any(address in network for network in nobody):
            end = match.start() + len(written)
            suffix = _SUFFIX.match(text, end) if device else None
            yield match.start(), suffix.end() if suffix else end
