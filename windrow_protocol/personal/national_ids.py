"""The national identity, tax and social security numbers of some forty countries, as one table of shapes and checks.

Rules: a shape whose check digit leaves too many accidents is believed only near its own name (`cue`); a shape that is
rare in other texts is believed by itself. Separators are removed before a check runs.

Does not: choose between overlapping finds (see `patterns`), nor tell which country a number is from: that
would be one more fact about its owner.

Usage::

    for start, end, named in ids_in(text, 0, len(text)): ...

Source: the issuing authorities' published rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from windrow_protocol.personal.checksums import digits_of, luhn, mod_11_10, verhoeff, weighted

Check = Callable[[str], bool]

CUE_CHARS: Final = 32  # before a number, in which its name is looked for

_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_PPS_LETTERS: Final = "WABCDEFGHIJKLMNOPQRSTUV"
_CURP_LETTERS: Final = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_TAIWAN_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_FISCAL_DIGITS: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_FISCAL_LETTERS: Final = (
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)  # K to Z; A to J are the digits'
_FISCAL_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (*_FISCAL_DIGITS, *_FISCAL_DIGITS, *_FISCAL_LETTERS),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One number: how it is written, how it is checked, and the words near which alone it is believed."""

    country: str
    written: str
    cue_written: str
    pattern: re.Pattern[str]
    check: Check
    cue: re.Pattern[str] | None = None


def bare(number: str) -> str:
    """Return a number without separators, in upper case."""
    return re.sub(r"[^0-9A-Z+]", "", number.upper())


def _day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _yymmdd(digits: str, month_steps: int = 0) -> bool:
    """Is this a date? `month_steps`: centuries or sexes are coded by adding multiples of this to the month."""
    month = int(digits[2:4])
    return _day(month % month_steps if month_steps else month, int(digits[4:6]))


def _ddmmyy(digits: str) -> bool:
    return _day(int(digits[2:4]), int(digits[:2]))


def _always(_number: str) -> bool:
    return True


def _us_ssn(number: str) -> bool:
    area, group, serial = number[:3], number[3:5], number[5:]
    taxpayer = area[0] == "9" and group >= "50"
    person = area not in ("000", "666") and area[0] != "9"
    return (person or taxpayer) and group != "00" and serial != "0000"


def _spain(number: str) -> bool:
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(digits) % 23] == number[-1]


def _france(number: str) -> bool:
    digits = number.replace("2A", "19").replace("2B", "18")
    return int(digits[:13]) % 97 == 97 - int(digits[13:])


def _italy(number: str) -> bool:
    even = sum(int(c, 36) - (10 if c.isalpha() else 0) for c in number[1:15:2])
    odd = sum(_FISCAL_ODD[c] for c in number[0:15:2])
    return chr(65 + (even + odd) % 26) == number[15]


def _mexico(number: str) -> bool:
    total = sum(_CURP_LETTERS.index(c) * (18 - i) for i, c in enumerate(number[:17]))
    return (10 - total % 10) % 10 == int(number[17])


