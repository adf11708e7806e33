"""Which runs of digits in a text are telephone numbers.

Rules: an international form (`+`, `00`), a trunk form (leading 0), an area code in brackets and the American 3-3-4 are
believed by themselves; any other grouping only near a word such as *phone*, *fax* or *call me*. Dates, ISBNs, amounts
and version numbers are not telephone numbers. A run too long for one number is searched part by part.

Does not: look a number up in a numbering plan, nor tell its country.

Usage::

    for start, end, cued in phones_in("Phone: 467 3395", 0, 15): ...

Source: ITU-T E.123 (notation), E.164 (at most 15 digits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

DIGITS_MIN: Final = 7
DIGITS_MAX: Final = 15
_TOKENS_MAX: Final = 7
_CUE_CHARS_BEFORE: Final = 40
_CUE_CHARS_AFTER: Final = 12

_RUN: Final = re.compile(
    r"(?<![0-9A-Za-z@#/=&%$€£_+])(?<![0-9A-Za-z][.-])(?<![0-9],)"
    r"\(?\+?\(?[0-9]+(?:(?:[ -]?\(|\)[ ./-]?|[ ./-])[0-9]+)*"
)
_EXTENSION: Final = re.compile(r" ?(?:x|ext\.?|extension) ?[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE)
_SPOILED_AFTER: Final = re.compile(r"\)?(?:[0-9A-Za-z_@%$€£°]|:[0-9]|[.,][0-9]{3}(?![0-9]))")
_CUE_BEFORE: Final = re.compile(
    r"(?<![\w\[])(?:(?:tele|smart)?ph(?:one)?s?|tel|fax|fon|telefon\w*|telefax|mobile|mobil\w*|cell(?:ular)?"
    r"|(?:desk|office|home|work)(?= ?[:.])"
    r"|direct line|landline|hotline|helpline|whatsapp|signal|sms|gsm|handy|calls?|call(?:ing|ed)|dial|ring|reach"
    r"|answering|text(?: me)?|contact|messages? (?:to|on|at)|my number|number is"
    r"|m[oó]vil|celular\w*|cellulare|portable|t[eé]l[eé]?(?:phone|fono)?|puhelin\w*|matkapuhelin|tfn|tlf|telefoon"
    r"|телефон\w*|тел|电话|電話|手机|手機|携帯|전화|휴대폰|هاتف|טלפון|फ़ोन)(?!\w)",
    re.IGNORECASE,
)
_CUE_AFTER: Final = re.compile(
    r"[\s,;()\\-]{0,3}(?:fax|mobile|office|desk|cell|phone|tel|home|work)(?!\w)", re.I
)
_NEVER_AFTER: Final = re.compile(
    r"(?<!\w)(?:isbn(?:-?1[03])?|issn|doi|rfc|pmid|arxiv|ean|gtin|asin)\W{0,3}$", re.I
)
_RARELY_AFTER: Final = re.compile(
    r"(?<!\w)(?:version|ver|invoice|order|article|part|serial|model|ids?|no|nr|bug|issue|ticket|build|rev|port|lines?"
    r"|pages?|pp)\W{0,3}$",
    re.IGNORECASE,
)
_DATE: Final = re.compile(
    r"(?:1[89]|20)[0-9]{2}([-./ ])[01]?[0-9]\1[0-3]?[0-9](?![0-9])"
    r"|[0-3]?[0-9]([-./ ])[0-3]?[0-9]\2(?:1[89]|20)[0-9]{2}(?![0-9])"
    r"|(?:1[89]|20)[0-9]{2}[01][0-9][0-3][0-9](?:[0-9]{4}|[0-9]{6})?$"
    r"|(?:(?:1[89]|20)[0-9]{2}[-/ ])+(?:1[89]|20)[0-9]{2}$"
)
_ABROAD: Final = re.compile(r"\(?\+\(?[1-9]|00 ?[1-9]")
_NORTH_AMERICA: Final = re.compile(
    r"(?:(?:\+|00)?1[ .-]?)?\(?[2-9][0-9]{2}(?:\)[ .-]?|[ .-])[0-9]{3}[ .-][0-9]{4}"
)
_TRUNK: Final = re.compile(
    r"\(?0[1-9][0-9]{0,4}(?:\)[ ./-]?|[ ./-])[0-9]{2,8}(?:[ ./-][0-9]{2,8}){0,4}|0[1-9][0-9]{8,9}"
)
_BRACKETS: Final = re.compile(
    r"\((?!(?:1[89]|20)[0-9]{2}\))[0-9]{1,4}\)[ -]?[0-9]{2,9}(?:[ .-][0-9]{2,5}){0,3}"
)
_GROUPS: Final = re.compile(
    r"\(?[0-9]{1,5}(?:\)[ ./-]?|[ ./-])[0-9]{2,9}(?:[ ./-][0-9]{2,8}){0,4}|[0-9]{7,15}"
)
_THOUSANDS: Final = re.compile(r"[1-9][0-9]{0,2}(?: [0-9]{3})*(?: 000)+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
# What a person writes of their own: a trunk digit set apart, an area code in brackets with blanks, the groups 3-3-2-2.
_SET_APART: Final = re.compile(
    r"[08][ -]?\([0-9]{3,5}\)[ -]?[0-9]{1,4}(?:[ -][0-9]{2,4}){0,3}|0([ -])[1-9][0-9]{1,3}(?:\1[0-9]{2,4}){2,4}"
    r"|8[ -][0-9]{3,4}[ -][0-9]{2,3}-[0-9]{2}-[0-9]{2}"
    r"|\((?!(?:1[89]|20)[0-9]{2}\))0?[ -]?[0-9]{1,4}(?:[ -][0-9]{1,3}){0,2}\)[ -]?[0-9]{2,9}(?:[ .-][0-9]{2,5}){0,3}"
    r"|[1-9][0-9]{2}([ .-])[0-9]{3}\2[0-9]{2}\2[0-9]{2}|(?:\+?1[ .-])?\([2-9][0-9]{2}\)[ .-]?[0-9]{3}[ .-][0-9]{4}"
    r"|0[0-9]{1,3}-[0-9]{1,4}/[0-9]{2,4}(?:[ -][0-9]{2,4}){0,2}"
)
# A run may be a field's value here (`phone=…`), and a dot stand before a bracket.
_OWN_RUN: Final = re.compile(
    r"(?:(?<![0-9A-Za-z@#/=&%$€£_+])|(?<=(?:hone|mber|bile|cell)=)|(?<=(?:tel|fax)=))(?<![0-9A-Za-z][.-])(?<![0-9],)"
    r"\(?\+?\(?[0-9]+(?:(?:[ .-]?\(|\)[ ./-]?|[ ./-])[0-9]+)*"
)
_OWN_ABROAD: Final = re.compile(r"\(?\+\(?[1-9]|00[ .-]?[1-9]|011[ .-][1-9]")
_OWN_EXTENSION: Final = re.compile(
    r"(?:,? ?(?:x|ext[.:]?|extn\.?|extension|poste|durchwahl|dw|int\.|доб\.?)[ :.]{0,2}|#)[0-9]{1,6}(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_OWN_GROUPS: Final = re.compile(
    r"(?:[0-9]{1,3} (?=\())?\(?[0-9]{1,6}(?:\)[ ./-]?|[ ./-])[0-9]{1,9}(?:[ ./-][0-9]{1,9}){0,6}|[0-9]{7,15}"
)
_OWN_THOUSANDS: Final = re.compile(r"[1-9][0-9]{0,2}(?:[ .][0-9]{3})*(?:[ .]000)+")
# So short only where a field's name says so: numbers of a small place or a switchboard.
_SHORT: Final = re.compile(
    r"(?<![^\W_])(?:(?:tele)?phone(?:[ _]?number)?|tel|mobile|fax|call|whatsapp"
    r"|(?:reach|ring)(?: (?:me|us|him|her))?(?: at| on)?)"
    r"(?:\.?[\"']?[:=][ \"']{0,3}| is |\. ?| (?=[0-9]{2}[ -]))"
    r"(?P<short>[0-9]{3,6}|[0-9]{2,3}(?:[ -][0-9]{2,3}){1,2})(?![\w%]|[ .,:/-][0-9])",
    re.IGNORECASE,
)
_OWN_CUE_BEFORE: Final = re.compile(
    r"(?<![^\W_])(?:text(?:ed|ing|s)?|rang|ringing|messaged?|cep|gsm"
    r"|(?:tele\w+|phone|mobile|cell|tel|fax)[ _-]?(?:no|nr|num|number)?"
    r"|numara\w*|mob|cel|(?-i:[TMPF](?=[.:]))"
    r"|(?:handy|telefon|ruf|mobil)?nummer|num[eé]ro|n[uú]mero|viber|telegram|imessage|facetime|voicemail|pager)"
    r"(?: (?:no|nr|me|us|him|her|them|from|at|on|is|to))*\W{1,3}$",
    re.IGNORECASE,
)
# Where somebody is may also be a street, whose name would follow.
_WHERE_BEFORE: Final = re.compile(r"(?<!\w)(?:am|is|are|me|us|him|her) (?:at|on) $", re.IGNORECASE)
_STREET_AFTER: Final = re.compile(r"[ ,]{1,2}[^\W_a-z]")
_TOKEN: Final = re.compile(r"[^ ]+")


def phones_in(text: str, start: int, end: int, *, device: bool = False) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, cued) of each telephone number in text[start:end]; `cued` when a word beside it says so.

    `device`: also what people write of their own numbers and a public page rarely means by it.
    `text` must be written in ASCII digits and blanks (see `patterns`), and no run of digits may cross `end`.
    """
    for run in (_OWN_RUN if device else _RUN).finditer(text, start, end):
        for first, last in _numbers(text, run.start(), run.end(), device=device):
            extension = (_OWN_EXTENSION if device else _EXTENSION).match(text, last)
            yield first, extension.end() if extension else last, _cued(text, first, last, device=device)


