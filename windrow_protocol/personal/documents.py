"""Numbers of a person's documents: whatever stands behind the name of one, and more national numbers by their check.

Rules: a name of a document right before a number is enough, whatever the number's form, because a slip in it or a form
nobody listed still leads to one person; without a name only a form is believed that is rare in other texts and whose
date or check is right. This is asked for on a device (`DEVICE_DETECTORS`); public pages are searched by
`national_ids` alone, so that what curation counted stays what it was.

Does not: tell which document it is, nor choose between overlapping finds (see `patterns`).

Usage: `for start, end in documents_named_in("passport no. C01X00T47"): ...`

Source: the issuing authorities' published forms and checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from windrow_protocol.personal.checksums import digits_of, luhn, verhoeff, weighted
from windrow_protocol.personal.document_names import begins_name, in_small, named_in
from windrow_protocol.personal.national_ids import switzerland

_CUE_CHARS: Final = 48  # before a digit, in which the name of its document is looked for
_DIGITS_MIN: Final = 4
_DIGITS_ALONE_MIN: Final = 6  # of a number without letters; fewer are a year or an amount
_DIGITS_BEHIND_SHORT_MIN: Final = 7  # behind two or three letters that are many other things too
_CHARS_MAX: Final = 24

_PART: Final = r"(?:[A-Za-z]{0,6}[0-9][0-9A-Za-z]*)"
_JOIN: Final = (
    r"(?:[./+-]|--|[ ](?=[0-9])|[ ](?=[A-Za-z]{1,3}[0-9])|[ ][A-Z][ ](?=[0-9])|[ ][/№-][ ](?=[0-9]))"
)
_VALUE: Final = re.compile(
    rf"(?:[A-Z]{{1,6}}[ ./-]?|[A-Za-z]{{1,6}}(?:[./-]|(?=[0-9]))|(?:[A-Z]{{2,6}}[ ]){{2}})?"
    rf"{_PART}(?:{_JOIN}{_PART}){{0,6}}"
    r"(?:[ -]?[A-Z](?![A-Za-z0-9]|\.[ ]?[A-Za-z]))?(?:[ ]?[(\[][0-9A][)\]])?(?![0-9A-Za-z@%€$£])"
)
# The number before its name: `123456789 is my passport number`, `123456789 (passport)`.
_VALUE_FIRST: Final = re.compile(
    r"(?<![\w.,/-])(?P<value>(?:[A-Z]{1,3}[ -]?)?[0-9][0-9A-Z ./-]{4,18}[0-9A-Z])"
    r"[ ](?:\(|(?:is|was|as)[ ](?:my|his|her|their|our|the)[ ])"
)
_DIGITS: Final = re.compile(r"[0-9]+")
_FEW_DIGITS: Final = re.compile(r"(?=(?:[A-Z]*[0-9]){2})[A-Z][0-9A-Z]{5,15}|(?=[A-Z]*[0-9])[0-9A-Z]{7,9}")
# Behind these words a number is the year, the day or the price of the document, not its own.
_NO_NUMBER: Final = re.compile(
    r"(?:1[89]|20)[0-9]{2}(?:[-/. ](?:(?:1[89]|20)?[0-9]{2}))*$|[0-9]+[.,][0-9]{2}$"
    r"|[0-3]?[0-9]([-/. ])[0-3]?[0-9]\1(?:1[89]|20)[0-9]{2}$"
)
_DECIMALS: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(?:-[0-9]{1,3}\.[0-9]{1,3})*$")


def documents_named_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each number right behind the name of a document, or right before it."""
    small = in_small(text)
    for first, end in _windows(text):
        for begin, short in named_in(text, small, first, end):
            value = _VALUE.match(text, begin, begin + _CHARS_MAX + 1)
            if value and _is_document(value.group(), short=short):
                yield value.span()
    for before in _VALUE_FIRST.finditer(text):
        if begins_name(text, small, before.end()) and _is_document(before["value"], short=False):
            yield before.span("value")


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield what lies before digits, joined where it touches: elsewhere a name of a document names no number."""
    first = last = -1
    for digits in _DIGITS.finditer(text):
        if digits.start() - _CUE_CHARS > last >= 0:
            yield first, last
            first = -1
        first = max(0, digits.start() - _CUE_CHARS) if first < 0 else first
        last = digits.end()
    if last >= 0:
        yield first, last


def _is_document(value: str, *, short: bool) -> bool:
    digits = len(digits_of(value))
    if len(value) > _CHARS_MAX or _NO_NUMBER.fullmatch(value):
        return False
    if short:
        return digits >= _DIGITS_BEHIND_SHORT_MIN and not _DECIMALS.fullmatch(value)
    lettered = any(char.isalpha() for char in value)
    return digits >= (_DIGITS_MIN if lettered else _DIGITS_ALONE_MIN) or bool(_FEW_DIGITS.fullmatch(value))


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _short_date(digits: str) -> bool:
    """Is this a day, `yymmdd`? A leap day of one century is enough."""
    return _is_day(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))


def _singapore(number: str) -> bool:
    total = weighted(digits_of(number), (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = "KLJNPQRTUWX" if number[0] == "M" else "JZIHGFEDCBA" if number[0] in "ST" else "XWUTRQPNMLK"
    place = 10 - total % 11 if number[0] == "M" else total % 11
    return letters[place] == number[-1]


def _snils(number: str) -> bool:
    return weighted(digits_of(number), range(9, 0, -1)) % 101 % 100 == int(number[-2:])


def _jmbg(number: str) -> bool:
    year = int(number[4:7])
    born = _is_day(year + (1000 if year >= 800 else 2000), int(number[2:4]), int(number[:2]))
    rest = 11 - weighted(digits_of(number), (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return born and (0 if rest > 9 else rest) == int(number[12])


def _luxembourg(number: str) -> bool:
    born = number[:2] in ("18", "19", "20") and _is_day(int(number[:4]), int(number[4:6]), int(number[6:8]))
    return born and luhn(number[:12]) and verhoeff(number[:11] + number[12])


def _german_pension(number: str) -> bool:
    digits = digits_of(f"{number[:8]}{ord(number[8]) - 64:02d}{number[9:]}")
    sums = (
        sum(divmod(d * w, 10)) for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=False)
    )
    return 1 <= int(number[4:6]) <= 12 and sum(sums) % 10 == digits[12]


def _malaysia(number: str) -> bool:
    return _short_date(number) and number[6:8] not in ("00", "17", "18", "19", "20", "69", "70", "73", "80")


def _mexican_tax(number: str) -> bool:
    return _short_date(number[4:])


def _portuguese_card(number: str) -> bool:
    values = [int(char, 36) for char in number]
    doubled = (2 * v - 9 if v > 4 else 2 * v for v in values[-2::-2])
    return (sum(values[-1::-2]) + sum(doubled)) % 10 == 0


def _british_driver(number: str) -> bool:
    return 1 <= int(number[6:8]) % 50 <= 12 and 1 <= int(number[8:10]) <= 31


def _sri_lanka(number: str) -> bool:
    return 1 <= int(number[2:5]) % 500 <= 366


def _hungary(number: str) -> bool:
    return _short_date(number[1:]) and weighted(digits_of(number), range(1, 11)) % 11 == int(number[10])


def _uruguay(number: str) -> bool:
    return -weighted(digits_of(number), (2, 9, 8, 7, 6, 3, 4)) % 10 == int(number[-1])


def _kazakhstan(number: str) -> bool:
    digits = digits_of(number)
    rest = weighted(digits[:11], range(1, 12)) % 11
    if rest == 10:
        rest = weighted(digits[:11], (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return number[6] in "123456" and _short_date(number) and rest == digits[11]


def _belgium(number: str) -> bool:
    check = 97 - int(number[9:])
    return check in (int(number[:9]) % 97, int("2" + number[:9]) % 97)


def _venezuela(number: str) -> bool:
    total = "VEJPG".index(number[0]) * 4 + 4 + weighted(digits_of(number), (3, 2, 7, 6, 5, 4, 3, 2))
    return "00987654321"[total % 11] == number[9]


def _salvador(number: str) -> bool:
    if number[10:13] <= "100":
        return weighted(digits_of(number), range(14, 1, -1)) % 11 % 10 == int(number[13])
    return -weighted(digits_of(number), (2, *(7, 6, 5, 4, 3, 2) * 2)) % 11 % 10 == int(number[13])


def _shaped(_number: str) -> bool:
    return True


_MBI_LETTER: Final = "AC-HJKMNP-RT-Y"
# Each country's form as its people write it, and its check. Letters count in capitals only: small ones are words.
_SHAPES: Final[tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]] = tuple(
    (re.compile(rf"(?<![0-9A-Za-z+])(?<![0-9][.,-])(?:{shape})(?![0-9A-Za-z]|[.,-][0-9])"), check)
    for shape, check in (
        (r"[STFGM](-?)[0-9]{7}\1[A-Z]", _singapore),
        (r"[0-9]{3}-[0-9]{3}-[0-9]{3}[ -][0-9]{2}", _snils),
        (r"[0-3][0-9][01][0-9][089][0-9]{8}", _jmbg),
        (r"(?:18|19|20)[0-9]{11}", _luxembourg),
        (r"[0-9]{2} ?[0-3][0-9][01][0-9]{3} ?[A-Z] ?[0-9]{3}", _german_pension),
        (rf"[1-9][{_MBI_LETTER}][{_MBI_LETTER}0-9][0-9](-?)[{_MBI_LETTER}][{_MBI_LETTER}0-9][0-9]\1"
         rf"[{_MBI_LETTER}]{{2}}[0-9]{{2}}", _shaped),
        (r"[A-Z][A-Z9]{4}[0-9][0156][0-9][0-3][0-9]{2}[A-Z9]{2}[0-9A-Z][A-Z]{2}", _british_driver),
        (r"[0-9]{3}-[0-9]{7}-[0-9]", luhn),
        (r"[0-9]{6}-[0-9]{2}-[0-9]{4}", _malaysia),
        (r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]", _shaped),
        (r"[A-Z]{4}[ -]?[0-9]{6}[ -]?[A-Z0-9]{2}[0-9A]", _mexican_tax),
        (r"[0-9]{8} ?[0-9] ?[A-Z0-9]{2}[0-9](?<=[A-Z][A-Z0-9][0-9])", _portuguese_card),
        (r"784-?(?:19|20)[0-9]{2}-?[0-9]{7}-?[0-9]", luhn),
        (r"[0-9]{9}[VX]", _sri_lanka),
        (r"[1-8]-[0-9]{6}-[0-9]{4}", _hungary),
        (r"[1-9]\.[0-9]{3}\.[0-9]{3}-[0-9]", _uruguay),
        (r"GHA-[0-9]{9}-[0-9]", _shaped),
        (r"[0-9]{3}-[0-9]{2}-[0-9]{4}", _shaped),
        (r"[0-9]{4}-[0-9]{7}-[0-9]", _shaped),
        (r"[0-9]{2}[ .][0-9]{2}[ .][0-9]{2}[ .-][0-9]{3}[ .][0-9]{2}", _belgium),
        (r"[VEJPG]-[0-9]{8}-[0-9]", _venezuela),
        (r"[0-9]{4}-[0-9]{6}-[0-9]{3}-[0-9]", _salvador),
        (r"(?:TN|ZZ) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Z]", _shaped),
        (r"756([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{2}", switzerland),
        (r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}\.[0-9]-[0-9]{3}\.[0-9]{3}", _shaped),
        (r"[0-9]{12}", _kazakhstan),
    )
)  # fmt: skip
# Every form has these many letters and digits around a digit, with at most one separator between two.
_ENOUGH: Final = re.compile(r"[0-9](?:[ .-]?[0-9A-Z]){6}|[A-Z]{3}[0-9][0-9A-Z]{6}|[A-Z]{4}[ -]?[0-9]{4}")


def documents_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each number whose form and check give it away without a name."""
    if not _ENOUGH.search(text):
        return
    for shape, check in _SHAPES:
        for match in shape.finditer(text):
            if check(re.sub("[^0-9A-Z]", "", match.group())):
                yield match.span()