def _china(number: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return (
        _yymmdd(number[8:14]) and "10X98765432"[weighted(digits_of(number[:17]), weights) % 11] == number[17]
    )


def _taiwan(number: str) -> bool:
    tens, units = divmod(_TAIWAN_LETTERS.index(number[0]) + 10, 10)
    return (tens + weighted([units, *digits_of(number[1:])], (9, 8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def _hong_kong(number: str) -> bool:
    body = number[:-1].rjust(8)
    total = sum((36 if c == " " else int(c, 36)) * w for c, w in zip(body, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11] == number[-1]


def _finland(number: str) -> bool:
    return _ddmmyy(number) and _HETU_LETTERS[int(number[:6] + number[-4:-1]) % 31] == number[-1]


def _ireland(number: str) -> bool:
    total = weighted(digits_of(number[:7]), range(8, 1, -1))
    second = 9 * (ord(number[8]) - 64) if len(number) == 9 and number[8] != "W" else 0
    return _PPS_LETTERS[(total + second) % 23] == number[7]


def _sweden(number: str) -> bool:
    digits = number.replace("+", "")[-10:]
    return _day(int(digits[2:4]), int(digits[4:6]) % 60) and luhn(digits)


def _latvia(number: str) -> bool:
    total = weighted(digits_of(number), (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))
    return number[:2] == "32" or (_ddmmyy(number) and (1 + total) % 11 % 10 == int(number[-1]))


def switzerland(number: str) -> bool:
    """Is the last digit the EAN-13 check of the others, as in a Swiss AHV number?"""
    return weighted(digits_of(number), (1, 3) * 6 + (1,)) % 10 == 0


def _poland(number: str) -> bool:
    total = weighted(digits_of(number), (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return _yymmdd(number, 20) and total % 10 == 0


def _baltic(number: str) -> bool:
    digits = digits_of(number)
    rest = weighted(digits[:10], (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if rest == 10:
        rest = weighted(digits[:10], (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return "1" <= number[0] <= "8" and _yymmdd(number[1:]) and rest == digits[10]


def _norway(number: str) -> bool:
    digits = digits_of(number)
    first = weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return _day(int(number[2:4]) % 40, int(number[:2]) % 40) and first == second == 0


def _turkey(number: str) -> bool:
    digits = digits_of(number)
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] > 0 and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def _brazil(number: str) -> bool:
    digits = digits_of(number)
    first = weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return len(set(digits)) > 1 and (first, second) == (digits[9], digits[10])


def _belgium(number: str) -> bool:
    check = 97 - int(number[9:])
    born = int(number[2:4]) % 20 <= 12 and int(number[4:6]) <= 31
    return born and check in (int(number[:9]) % 97, int("2" + number[:9]) % 97)


def _greece(number: str) -> bool:
    return _ddmmyy(number) and luhn(number)


def _bulgaria(number: str) -> bool:
    total = weighted(digits_of(number), (2, 4, 8, 5, 10, 9, 7, 3, 6))
    return _yymmdd(number, 20) and total % 11 % 10 == int(number[9])


def _czechia(number: str) -> bool:
    return _day(int(number[2:4]) % 50 % 20, int(number[4:6])) and (len(number) == 9 or int(number) % 11 == 0)


def _romania(number: str) -> bool:
    rest = weighted(digits_of(number), (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return number[0] != "0" and _yymmdd(number[1:]) and (1 if rest == 10 else rest) == int(number[12])


def _south_africa(number: str) -> bool:
    return _yymmdd(number) and number[10] in "012" and luhn(number)


def _thailand(number: str) -> bool:
    return (11 - weighted(digits_of(number), range(13, 1, -1)) % 11) % 10 == int(number[12])


def _netherlands(number: str) -> bool:
    return int(number) > 0 and weighted(digits_of(number), (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _portugal(number: str) -> bool:
    rest = 11 - weighted(digits_of(number), range(9, 1, -1)) % 11
    return (0 if rest >= 10 else rest) == int(number[8])


def _australia(number: str) -> bool:
    return weighted(digits_of(number), (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _austria(number: str) -> bool:
    return weighted(digits_of(number), (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(number[3])


def _argentina(number: str) -> bool:
    total = weighted(digits_of(number), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
    return (11 - total % 11) % 11 == int(number[10])


def _chile(number: str) -> bool:
    total = sum(int(c) * (2 + i % 6) for i, c in enumerate(reversed(number[:-1])))
    return "0123456789K"[-total % 11] == number[-1]


def _japan(number: str) -> bool:
    rest = 11 - weighted(digits_of(number), (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest >= 10 else rest) == int(number[11])


def _alone(pattern: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![0-9A-Za-z+])(?<![0-9][.,-])(?:{pattern})(?![0-9A-Za-z]|[.-][0-9])", re.IGNORECASE
    )


def _as_word(cue: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{cue})(?!\w)", re.IGNORECASE)


def _shape(country: str, pattern: str, check: Check, cue: str = "") -> Shape:
    return Shape(country, pattern, cue, _alone(pattern), check, _as_word(cue) if cue else None)


SHAPES: Final[tuple[Shape, ...]] = (
    _shape("US", r"[0-9]{3}-[0-9]{2}-[0-9]{4}", _us_ssn),
    _shape("US", r"[0-9]{3} ?[0-9]{2} ?[0-9]{4}", _us_ssn, r"ssn|itin|social security(?: number| no\.?)?"),
    _shape(
        "GB", r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?[0-9]{2}){3} ?[A-D]", _always
    ),
    _shape("ES", r"[0-9]{8}[- ]?[A-Z]|[XYZ][- ]?[0-9]{7}[- ]?[A-Z]", _spain),
    _shape("FR", r"[1-478] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", _france),
    _shape("IT", r"[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]", _italy),
    _shape("MX", r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]", _mexico),
    _shape("CN", r"[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9X]", _china),
    _shape("TW", r"[A-Z][1289][0-9]{8}", _taiwan),
    _shape("HK", r"[A-Z]{1,2}[0-9]{6}(?:\([0-9A]\)|\[[0-9A]\])", _hong_kong),
    _shape("KR", r"[0-9]{6}-[1-8][0-9]{6}", _yymmdd),
    _shape("FI", r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]", _finland),
    _shape("SE", r"(?:19|20)?[0-9]{6}[-+][0-9]{4}|(?:19|20)[0-9]{10}", _sweden),
    _shape("SE", r"[0-9]{10}", _sweden, r"personnummer|pnr"),
    _shape("DK", r"[0-9]{6}-[0-9]{4}", _ddmmyy),
    _shape("DK", r"[0-9]{10}", _ddmmyy, r"cpr(?:-nr\.?|-nummer)?"),
    _shape("LV", r"[0-9]{6}-[0-9]{5}", _latvia),
    _shape("CH", r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", switzerland),
    _shape("IE", r"[0-9]{7}[A-W][A-IW]?", _ireland),
    _shape("BR", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}", _brazil),
    _shape("BE", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}|[0-9]{11}", _belgium),
    _shape("PL", r"[0-9]{11}", _poland),
    _shape("EE", r"[0-9]{11}", _baltic),
    _shape("NO", r"[0-9]{6} ?[0-9]{5}", _norway),
    _shape("TR", r"[0-9]{11}", _turkey),
    _shape("GR", r"[0-9]{11}", _greece),
    _shape("BG", r"[0-9]{10}", _bulgaria, r"egn|егн"),
    _shape("CZ", r"[0-9]{6}/[0-9]{3,4}", _czechia),
    _shape("CZ", r"[0-9]{9,10}", _czechia, r"rodn[eé] [cč][ií]slo|r\.? ?[cč]\."),
    _shape("RO", r"[0-9]{13}", _romania),
    _shape("ZA", r"[0-9]{13}", _south_africa),
    _shape("TH", r"[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", _thailand),
    _shape("IN", r"[2-9][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}(?![ -][0-9])", verhoeff),
    _shape("IN", r"[2-9][0-9]{11}", verhoeff, r"aadhaar|aadhar|uidai|आधार"),
    _shape("AR", r"(?:2[0347]|3[034])-[0-9]{8}-[0-9]", _argentina),
    _shape("CL", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9K]", _chile),
    _shape("PK", r"[1-7][0-9]{4}-[0-9]{7}-[0-9]", _always),
    _shape(
        "DE", r"[1-9][0-9]{10}|[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3}", mod_11_10, r"steuer\S*|idnr\.?|tax id"
    ),
    _shape("HR", r"[0-9]{11}", mod_11_10, r"oib"),
    _shape("NL", r"[0-9]{9}", _netherlands, r"bsn|sofi\S*|burgerservicenummer"),
    _shape("PT", r"[0-9]{9}|[0-9]{3} [0-9]{3} [0-9]{3}", _portugal, r"nif|contribuinte"),
    _shape("CA", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", luhn, r"sin|nas|social insurance"),
    _shape("AU", r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}", _australia, r"tfn|tax file number"),
    _shape("AT", r"[0-9]{4} ?[0-9]{6}", _austria, r"svnr\.?|sozialversicherung\S*"),
    _shape("IL", r"[0-9]{9}", luhn, r"teudat zehut|ת\.?ז\.?|תעודת זהות"),
    _shape("JP", r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", _japan, r"my number|マイナンバー\S?|個人番号\S?"),
    _shape(
        "any",
        r"[A-Z]{0,2}[0-9]{6,9}|[A-Z][0-9]{12,14}|[0-9]{4}-[0-9]{2}-[0-9]{4}",
        _always,
        r"passport(?: number| no\.?| is)*|reisepass\S*|passeport|pasaporte|driver'?s licen[cs]e(?: number| no\.?| is)*",
    ),
)

_UNNAMED: Final = tuple(shape for shape in SHAPES if shape.cue is None)
_NAMED: Final = tuple(shape for shape in SHAPES if shape.cue is not None)
# One search for all tells quickly that there is nothing, which is so nearly everywhere.
_ANY_UNNAMED: Final = _alone("|".join(shape.written for shape in _UNNAMED))
# Before both: every shape has six digits with at most one blank, dot or hyphen between two, or is Italy's.
_ENOUGH: Final = re.compile(r"[0-9](?:[ .-]?[0-9]){5}|[A-Z]{6}[0-9]{2}[A-Z]", re.IGNORECASE)
_ANY_CUE: Final = _as_word("|".join(shape.cue_written for shape in _NAMED))


def ids_in(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, named) of each number in text[start:end]; `named` when its name or its shape says so."""
    if not _ENOUGH.search(text, start, end):
        return
    unnamed = _UNNAMED if _ANY_UNNAMED.search(text, start, end) else ()
    named = _NAMED if _ANY_CUE.search(text, max(0, start - CUE_CHARS), end) else ()
    for shape in (*unnamed, *named):
        for match in shape.pattern.finditer(text, start, end):
            before = max(0, match.start() - CUE_CHARS)
            if shape.cue and not shape.cue.search(text, before, match.start()):
                continue
            if shape.check(bare(match.group())):
                yield match.start(), match.end(), shape.cue is not None or not match.group().isdigit()