def _numbers(text: str, start: int, end: int, *, device: bool) -> Iterator[tuple[int, int]]:
    """Yield the run itself when it is one number, else the longest parts of it that are."""
    if end - start < DIGITS_MIN or _count(text[start:end]) < DIGITS_MIN:
        return
    if _is_number(text, start, end, whole=True, device=device):
        yield start, end
        return
    tokens = [match.span() for match in _TOKEN.finditer(text, start, end)]
    i = 0
    while i < len(tokens):
        for j in range(min(i + _TOKENS_MAX, len(tokens)), i, -1):
            first, last = tokens[i][0], tokens[j - 1][1]
            pairs_of_a_table = j - i > 1 and len(tokens) - (j - i) > 2 and last - first < 3 * (j - i)
            if not pairs_of_a_table and _is_number(text, first, last, whole=False, device=device):
                yield first, last
                i = j - 1
                break
        i += 1


def _is_number(text: str, start: int, end: int, *, whole: bool, device: bool) -> bool:
    """Is text[start:end] one telephone number? `whole`: it stands alone, not beside further digits."""
    number = text[start:end]
    abroad = (_OWN_ABROAD if device else _ABROAD).match(number)
    strong = abroad or _NORTH_AMERICA.fullmatch(number) or _BRACKETS.fullmatch(number)
    if device:
        strong = strong or _SET_APART.fullmatch(number)
    trunk = not strong and _TRUNK.fullmatch(number)
    # The shape is asked first: it is cheap, and a page of figures has very many runs that are none of these.
    if not (strong or trunk or (whole and (_OWN_GROUPS if device else _GROUPS).fullmatch(number))):
        return False
    digits = _count(number)
    most = DIGITS_MAX + (3 if device and number.startswith("011") else 2 * number.startswith("00"))
    if not DIGITS_MIN <= digits <= most or _spoiled(text, start, end, device=device):
        return False
    if abroad:
        enough = DIGITS_MIN if device and number[0] == "+" else DIGITS_MIN + 1
        return digits >= enough and "+" not in number[2:]
    if _DATE.match(number):
        return False
    before = text[max(0, start - _CUE_CHARS_BEFORE) : start]
    cued = _cued(text, start, end, device=device)
    if _NEVER_AFTER.search(before) or (_RARELY_AFTER.search(before) and not cued):
        return False
    if strong or (trunk and (cued or 9 <= digits <= 12)):
        return True
    return whole and cued and not (_OWN_THOUSANDS if device else _THOUSANDS).fullmatch(number)


def _count(text: str) -> int:
    return sum(map(text.count, "0123456789"))


def _cued(text: str, start: int, end: int, *, device: bool) -> bool:
    """Does a word just before or just after say that this is a telephone number?"""
    before = text[max(0, start - _CUE_CHARS_BEFORE) : start]
    after = text[end : end + _CUE_CHARS_AFTER]
    return bool(
        _CUE_BEFORE.search(before)
        or _CUE_AFTER.match(after)
        or (device and (_OWN_CUE_BEFORE.search(before) or _is_whereabouts(before, after)))
    )


def _is_whereabouts(before: str, after: str) -> bool:
    return bool(_WHERE_BEFORE.search(before)) and not _STREET_AFTER.match(after)


def _spoiled(text: str, start: int, end: int, *, device: bool) -> bool:
    """Does what stands beside the digits make them something else (a time, an amount, a longer token)?"""
    if (_OWN_EXTENSION if device else _EXTENSION).match(text, end):
        return False
    return bool(_SPOILED_AFTER.match(text, end))


def short_phones_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each number of three to six digits that a field's name calls a telephone's."""
    yield from (field.span("short") for field in _SHORT.finditer(text))
