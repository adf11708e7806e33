"""Checksums by which a number in a text is known to be a card, an account, a wallet or a national id.

Rules: every function takes the bare characters (separators already removed) and answers True or False; none raises on
odd input of its own alphabet.

Does not: search texts (see `patterns`), nor know what a number means to its owner.

Usage::

    luhn("4111111111111111")  # True

Source: ISO/IEC 7812-1 (Luhn), ISO 13616 and ISO/IEC 7064 (IBAN, mod 97-10, mod 11-10), Verhoeff (1969), EIP-55,
Bitcoin's Base58Check, BIP-173 and BIP-350.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import reduce
from typing import Final

import sha3

_BASE58: Final = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
# P2PKH and P2SH of Bitcoin's main and test network; Litecoin, Dogecoin, Tron, Dash.
_BASE58_VERSIONS: Final = frozenset({0x00, 0x05, 0x6F, 0xC4, 0x30, 0x32, 0x1E, 0x41, 0x4C})
_BECH32: Final = {c: i for i, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_STEPS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECKS: Final = frozenset({1, 0x2BC830A3})  # BIP-173 and BIP-350

# Characters of an IBAN by country: the registry's, and those of countries that use the form without being in it.
IBAN_CHARS: Final[dict[str, int]] = {
    country: chars
    for chars, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "AO CV GW LY MZ PT ST",
        26: "DZ IR IS TR",
        27: "BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD",
        28: "AL AZ BF BJ BY CI CY DO GT HN HU LB MA ML NE NI PL SN SV TG",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def _verhoeff_tables() -> tuple[list[list[int]], list[list[int]]]:
    """Return the multiplication table of the dihedral group D5 and the eight position permutations."""
    product = [
        [(i + j) % 5 + (5 if j >= 5 else 0) if i < 5 else _reflected(i, j) for j in range(10)]
        for i in range(10)
    ]
    step = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    permutations = [list(range(10))]
    for _ in range(7):
        permutations.append([permutations[-1][step[i]] for i in range(10)])
    return product, permutations


def _reflected(i: int, j: int) -> int:
    """Return i∘j in D5 for a reflection i (5..9)."""
    return (i - 5 - j) % 5 + 5 if j < 5 else (i - j) % 5


_D5, _PERMUTATIONS = _verhoeff_tables()


def digits_of(text: str) -> list[int]:
    """Return the ASCII digits of a text as numbers."""
    return [ord(c) - 48 for c in text if "0" <= c <= "9"]


def weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    """Return the sum of digits times weights; further digits are ignored."""
    return sum(d * w for d, w in zip(digits, weights, strict=False))


def luhn(number: str) -> bool:
    """Is the last digit the Luhn check of the others? All zeros are no number."""
    digits = digits_of(number)
    doubled = (sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def verhoeff(number: str) -> bool:
    """Is the last digit the Verhoeff check of the others?"""
    check = 0
    for place, digit in enumerate(reversed(digits_of(number))):
        check = _D5[check][_PERMUTATIONS[place % 8][digit]]
    return check == 0


def mod_11_10(number: str) -> bool:
    """Is the last digit the ISO/IEC 7064 mod 11,10 check of the others?"""
    digits = digits_of(number)
    product = 10
    for digit in digits[:-1]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (product + digits[-1]) % 10 == 1


def iban(account: str) -> bool:
    """Is this a country's IBAN of the right length with a right check (mod 97-10)?"""
    account = account.upper()
    return IBAN_CHARS.get(account[:2]) == len(account) and mod_97_10(account)


def mod_97_10(account: str) -> bool:
    """Is the check of an account number in the form of an IBAN right (ISO/IEC 7064), whatever its length?"""
    return int("".join(str(int(c, 36)) for c in account[4:] + account[:4])) % 97 == 1


def evm_address(address: str) -> bool:
    """Is `0x` + 40 hex digits an address: in one case, or in the mixed case that EIP-55 gives it?"""
    body = address[2:]
    if body in (body.lower(), body.upper()):
        return True
    digest = sha3.keccak_256(body.lower().encode("ascii")).hexdigest()
    return all(c.isdigit() or c.isupper() == (digest[i] >= "8") for i, c in enumerate(body))


def base58_address(address: str) -> bool:
    """Is this an address as Bitcoin's first were (Base58Check of a known version and a 20-byte hash)?"""
    number = reduce(lambda n, c: n * 58 + _BASE58[c], address, 0)
    if number.bit_length() > 25 * 8:
        return False
    raw = number.to_bytes(25, "big")
    check = hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4]
    return raw[0] in _BASE58_VERSIONS and raw[21:] == check


def bech32_address(address: str) -> bool:
    """Is this a segwit address (`bc1…`, `tb1…`, `ltc1…`) with a right bech32 or bech32m check?"""
    if address not in (address.lower(), address.upper()):
        return False
    prefix, _, data = address.lower().partition("1")
    try:
        words = [_BECH32[c] for c in data]
    except KeyError:
        return False
    check = 1
    for word in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + words:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for bit, step in enumerate(_BECH32_STEPS):
            check ^= step if top >> bit & 1 else 0
    return check in _BECH32_CHECKS
