"""What in a text identifies a person or opens a door: addresses, numbers, wallets, keys, by shape and checksum.

Rules: deterministic, never overlapping, linear in the text; where a checksum exists it must be right, where a shape
alone says too little a word beside it must. Unicode digits, full-width forms, odd blanks and zero-width characters
cannot hide a finding. Kinds are a closed vocabulary (`DEVICE_KINDS`).

Postal addresses, names, numbers of documents and what only a word beside it gives away are looked for only where that
is asked for (`DEVICE_DETECTORS`): in what a person gives, not in public pages, where most of them are nobody's secret.

Does not: change the text (see `extension_bridge.redaction`), or keep what it found.

Usage::

    for finding in find_personal("write to ana@example.org"):
        print(finding.kind, finding.start, finding.end)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TEXT_BYTES_MAX
from windrow_protocol.personal.addresses import postal_addresses_in
from windrow_protocol.personal.bare_ids import bare_ids_in
from windrow_protocol.personal.checksums import (
    IBAN_CHARS,
    base58_address,
    bech32_address,
    evm_address,
    iban,
    luhn,
    mod_97_10,
)
from windrow_protocol.personal.documents import documents_in, documents_named_in
from windrow_protocol.personal.names import person_names_in
from windrow_protocol.personal.national_ids import ids_in
from windrow_protocol.personal.network import addresses_in, emails_in
from windrow_protocol.personal.phones import phones_in, short_phones_in
from windrow_protocol.personal.secrets import secrets_in

# What looks for findings, each by signs of its own; see `find_personal`.
DETECTORS: Final = ("secret", "email", "network", "evm", "base58", "bech32", "number")
DEVICE_DETECTORS: Final = (*DETECTORS, "address", "name", "device")
# What `DETECTORS` find, and what those of a device find.
KINDS: Final = ("email", "phone", "card", "iban", "ip", "mac", "wallet", "secret", "national_id")
DEVICE_KINDS: Final = (*KINDS, "address", "name")

# When two findings overlap, the one that says more wins. A number that a word calls a telephone beats a national id
# that nothing names, because eleven digits with a right check digit are often an accident.
(
    _SECRET,
    _EMAIL,
    _IBAN,
    _WALLET,
    _SHORT_ID,
    _CARD,
    _NAMED_ID,
    _NETWORK,
    _CUED_PHONE,
    _ADDRESS,
    _BARE_ID,
    _PHONE,
    _LONE_ID,
    _PERSON,
) = range(14)
_DATED_ID_CHARS: Final = 18  # with a date of birth and a check digit: far rarer by accident than a card's
_CARD_DIGITS_NEVER: Final = (17, 18)
_CARD_CHARS_MIN: Final = 14  # shorter ones are no longer issued: behind the name of a document it is that

_CLUSTER: Final = re.compile(r"[0-9](?:[^0-9\n]{0,6}[0-9]){5,}")
_CLUSTER_BEFORE: Final = 12
_CLUSTER_TAIL: Final = re.compile(r"-?[A-Za-z()\[\]]{0,9}")
_CARD_SHAPE: Final = re.compile(
    r"(?<![0-9A-Za-z+])(?<![0-9][.,-])"
    r"(?:[0-9]{12,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})"
    r"(?![0-9A-Za-z]|[.,-][0-9])"
)
# Issuer prefixes with the lengths in which their cards exist (ISO/IEC 7812 ranges as the schemes publish them).
_CARD_ISSUER: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})$|(?=[0-9]{16}$)(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)"
    r"|3[47][0-9]{13}$|3(?:0[0-59]|[689])[0-9]{11,16}$|35[0-9]{14,17}$|(?:2131|1800)[0-9]{11}$"
    r"|220[0-4][0-9]{12,15}$|8[12][0-9]{14,17}$|(?:0604|5[0678]|6)[0-9]{8,18}$"
)
_IBAN_HEAD: Final = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?=[ -]?[0-9A-Za-z])")
_IBAN_REST: Final = re.compile(r"(?:[ -]?[0-9A-Za-z]){11,30}")
# In the form of an account and with its check, though no country's length: on a device that is enough.
_ACCOUNT: Final = re.compile(
    r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[0-9A-Z]{10,30}|(?: [0-9A-Z]{4}){2,7}(?: [0-9A-Z]{1,3})?)(?![0-9A-Za-z])"
)
_PART_NAMED: Final = re.compile(
    r"(?<!\w)(?:part|item|serial|model|article|sku|batch|lot|product)\W(?:no\W+)?$", re.I
)
# What is no known issuer's card is one where a word says so.
_CARD_NAMED: Final = re.compile(
    r"(?<!\w)(?:\w{0,12}cards?|visa|amex|mastercard|uatp|carte|\w{0,12}karten?|tarjeta|cart[ãa]o|carta|\w{0,8}kort|карт\w*)(?!\w)",
    re.IGNORECASE,
)
_NAMED_CHARS: Final = 32
# The first characters stand first, not behind a look-behind, so that the search can skip to them.
_EVM: Final = re.compile(r"0x[0-9a-fA-F]{40}(?![0-9A-Za-z])")
_BASE58: Final = re.compile(r"[123mn][1-9A-HJ-NP-Za-km-z]{25,34}(?![0-9A-Za-z])")
_BECH32: Final = re.compile(r"[bBtT][cCbB]1[0-9A-Za-z]{11,71}(?![0-9A-Za-z])")

_WALLETS: Final = (
    ("evm", _EVM, evm_address),
    ("base58", _BASE58, base58_address),
    ("bech32", _BECH32, bech32_address),
    ("device", re.compile(r"[LMDTX][1-9A-HJ-NP-Za-km-z]{25,34}(?![0-9A-Za-z])"), base58_address),
    ("device", re.compile(r"[lL][tT][cC]1[0-9A-Za-z]{11,71}(?![0-9A-Za-z])"), bech32_address),
)

INVISIBLE: Final = frozenset(
    map(chr, [0xAD, 0x34F, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065)])
) | frozenset(map(chr, [*range(0xFE00, 0xFE10), 0xFEFF]))
_ASCII: Final = bytes(range(128))
_LAST_DIGIT: Final = 0x1FBF9  # the highest decimal digit of Unicode

_Span = tuple[int, str, int, int]  # rank, kind, start, end


@dataclass(frozen=True, slots=True)
class Finding:
    """One find: `text[start:end]` of the text that was searched, in characters."""

    kind: str
    start: int
    end: int
    text: str


def find_personal(text: str, detectors: Collection[str] = DETECTORS) -> list[Finding]:
    """Return everything personal in a text of at most TEXT_BYTES_MAX bytes, in order and without overlap.

    Whoever knows that a text has no sign of some kinds may name the `detectors` that are left, which is faster.
    Raises WindrowError `too_large`.
    """
    if len(text) > TEXT_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise WindrowError("too_large", f"a text of more than {TEXT_BYTES_MAX} bytes")
    plain, places = _plain(text)
    taken = bytearray(len(plain))
    chosen: list[Finding] = []
    for _, kind, start, end in sorted(_spans(plain, detectors), key=lambda s: (s[0], s[2], -s[3])):
        if kind == "address":  # it takes in what follows, so a number there may be somebody's telephone
            end = max(start, (taken.find(1, start, end) + 1 or end + 1) - 1)
        if end > start and not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            first, last = (places[start], places[end - 1] + 1) if places else (start, end)
            chosen.append(Finding(kind, first, last, text[first:last]))
    return sorted(chosen, key=lambda finding: finding.start)


def _spans(text: str, detectors: Collection[str]) -> Iterator[_Span]:
    device = "device" in detectors
    if "secret" in detectors:
        yield from ((_SECRET, "secret", *span) for span in secrets_in(text))
    if "email" in detectors:
        yield from ((_EMAIL, "email", *span) for span in emails_in(text))
    if "network" in detectors:
        yield from ((_NETWORK, *found) for found in addresses_in(text, device=device))
    for detector, shape, check in _WALLETS:
        if detector in detectors:
            yield from _checked(text, shape, check)
    if "address" in detectors:
        yield from ((_ADDRESS, "address", *span) for span in postal_addresses_in(text))
    if "name" in detectors:
        yield from ((_PERSON, "name", *span) for span in person_names_in(text))
    if device:
        for start, end in documents_named_in(text):
            digits = sum(map(str.isdigit, text[start:end]))
            no_card = end - start < _CARD_CHARS_MIN or digits in _CARD_DIGITS_NEVER
            yield _SHORT_ID if no_card else _NAMED_ID, "national_id", start, end
        yield from ((_BARE_ID, "national_id", *span) for span in documents_in(text))
        yield from ((_PHONE, "phone", *span) for span in short_phones_in(text))
        for start, end, cued in bare_ids_in(text):
            yield _NAMED_ID if cued else _LONE_ID, "national_id", start, end
    for cluster in _CLUSTER.finditer(text) if "number" in detectors else ():
        start = max(0, cluster.start() - _CLUSTER_BEFORE)
        tail = _CLUSTER_TAIL.match(text, cluster.end())
        yield from _numbers(text, start, tail.end() if tail else cluster.end(), device=device)


def _checked(text: str, shape: re.Pattern[str], check: Callable[[str], bool]) -> Iterator[_Span]:
    for match in shape.finditer(text):
        stands_alone = match.start() == 0 or not text[match.start() - 1].isalnum()
        if stands_alone and check(match.group()):
            yield _WALLET, "wallet", match.start(), match.end()


def _numbers(text: str, start: int, end: int, *, device: bool) -> Iterator[_Span]:
    """Yield what a cluster of digits may hold: cards, accounts, ids and telephone numbers."""
    phones = list(phones_in(text, start, end, device=device))
    named_phones = {(first, last) for first, last, cued in phones if cued and device}
    for card in _CARD_SHAPE.finditer(text, start, end):
        digits = card.group().replace(" ", "").replace("-", "")
        named = device and _named(_CARD_NAMED, text, card.start())
        if len(digits) < _CARD_CHARS_MIN and card.span() in named_phones and not named:
            continue
        if (named or _CARD_ISSUER.match(digits)) and luhn(digits):
            yield _CARD, "card", card.start(), card.end()
    for head in _IBAN_HEAD.finditer(text, start, end):
        last = _iban_end(text, head.start(), head.group()[:2].upper())
        if last:
            yield _IBAN, "iban", head.start(), last
    for account in _ACCOUNT.finditer(text, start, end) if device else ():
        if mod_97_10(account.group().replace(" ", "")) and not _named(_PART_NAMED, text, account.start()):
            yield _IBAN, "iban", account.start(), account.end()
    for first, last, named in ids_in(text, start, end):
        rank = _SHORT_ID if device and last - first == _DATED_ID_CHARS else _NAMED_ID if named else _BARE_ID
        yield rank, "national_id", first, last
    for first, last, cued in phones:
        yield _CUED_PHONE if cued else _PHONE, "phone", first, last


def _named(name: re.Pattern[str], text: str, start: int) -> bool:
    """Does a word shortly before this place say what the number here is?"""
    return name.search(text, max(0, start - _NAMED_CHARS), start) is not None


def _iban_end(text: str, start: int, country: str) -> int:
    """Return where the IBAN that starts here ends, 0 when there is none."""
    chars = IBAN_CHARS.get(country, 0)
    rest = _IBAN_REST.match(text, start + 4)
    if not chars or rest is None:
        return 0
    count, place = 4, start + 4
    while count < chars and place < rest.end():
        count += text[place] not in " -"
        place += 1
    closed = place == len(text) or not text[place].isalnum()
    return place if closed and iban(re.sub("[ -]", "", text[start:place])) else 0


@cache
def twins() -> dict[str, str]:
    """Return the characters that are read as an ASCII digit, letter, sign or blank although they are none."""
    found = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)} | {"\u2212": "-"}
    for char in map(chr, range(0x80, _LAST_DIGIT + 1)):
        category = unicodedata.category(char)
        if category == "Nd":
            found[char] = str(unicodedata.decimal(char))
        elif category in ("Zs", "Pd"):
            found[char] = " " if category == "Zs" else "-"
    return found


def _beyond_ascii(text: str) -> set[str]:
    """Return the characters of a text that are not ASCII: a fifth of the time of a set of them all."""
    return set(text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass"))


def _plain(text: str) -> tuple[str, list[int] | None]:
    """Return the text as it is read, and each character's place in the original (None: the same place)."""
    if text.isascii():
        return text, None
    known, used = twins(), _beyond_ascii(text)
    for char in used & known.keys():
        text = text.replace(char, known[char])
    if used.isdisjoint(INVISIBLE):
        return text, None
    places = [i for i, c in enumerate(text) if c not in INVISIBLE]
    return "".join(text[i] for i in places), places
