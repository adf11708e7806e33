"""Postal addresses in a text: a street with its number, the flat, and the town and postcode that follow.

Rules: an address begins at a sign that says so by itself (a word for a street beside a number, the number of a flat or
a box) or at a number behind words such as "lives at"; it takes in the numbers before it and what follows, up to a
bound, as long as that ends in a postcode, a flat, a country or the short code of a state. Every search is bounded, so
the whole is linear in the text.

Does not: find a town or a country alone, know the streets of any place, or tell a person's address from a shop's.

Usage: `for start, end in postal_addresses_in(text): ...`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from windrow_protocol.personal.address_forms import forms_of, told_addresses_in, whole_addresses_in

_CAP: Final = (
    r"[^\W\d_a-z][\w'’.\-\u0900-\u0dff]{0,30}"  # a word with a capital, or of a writing without capitals
)
_SMALL: Final = (
    r"(?:d[aeiou]s?|d[eo] l[aeo]s?|del|della|dei|van|von|der|den|zum|zur|l[ae]s?|los|of|y|e|the|st)"
)
_SMALLS: Final = rf"(?:{_SMALL}[ \t]{{1,2}}){{0,2}}"
_NAME: Final = rf"{_CAP}(?:[ \t]{{1,2}}(?:(?:{_SMALL}[ \t]+){{0,2}}{_CAP}|\d{{1,3}}(?:st|nd|rd|th))){{0,4}}"
_NUMBER: Final = r"\d{1,6}(?:[ ]?[A-Za-z](?:/\d{1,4})?|[/\-]\d{1,5})?(?![\w%]|[.,:]\d)"
_BREAK: Final = r"[ \t]{0,3}(?:,|\.(?=\s))?[ \t]{0,3}(?:\r?\n[ \t>?*|:\-]{0,8}){0,2},?[ \t]{0,3}"

# Words for a street behind its name (English), glued to it (Germanic, Finnish, Hungarian), and before it (the rest).
_BEHIND: Final = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter"
    r"|Way|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Crescent|Cres|Close|Row|Mews|Alley|Plaza|Grove"
    r"|Gardens|Gdns|Quay|Turnpike|Expressway|Bypass|Stra(?:ss|ß)e|Stra(?:at)?|Weg|Platz|Gasse|Allee"
    r"|utca|út|útja|tér|sokak)"
)
# Words that may stand between a street's name and its number.
_AFTER: Final = (
    r"(?:Stra(?:ss|ß)e|Str\.|Weg|Platz|Allee|Ring|Baan|gata|vei|terrasse|tie|katu|utca|u\.|út|útja|tér|körút|rkp\."
    r"|sor|ulice|náměstí|trg|cesta|ulica)"
)
_GLUED: Final = (
    r"(?:stra(?:ss|ß)e|str|straat|laan|plein|gracht|kade|weg|gasse|allee|platz|damm|ufer|vej|gade|stræde|gata|gatan"
    r"|gaten|vägen|väg|vegen|veien|veg|vei|plass|katu|tie|kuja|polku|stræti|utca|gatu|gränd|torget|steeg|singel)"
)
_BEFORE: Final = (
    r"(?:Rua|[Rr]ue|[Rr]ang|[Cc]alle|[Aa]venida|[Ii]mpasse|[Cc]hemin|R\.|Via|Viale|Corso|Piazza|Piazzale|Largo|Vicolo|C/|Av\.|Avda\.?|[Aa]venue|Paseo|Plaza|Rambla|Ronda|Glorieta|Pasaje|Borgo|Contrada"
    r"|Carrer|Camino|Carretera|Travessa|Praça|Estrada|Alameda|[Aa]llée|[Qq]uai|Place|[Bb]oulevard|Cours|Route|Vereda|Viela|Ladeira"
    r"|[Pp]lac|ul\.|Ul\.|ulica|Ulica|ulitsa|al\.|Aleja|pl\.|os\.|Osiedle|Strada|Str\.|Bd\.|Bulevardul|Calea|Şos\.|Șoseaua|Intrarea|Aleea|Jalan|Jln?\.|Gg\.|Gang|улица|ул\."
    r"|Λεωφόρος|Λεωφ\.|Λ\.|[Οο]δός|Πλατεία)"
)
_UNIT: Final = (
    r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Wohnung|Whg|Piso|Appartement|Appartamento|Apartamento|Apto|Depto|App?t|Lejl"
    r"|Lgh|(?-i:Bl|Sc|Ap)(?=\.[ ]))\.?[ \t]{0,2}"
    r"(?:#[ \t]?)?\d{1,5}[A-Za-z]?(?![\w-])"
)
_BOX: Final = (
    r"(?:P\.?[ ]?O\.?[ ]?Box|Post(?:fach|bus|boks)|Apartado(?: postal)?|Casilla|Boîte postale)[ \t]{0,2}"
    r"#?\d{1,8}(?!\w)"
)
_MILITARY: Final = (
    r"(?:(?:Unit|PSC|CMR)[ \t]{1,2}\d{1,5},?[ \t]{1,2}Box[ \t]{1,2}\d{1,5}|US(?:S|NV|NS|CGC)[ \t]{1,2}[\w'’\-]{2,20})"
    rf"{_BREAK}[FAD]PO[ \t,]{{1,3}}A[AEP][ \t]{{1,2}}\d{{5}}(?:-\d{{4}})?"
)
_POSTCODE: Final = (
    r"(?:[A-Z]{1,2}-)?(?:\d{2}-\d{3}|\d{5}-\d{3,4}|\d{3}[ ]\d{2}|\d{4}[ ]?[A-Z]{2}|\d{4}-\d{3}|\d{3,7})"
    r"(?![\w.,/:-]\d)(?!\w)"
    r"|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}(?!\w)|[A-Z]\d[A-Z][ ]?\d[A-Z]\d(?!\w)"
)

# A country ends an address. Those with the most mail, as they are called in English and at home.
_COUNTRY: Final = (
    r"(?:Argentina|Australia|Austria|Österreich|Belgium|België|Belgique|Brazil|Brasil|Bulgaria|Canada|Chile|China|Colombia"
    r"|Croatia|Hrvatska|Cyprus|Czechia|Czech Republic|Denmark|Danmark|Egypt|Estonia|Eesti|Finland|Suomi|France|Germany"
    r"|Deutschland|Greece|Greenland(?:er)?|Hong Kong|Hungary|Magyarország|Iceland|Ísland|India|Indonesia|Ireland|Israel"
    r"|Italy|Italia|Japan|Kenya|Latvia|Lithuania|Luxembourg|Malaysia|Malta|Mexico|México|Morocco|Netherlands|Nederland"
    r"|New Zealand|Nigeria|Norway|Norge|Pakistan|Peru|Philippines|Poland|Polska|Portugal|Romania|România|Russia|Россия"
    r"|Saudi Arabia|Serbia|Singapore|Slovakia|Slovenia|Slovenija|South Africa|South Korea|Spain|España|Sweden|Sverige"
    r"|Switzerland|Schweiz|Suisse|Taiwan|Thailand|Tunisia|Turkey|Türkiye|Ukraine|United Arab Emirates|United Kingdom|UK"
    r"|United States(?: of America)?|USA|Uruguay|Vietnam)(?:[ ]\([A-Z][a-z]{2,12}\))?(?!\w)"
)
_SIGNS: Final = re.compile(
    rf"(?P<military>(?i:{_MILITARY}))"
    rf"|(?<![\w/])(?P<box>(?i:{_BOX}))"
    rf"|(?<![\w/])(?P<unit>(?i:{_UNIT}))"
    rf"|(?<![\w/.])(?P<before>{_BEFORE}[ \t]{{0,2}}{_SMALLS}{_NAME},?[ \t]{{1,2}}"
    rf"(?:[Nn][º°ro.]{{1,2}}[ \t]?)?{_NUMBER})"
    rf"|(?<!\w)(?P<glued>(?:{_CAP}[ ](?=[^\W\d_A-Z]))?[^\W\d_]{{2,30}}"
    rf"(?:-[^\W\d_]{{2,20}}){{0,3}}-?(?i:{_GLUED})\.?[ \t]{{1,2}}{_NUMBER})"
    rf"|(?<!\w)(?P<behind_first>{_NAME}[ \t]{{1,2}}(?i:{_AFTER})"
    rf"[ \t]{{1,2}}{_NUMBER})"
    rf"|(?<![\w$€£.,:/])(?P<numbered>\d{{1,6}}[A-Za-z]?[ \t]{{1,2}}(?:\d{{1,6}}[ \t]{{1,2}})?"
    rf"(?:{_NAME}|\d{{1,3}}(?:st|nd|rd|th))[ \t]{{1,2}}(?i:{_BEHIND})(?![\w-]))"
    rf"|(?<![\w$€£.,:/])(?P<prefixed>\d{{1,6}}[A-Za-z]?,?[ \t]{{1,2}}{_BEFORE}[ \t]{{0,2}}{_SMALLS}{_NAME})"
)
_CUE: Final = re.compile(
    r"(?i:\b(?:(?:liv(?:e|es|ed|ing)|resid(?:e|es|ing)|located|wohn(?:t|e|haft)|moved|house is|office is)[ \t]+"
    r"(?:in|at|on|to)"
    r"|(?:address|adresse|dirección|indirizzo|endereço)(?:[ ]is|:)?|habita en|vive en|habite (?:au|à)|deliver(?:ed)? to"
    r"|ship(?:ped)? to|drops? you off at|arrived at)[: \t\r\n]{1,4})"
    rf"(?P<place>\d{{1,6}}[A-Za-z]?,?[ \t]{{1,2}}(?:\d{{1,6}}[ \t]{{1,2}})?{_NAME}(?:[ \t]{{1,2}}{_NUMBER})?)"
)
_LEADING: Final = re.compile(r"(?<![\w$€£.,:/#-])(?:\d{1,6}[A-Za-z]?,?[ \t]{1,2}){1,2}$")
_STREET_LINE: Final = (
    rf"(?:\d{{1,6}}[A-Za-z]?,?[ \t]{{1,2}}(?:\d{{1,6}}[ \t]{{1,2}})?{_NAME}(?:[ \t]{{1,2}}{_NUMBER})?"
    rf"|{_NAME}[ \t]{{1,2}}{_NUMBER})"
)
_LINE_BEFORE_UNIT: Final = re.compile(rf"(?<![\w$€£.,:/#-]){_STREET_LINE}\.?{_BREAK}$")
# A number, a name and a number are a street only if a town's postcode, a flat or a country comes after them.
_LOOSE: Final = re.compile(rf"(?<![\w$€£.,:/#-])\d{{2,6}}[ \t]{{1,2}}{_NAME}[ \t]{{1,2}}{_NUMBER}")
# A number and a name, or the other way round, are a street only if a postcode with a state or a town follows.
_STATE_AND_CODE: Final = (
    r"[A-Z]{2,3}(?:,?[ ]{1,2}\d{4,5}(?:-\d{4})?|,?[ ]{1,2}[A-Z]\d[A-Z][ ]?\d[A-Z]\d)(?!\w)"
)
_BARE: Final = re.compile(
    rf"(?<![\w$€£.,:/#-])\d{{1,6}}[ \t]{{1,2}}{_NAME}"
    rf"(?=[ ]{{0,2}}[,\n][ \n]{{0,3}}{_NAME},?[ ]{{1,2}}{_STATE_AND_CODE})"
    rf"|(?<![\w$€£.,:/#-]){_NAME}[ \t]{_NUMBER}(?=,?\n[ ]{{0,3}}(?:\d{{4,5}}|\d{{3}}[ ]\d{{2}})[ \n]{{1,2}}{_CAP})"
    rf"|(?<![\w$€£.,:/#-]){_NAME}[ \t]{{1,2}}N[°º][ ]?\d{{1,5}}(?!\w)"
)
_NEXT: Final = re.compile(
    rf"{_BREAK}(?:(?P<flat>(?i:{_UNIT}))|(?P<country>{_COUNTRY})|(?P<code>{_POSTCODE})"
    rf"|(?P<town_and_code>(?:{_CAP}[ ]{{1,2}}){{1,3}}?(?:{_POSTCODE}))"
    rf"|(?P<town_and_country>(?:{_CAP}[ ]){{1,4}}{_COUNTRY})|(?P<town_and_state>(?:{_CAP}[ ]){{1,3}}[A-Z]{{2,3}}(?!\w))"
    rf"|(?P<state>(?<=[ ,\t])[A-Z]{{2,3}}(?!\w))|(?P<more>(?i:{_BEHIND})(?!\w)\.?)|(?P<town>{_NAME}))"
)
_AFTER_CODE: Final = re.compile(
    rf"{_BREAK}{_COUNTRY}|,?[ ]{{1,2}}{_NAME}[ ]\([A-Z]{{2}}\)|(?<=[A-Z]{{2}})\n{_NAME}(?=[ ]?(?:[\n,.]|$))"
    rf"|[ ]{{1,2}}{_NAME}(?:[ ](?:an|am|im|ob|bei|in|nad|pod|sur|sous|en|upon)(?:[ ](?:der|dem|la|le|les))?[ ]{_NAME})?"
)
_PIECES_MAX: Final = 7
_TAIL_CHARS_MAX: Final = 140
_BEFORE_CHARS_MAX: Final = 90
_PROOF: Final = re.compile(rf"\d{{5}}|\d-\d{{3}}|{_COUNTRY}|(?i:{_UNIT})")
# Every address has a number, so only what stands around one is looked at.
_DIGITS: Final = re.compile(r"\d+")
_AROUND_CHARS: Final = 100


def postal_addresses_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each postal address, in order and without overlap."""
    begun = ended = -1
    forms = forms_of(text)
    for start, end in sorted({span for window in _windows(text) for span in _found(text, *window, forms)}):
        if start >= ended:
            if ended > begun:
                yield begun, ended
            begun, ended = start, _tail_end(text, end)
        elif end >= ended:
            # the number that ended the first reading may be the house's, and the town comes behind it
            ended = max(ended, _tail_end(text, end))
    if ended > begun:
        yield begun, ended


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield what lies around numbers, joined where it touches."""
    first = last = -1
    for digits in _DIGITS.finditer(text):
        if first >= 0 and digits.start() - _AROUND_CHARS > last:
            yield first, last
            first = -1
        first = max(0, digits.start() - _AROUND_CHARS) if first < 0 else first
        last = min(len(text), digits.end() + _AROUND_CHARS)
    if first >= 0:
        yield first, last


def _found(text: str, first: int, last: int, forms: list[re.Pattern[str]]) -> Iterator[tuple[int, int]]:
    for sign in _SIGNS.finditer(text, first, last):
        start = sign.start()
        before = max(0, start - _BEFORE_CHARS_MAX)
        if sign.lastgroup in ("unit", "box"):
            line = _LINE_BEFORE_UNIT.search(text, before, start)
            start = line.start() if line else start
        elif sign.lastgroup in ("before", "glued", "behind_first", "prefixed"):
            leading = _LEADING.search(text, before, start)
            start = leading.start() if leading else start
        yield start, sign.end()
    yield from (found.span() for found in _BARE.finditer(text, first, last))
    yield from whole_addresses_in(text, first, last, forms)
    for cue in _CUE.finditer(text, first, last):
        yield cue.span("place")
    yield from told_addresses_in(text, first, last)
    for street in _LOOSE.finditer(text, first, last):
        if _PROOF.search(text, street.end(), _tail_end(text, street.end())):
            yield street.span()


def _tail_end(text: str, end: int) -> int:
    """Return where an address ends that is certain up to `end`: at the last of the pieces that only addresses have."""
    place, stop = end, min(len(text), end + _TAIL_CHARS_MAX)
    after_flat = False
    for _ in range(_PIECES_MAX):
        piece = _NEXT.match(text, place, stop)
        if piece is None:
            break
        place = piece.end()
        if piece.lastgroup in ("code", "town_and_code"):
            after = _AFTER_CODE.match(text, place, stop)
            return after.end() if after else place
        beside_flat = after_flat and "\n" not in piece.group() and "," not in piece.group()
        if piece.lastgroup != "town" or beside_flat:
            end = place
        after_flat = piece.lastgroup == "flat"
    return end
