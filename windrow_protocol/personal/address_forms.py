"""Whole postal addresses as single countries write them, where no word for a street in `addresses` says so.

Rules: a form is believed only as a whole: a street's line with its number and the town's line with its postcode, or the
abbreviations that only addresses have. Each form is bounded and tried only where a sign of its own stands in the text.

Does not: know any town or street. Usage: `for start, end in whole_addresses_in(text, first, last, forms): ...`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_LETTER: Final = r"[\w'’.\-\u0900-\u0dff]"  # the vowel signs of Indic writings are no letters to `re`
_WORD: Final = rf"[^\W\d_a-z]{_LETTER}{{0,30}}"
_WORDS: Final = (
    rf"{_WORD}(?:[ ](?:(?:d[aeiou]s?|d[eo] l[aeo]s?|del|della|van|von|der|den|y|e)[ ])?{_WORD}){{0,4}}"
)
_NUMBER: Final = r"\d{1,5}(?:[ ]?[^\W\d_])?(?:[/\-]\d{1,5})?"
_EDGE: Final = r"(?<![\w$€£.,:/#-])"
_DUTCH: Final = r"\d{4}[ ]?[A-Z]{2}"
_BRITISH: Final = r"[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}(?!\w)"
_MONTHS: Final = (
    r"(?!(?:Jan|Feb|M[aä]r|Apr|Ma[iy]|Jun|Jul|Aug|Sep|O[ck]t|Nov|De[cz]|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Chapter|Page"
    r"|Section|Table|Figure|Vol|Part|Room|Level|Version)[a-z]{0,6}\.?[ ])"
)
_HAN: Final = r"\u4e00-\u9fff"
_HEBREW: Final = r"[א-ת][א-ת'\"״׳ \-]{1,30}"
_CYRILLIC_STREET: Final = (
    r"(?:ул|пр|пр-т|просп|наб|ш|пер|бул|б-р|пл|алл|вул|пров|туп|мкр|бульвар|проспект|площадь|улица|вулиця|площа|сквер"
    r"|узвіз|набережна|провулок|шосе|тупик|майдан|алея|переулок|шоссе|набережная)"
)
_CYRILLIC_PLACE: Final = (
    r"(?:г|п|с|д|клх|пос|ст|к|м|с/ст|р-н|обл|город|село|деревня|посёлок|поселок|станица|хутор)"
)
_CYRILLIC_FLAT: Final = r"(?:к|корп|стр|кв|оф|офис|под|эт)\.?[ ]?\d{1,4}(?:/\d{1,4})?"
_COLOMBIAN: Final = (
    r"(?:Carrera|Cra|Kra|Cr|Calle|Cll?|Diagonal|Diag|Dg|Transversal|Transv|Tr|Tv|Avenida|Av|A[CK])"
)

_Forms = tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]


def _compiled(*forms: tuple[str, str]) -> _Forms:
    return tuple((re.compile(sign), re.compile(form)) for sign, form in forms)


# A sign without which a form cannot be, and the form: of several lines, of one line, of other writings than Latin.
_OF_LINES: Final = _compiled(
    # a street's line, and below it the town behind its postcode: most of Europe
    (r"\n[ ]{0,3}(?:[A-ZΤΚ]{1,2}[- ])?\d{3}",
     rf"{_EDGE}{_MONTHS}{_WORD}(?:[ ][^\W\d_]{_LETTER}{{1,20}}){{0,3}},?[ ](?:{_NUMBER}|S/N),?\n[ ]{{0,3}}"
     rf"(?:[A-ZΤΚ]{{1,2}}[- ])?"
     rf"(?:{_DUTCH}(?!\w)|(?:\d{{4,5}}|\d{{3}}[ ]\d{{2}}|\d{{4}}-\d{{3}})(?![ ]?[A-Z]{{2}}\n)),?[ \n]{{1,2}}{_WORDS}"
     r"(?:[ ]\([A-Z]{2}\))?"),
    (r"\n\d{4,5}[ ]",
     rf"(?<!\w)(?i:rue|avenue|boulevard|chemin|allée|impasse|place|quai|route)[ ]{_WORDS}\n\d{{4,5}}[ ]{_WORDS}"),
    # a street's line, and below it the town before its postcode: Spain, India
    (r"\n[^\n]{2,60}\d{5}",
     rf"{_EDGE}{_MONTHS}(?:[A-Z]\.[ ])?(?:d[ae]l?[ ])?{_WORDS},?[ ](?:{_NUMBER}),?\n{_WORDS},[ ]\d{{5}}(?!\d)"),
    # Brazil
    (r"/[ ]?[A-Z]{2}",
     rf"{_WORDS}(?:,[ ]?\d{{1,5}})?\n(?:{_WORDS}\n)?\d{{5}}-?\d{{3}}[ ][^\W\d_]{_LETTER}*"
     rf"(?:[ ][^\W\d_]{_LETTER}*){{0,5}}"
     r"[ ]/[ ][A-Z]{2}(?!\w)"),
)  # fmt: skip
_OF_ONE: Final = _compiled(
    (r"\d[A-Za-z]?,[ ]\d{4,5}[ ]", rf"{_EDGE}{_MONTHS}{_WORDS}[ ]{_NUMBER},[ ](?!(?:19|20)\d\d[ ])\d{{4,5}}[ ]{_WORD}"),
    (r"[ -]\d{6}(?!\d)",
     rf"{_EDGE}(?:H\.?[ ]?No\.?[ ]?)?\d{{1,4}}(?:/\d{{1,4}})?,?[ \n]{{1,2}}{_WORDS}(?:[,\n][ ]?{_WORDS}){{0,2}}"
     rf"[,\n ]{{1,2}}{_WORD}[ -]\d{{6}}(?!\d)"),
    # Britain: whatever stands between the house and the postcode
    (_BRITISH,
     rf"{_EDGE}(?:(?:Studio|Flat|Unit|Apartment)[ ])?\d{{1,4}}[A-Za-z]?(?:,?[ ]|,?\n)"
     rf"{_WORDS}(?:(?:,[ ]|,?\n){_WORDS}){{1,4}}(?:,?[ ]|,?\n){_BRITISH}"),
    # Colombia
    (r"(?:#|No\.?|N°)[ ]?\d{1,3}[A-Z]{0,2}[ ]?-",
     rf"(?<!\w){_COLOMBIAN}\.?[ ]\d{{1,3}}[A-Zª]{{0,3}}(?:[ ](?:Bis|Este|Sur))?[ ]"
     rf"(?:#|No\.?|N°)[ ]?\d{{1,3}}[A-Z]{{0,2}}"
     r"[ ]?-[ ]?\d{1,3}(?:[ ](?:Este|Sur|Norte|Oeste))?"
     r"(?:[,\n][ ]?(?:Apto\.?|Apartamento|Casa|Piso|Oficina)[ ]\d{1,4})?"
     rf"(?:\n\d{{6}}\n{_WORDS}(?:,[ ]{_WORDS})?)?"),
)  # fmt: skip
_BEYOND_LATIN: Final = _compiled(
    (r"ქ\.[ ]\d", r"[ა-ჰ]{2,20}(?:[ ][ა-ჰ]{2,20}){0,2}[ ]ქ\.[ ]\d{1,4}[ა-ჰ]?(?:,[ ][ა-ჰ]{2,20})?"),
    # Russia, Ukraine, Bulgaria
    (r"(?:д|буд|дом|№)\.?[ ]?\d",
     rf"(?<!\w)(?:{_CYRILLIC_PLACE}\.?[ ]{_WORDS},[ ]){{0,2}}{_CYRILLIC_STREET}\.?[ ]{_WORDS}"
     rf",?[ ](?:д|дом|буд|будинок|№)"
     rf"\.?[ ]?{_NUMBER}(?:,?[ ]{_CYRILLIC_FLAT}){{0,3}}(?:,[ ]{_WORDS}){{0,2}}(?:,[ ]\d{{5,6}}(?!\d))?"),
    # Azerbaijan
    (r"\bb\.[ ]\d",
     rf"(?:{_WORD}[ ]ray(?:onu|\.),[ ])?(?:[^\n,]{{2,40}},[ ])?[^\n,]{{2,40}}[ ](?:pr|küç|prospekti|küçəsi|qəs)\.?,[ ]"
     r"b\.[ ]\d{1,4}(?:,[ ]m\.[ ]\d{1,4})?"),
    (r"[א-ת][ ]\d", rf"{_HEBREW}[ ]\d{{1,4}}(?:[ ]\d{{1,3}})?(?:,[ ]{_HEBREW}){{1,2}},?[ ]\d{{5}}(?:\d{{2}})?(?!\d)"),
    (r"[\u0e00-\u0e7f][ ]\d{5}",
     r"(?<!\d)\d{1,4}(?:/\d{1,4})?[ ][\u0e00-\u0e7f.]{2,40}(?:[ ][\u0e00-\u0e7f.]{2,40}){0,6}[ ]\d{5}(?!\d)"),
    # Bengal
    (r"[\u0980-\u09ff],[ ]\d{4}(?!\d)",
     r"[\u0980-\u09ff]{2,24}(?:[ ]নং)?[ ]\d{1,4}(?:,[ ][\u0980-\u09ff]{2,24}(?:[ ]"
     r"(?:নং[ ])?[\u0980-\u09ff\d]{1,24}){0,2}){1,5},[ ]"
     r"\d{4}(?!\d)"),
    # Eastern Asia writes from the large to the small: province, town, street, number.
    (rf"[{_HAN}]",
     rf"(?:\d{{3,6}}[ ]?)?[{_HAN}]{{2,8}}(?:省|市|区|區|县|縣|州|都|道|府|県|郡)[{_HAN}\u3040-\u30ff々]{{0,24}}?"
     rf"(?:[路街道巷弄段村里町][{_HAN}]{{0,6}}(?:\d{{1,5}}|[A-Za-z](?=座))[号號座樓楼弄室之\d-]{{0,8}}(?:[ ]\d{{6}})?"
     rf"|[{_HAN}\u3040-\u30ff]{{0,8}}\d{{1,4}}(?:(?:丁目|番地?|号|-)\d{{0,4}}){{1,4}})"),
    (r"[가-힣]",
     r"(?:[가-힣]{1,7}(?:특별시|광역시|특별자치시|특별자치도|도|시)[ ])(?:[가-힣]{1,6}[시군구][ ]){0,2}"
     r"(?:[가-힣0-9]{1,10}[읍면동리][ ])?[가-힣0-9]{1,12}(?:[로길가동]|거리)[ ]?(?:지하)?\d{1,5}(?:-\d{1,4})?"
     r"(?:[ ]\([가-힣]{2,10}\))?"),
)  # fmt: skip

# What stands behind words that announce an address is one as far as it consists of numbers, names and abbreviations.
_TELLING: Final = (
    r"(?i:\b(?:(?:live|lives|living|moved|reside|resides)[ ](?:at|to)"
    r"|(?<!mail )(?<!ip )(?<!web )address(?:[ ]is|:)|(?:ship|send|deliver|mail|post)(?:[ ]\w+){0,3}?[ ]to:?"
    r"|(?:office|house|home|flat|shop)[ ]is[ ]at"
    r"|(?:anschrift|adresse|dirección|indirizzo|endereço|adres|adress|osoite):"
    r"|адрес:|адреса:))[ \t]*\n?[ ]{0,2}"
)
_TELLING_SIGNS: Final = (
    "live", "living", "moved", "resid", "ress", "send", "ship", "deliver", "mail", "post", "is at", "Anschrift",
    "irección", "ndirizzo", "ndereço", "Send", "Ship", "Deliver", "Mail", "Post", "soite", "дрес", "dres:",
)  # fmt: skip
# A field of a form that is called an address: its whole value, and lines below it that hold a postcode.
_FIELD: Final = re.compile(
    r"^[ \t>*•|{,\"'-]{0,6}"
    r"(?i:(?:(?:home|delivery|postal|mailing|street|billing|shipping|current|permanent|work|office)[ _])?"
    r"(?:address|anschrift|adresse|dirección|indirizzo|endereço|adres|adress|osoite|адреса?|住所|地址|주소)"
    r"|(?:ship|send|deliver)(?:[ ]it)?[ ]to(?=:))"
    r"[\"'*]{0,3}[ \t]?[:：=|\n][ \t\"'*]{0,4}\n?"
    r"(?P<place>(?=[^\n\"|]{0,60}\d)[^\n\"|<>@]{6,140}"
    r"(?:\n(?=[^\n:\"]{0,40}(?:\d{4}|[A-Z]\d[A-Z\d]?[ ]?\d[A-Z]))[^\n:\"|]{4,60}){0,2})(?=[\n\"|]|$)",
    re.MULTILINE,
)
_FIELD_SIGN: Final = re.compile(
    r"(?i:ad+res|anschrift|osoite|dirección|indirizzo|endere|адрес|ship|send|deliver)|住所|地址|주소"
)
_NO_PLACE: Final = re.compile(r"://|(?i:\b0x|www\.)|(?:\d{1,3}\.){3}\d|(?:[0-9A-Fa-f]{2}:){3}")
_TOKEN: Final = (
    rf"(?:(?:[#№]|\b[A-Za-z]-)?\d[\w/\-]{{0,9}}|{_WORD}|[^\W\d_]{{1,5}}\.(?=[ ,]{{1,2}}[^\W_a-z])"
    rf"|[\u0e00-\u0e7f.]{{2,30}}"
    r"|d[aeiou]s?|de la|van|von|der|del|en)"
)
_LINE: Final = rf"{_TOKEN}(?:[ ]?,?[ ]{_TOKEN}){{0,14}}"
_TOLD: Final = re.compile(
    rf"{_TELLING}(?P<place>{_LINE}(?:,?[ ]?\n[ ]{{0,2}}{_LINE}(?=[ ]?(?:[,.\n]|$))){{0,3}})"
)
_PARTS: Final = re.compile(r"[,\n]|[^\W\d]\S*[ ]")


def told_addresses_in(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of what is announced as an address, has a number, and more than two words or two parts."""
    if _FIELD_SIGN.search(text, first, last):
        for field in _FIELD.finditer(text, first, last):
            place = field["place"].rstrip(" ,.;")
            if not _NO_PLACE.search(place):
                yield field.start("place"), field.start("place") + len(place)
    if not any(sign in text for sign in _TELLING_SIGNS):
        return
    for told in _TOLD.finditer(text, first, last):
        place = told["place"]
        if any(char.isdigit() for char in place) and len(_PARTS.findall(place)) > 1:
            yield told.span("place")


def forms_of(text: str) -> list[re.Pattern[str]]:
    """Return the forms whose sign stands somewhere in a text."""
    forms = (
        *_OF_ONE,
        *(_OF_LINES if "\n" in text else ()),
        *(() if text.isascii() else _BEYOND_LATIN),
    )
    return [form for sign, form in forms if sign.search(text)]


def whole_addresses_in(
    text: str, first: int, last: int, forms: list[re.Pattern[str]]
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each address in text[first:last] that has one of the forms."""
    for form in forms:
        yield from (found.span() for found in form.finditer(text, first, last))
