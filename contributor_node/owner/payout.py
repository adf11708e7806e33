"""Reading a payout address as people type it, and saying exactly what is wrong with one that is not right.

Rules: an address in mixed case must have its EIP-55 checksum; one in a single case carries none, so it is shown back
with its checksum to be compared. Letters that look like digits, and letters of other alphabets, are named with their
place. Money sent to a wrong address is gone, so nothing is ever corrected silently.

Does not: know whether anybody holds the address's key.

Usage: `read_payout("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").address`.

Source: EIP-55.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address

HEX_DIGITS: Final = 40
_HEX = frozenset("0123456789abcdefABCDEF")
_LOOKS_LIKE: Final = {
    **dict.fromkeys("OoОо〇", "0"),
    **dict.fromkeys("IlіІ|", "1"),
    **dict.fromkeys("Ss", "5"),
    **dict.fromkeys("Zz", "2"),
    **dict.fromkeys("Gg", "6 or 9"),
    **dict.fromkeys("Аа", "the Latin a"),
    **dict.fromkeys("ВЬ", "the Latin B"),
    **dict.fromkeys("Сс", "the Latin c"),
    **dict.fromkeys("Ее", "the Latin e"),
}
_BURNING: Final = frozenset({"0" * HEX_DIGITS, "0" * 36 + "dead", "f" * HEX_DIGITS})


@dataclass(frozen=True, slots=True)
class Payout:
    """An address in EIP-55 spelling; `checked` says whether what was typed carried that checksum."""

    address: str
    checked: bool


def read_payout(typed: str) -> Payout:
    """Return the address. Raises WindrowError `bad_payout_address`, saying what is wrong and where."""
    text = typed.strip()
    if not text.startswith(("0x", "0X")):
        raise _wrong(_unprefixed(text))
    digits = text[2:]
    for place, letter in enumerate(digits, start=3):
        if letter not in _HEX:
            raise _wrong(_odd_letter(letter, place))
    if len(digits) != HEX_DIGITS:
        raise _wrong(f"it has {len(digits)} digits after 0x, not {HEX_DIGITS}")
    if digits.lower() in _BURNING:
        raise _wrong("nobody holds the key of this address: what is paid to it is lost")
    spelled = checksum_address("0x" + digits.lower())
    if digits in (digits.lower(), digits.upper()):
        return Payout(spelled, checked=False)
    if "0x" + digits != spelled:
        pairs = enumerate(zip(digits, spelled[2:], strict=True), start=3)
        place = next(place for place, (given, right) in pairs if given != right)
        raise _wrong(
            f"its checksum does not fit (EIP-55), first at character {place}: copy it again from your wallet"
        )
    return Payout(spelled, checked=True)


def _unprefixed(text: str) -> str:
    if not text:
        return "nothing was given"
    if text.endswith(".eth"):
        return "it is a name, not an address: look the name up and give the address that it stands for"
    if text[:2] in ("Ox", "ox", "OX", "oX", "Оx", "оx"):
        return "it begins with the letter O where the digit 0 belongs"
    if len(text) == HEX_DIGITS and all(letter in _HEX for letter in text):
        return "0x is missing before it"
    if len(text) in (64, 66):
        return "it is as long as a private key: never give that to anybody, and no node needs it"
    return "an address begins with 0x"


def _odd_letter(letter: str, place: int) -> str:
    name = unicodedata.name(letter, "an unprintable sign").lower()
    like = _LOOKS_LIKE.get(letter)
    looks = f", which looks like {like}" if like else ""
    return f"character {place} is {letter!r} ({name}){looks}: an address has the digits 0-9 and a-f only"


def _wrong(why: str) -> WindrowError:
    return WindrowError("bad_payout_address", why)
