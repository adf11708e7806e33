"""National numbers without a name of their own, behind a bare `ID:` or alone on their line, by any country's check.

Rules: behind an `ID:` that belongs to nobody else's noun any number is one; behind another, and alone on its line, a
whole number of a length that some country uses with that country's check digit or date of birth. In running text that
would be an accident too often.
Asked for on a device only (`DEVICE_DETECTORS`).

Does not: tell the country, or find a number without a check digit or date (an order's, a post's).

Usage: `for start, end, cued in bare_ids_in("ID: 78934510620"): ...`

Source: the issuing authorities' published checks; every one was compared with python-stdnum's examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from windrow_protocol.personal.checksums import digits_of, luhn, mod_11_10, verhoeff, weighted
from windrow_protocol.personal.national_ids import SHAPES, bare

_CUE: Final = r"(?<![\w-])(?i:id|i\.d\.)(?:[ \t]{0,2}[:#=：][ \t#]{0,2}|[ ](?:is|was)[ :]{1,2})"
_VALUE: Final = r"[0-9A-Z](?:[ ./-]?[0-9A-Z]){6,17}"
_BEHIND_CUE: Final = re.compile(rf"{_CUE}(?P<value>{_VALUE})(?![\w@%]|[.,/-][0-9])")
# An `ID:` that no other noun claims (an order's, a post's) is a person's, whatever the form of its number.
_OWN_CUE: Final = (
    r"(?:^|[\n\t\"'“(\[{|>*•;:.,/-][ ]{0,3}"
    r"|\b(?i:my|his|her|their|your|our|personal|government|state|photo|citizen)[ ])"
    r"(?:ID|I\.D\.)(?:[ \t]{0,2}[:#=：][ \t#\"'*]{0,4}|[ ](?:is|was)[ :]{1,2})"
)
_BEHIND_OWN_CUE: Final = re.compile(rf"{_OWN_CUE}(?P<value>{_VALUE})(?![\w@%]|[.,/-][0-9A-Z])")
_ALONE: Final = re.compile(rf"^[ \t]{{0,8}}(?P<value>{_VALUE})[ \t]{{0,8}}$", re.MULTILINE)
_DATE: Final = re.compile(
    r"(?:[0-9]{1,2}[./ -]){2}(?:[0-9]{2}){1,2}|(?:19|20)[0-9]{2}([./ -])[0-9]{1,2}\1[0-9]{1,2}"
)
_DIGITS_MIN: Final = 7
_CENTURIES: Final = {"2": 1900, "3": 2000}  # Egypt's and Kuwait's first digit

Check = Callable[[str], bool]


def _is_day(year: int, month: str, day: str) -> bool:
    try:
        date(year, int(month), int(day))
    except ValueError:
        return False
    return True


def _ukraine(number: str) -> bool:
    return weighted(digits_of(number), (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(number[9])


def _british_health(number: str) -> bool:
    return -weighted(digits_of(number), range(10, 1, -1)) % 11 == int(number[9])


def _iran(number: str) -> bool:
    rest = weighted(digits_of(number), range(10, 1, -1)) % 11
    return len(set(number)) > 1 and (rest if rest < 2 else 11 - rest) == int(number[9])


def _saudi_arabia(number: str) -> bool:
    return number[0] in "12" and luhn(number)


def _ecuador(number: str) -> bool:
    return 1 <= int(number[:2]) <= 24 and number[2] < "6" and luhn(number)


def _iceland(number: str) -> bool:
    total = weighted(digits_of(number), (3, 2, 7, 6, 5, 4, 3, 2))
    born = 1 <= int(number[:2]) % 40 <= 31 and 1 <= int(number[2:4]) <= 12
    return born and -total % 11 == int(number[8]) and number[9] in "089"


def _hungary(number: str) -> bool:
    born_since_1997 = number[0] in "3478" or number[1:3] >= "97"
    weights = range(10, 0, -1) if born_since_1997 else range(1, 11)
    return number[0] in "12345678" and weighted(digits_of(number), weights) % 11 == int(number[10])


def _russia(number: str) -> bool:
    digits = digits_of(number)
    first = weighted(digits, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = weighted(digits, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return (first, second) == (digits[10], digits[11])


def _kuwait(number: str) -> bool:
    century = _CENTURIES.get(number[0])
    born = century is not None and _is_day(century + int(number[1:3]), number[3:5], number[5:7])
    total = weighted(digits_of(number), (2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return born and 11 - total % 11 == int(number[11])


def _egypt(number: str) -> bool:
    century = _CENTURIES.get(number[0])
    return century is not None and _is_day(century + int(number[1:3]), number[3:5], number[5:7])


def _indonesia(number: str) -> bool:
    day = int(number[6:8]) % 40
    return 11 <= int(number[:2]) <= 96 and 1 <= day <= 31 and 1 <= int(number[8:10]) <= 12


def _malaysia(number: str) -> bool:
    return _is_day(2000 + int(number[:2]), number[2:4], number[4:6]) and number[6:8] not in ("00", "17")


def _vietnam(number: str) -> bool:
    return number[0] == "0" and 1 <= int(number[:3]) <= 96 and number[3] in "0123"


def _algeria(number: str) -> bool:
    year, town = number[2:5], int(number[5:7])
    return number[0] in "12" and number[1] in "01" and (year >= "900" or year <= "029") and 1 <= town <= 58


_OF_LENGTH: Final[dict[int, tuple[Check, ...]]] = {
    9: (luhn,),  # Canada, Israel
    10: (_ukraine, _british_health, _iran, _saudi_arabia, _ecuador, _iceland),
    11: (mod_11_10, luhn, _hungary),  # Germany, Croatia; Mexico, the Dominican Republic
    12: (verhoeff, _russia, _kuwait, _malaysia, _vietnam),
    14: (_egypt,),
    16: (_indonesia,),
    18: (_algeria,),
}
# Without its own name nearly any nine digits would be a number of the United States.
_ANY_LENGTH: Final = tuple(shape for shape in SHAPES if shape.country not in ("any", "US"))


def bare_ids_in(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, whether a word calls it so) of each national number behind `ID:` or alone on its line."""
    for shape in (_BEHIND_CUE, _ALONE):
        for found in shape.finditer(text):
            if _is_national(found["value"]):
                yield *found.span("value"), shape is _BEHIND_CUE
    for found in _BEHIND_OWN_CUE.finditer(text):
        told_apart = len(set(bare(found["value"]))) > 1 and digits_of(found["value"])
        if told_apart and not _DATE.fullmatch(found["value"]):
            yield *found.span("value"), True


def _is_national(value: str) -> bool:
    number = bare(value)
    if len(digits_of(number)) < _DIGITS_MIN or len(set(digits_of(number))) == 1:
        return False
    if number.isdigit() and any(check(number) for check in _OF_LENGTH.get(len(number), ())):
        return True
    return any(
        shape.pattern.fullmatch(form) and shape.check(number)
        for shape in _ANY_LENGTH
        for form in (value, number)
    )
