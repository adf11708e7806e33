"""Names of persons: where the words around them say so (a title, a greeting, a relation), or where they begin with a
common given name.

Rules: beside a word that says so a name from anywhere is found; a name of two words or more that was given away once is
found wherever else it stands in the same text; a given name is none before `Street` and its like, or behind `Saint`. A
rare name that nothing gives away is not found, which is why names are measured apart from everything else.

Does not: find every name, or tell two people of one name apart. Whoever knows the names that matter (the authors in a
chat) masks those.

Usage: `for start, end in person_names_in(text): ...`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from windrow_protocol.personal.given_names import is_given_name
from windrow_protocol.personal.name_groups import among_names, in_blocks, speakers


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A capital and small letters after it, or an initial; or letters and vowel signs of a writing that has no capitals.
_WORD: Final = (
    r"(?:[\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f]{2,24}"
    r"|(?:Mc|Mac|O['’])?[^\W\d_a-z][^\W\d_A-Z]{1,20}(?:['’\-][^\W\d_]{1,20}){0,2}|[^\W\d_a-z]\.)"
)
_BETWEEN: Final = r"(?:(?:van|von|de|der|den|del|della|di|da|dos|bin|al|el)[ ]){0,2}(?:[A-Z][ ])?"
_NAME: Final = rf"{_WORD}(?:[ ]{_BETWEEN}{_WORD}){{0,3}}"
_OWN: Final = (
    r"(?i:my|his|her|our|their|your|whose|meine?[mnr]?|seine?[mnr]?|ihre?[mnr]?|unsere?[mnr]?|mon|ma|son|sa|notre|mi|su"
    r"|mio|mia|suo|sua|meu|minha|seu)"
)
# Who somebody is to somebody, in six languages: `my sister Ana`.
_RELATIONS: Final = _words(
    "mother father son daughter child kid mom mum dad grandmother grandfather grandma grandpa granny "
    "grandson granddaughter stepmother stepfather stepson stepdaughter brother sister half-brother "
    "half-sister stepbrother stepsister mother-in-law father-in-law brother-in-law sister-in-law wife "
    "husband fiancé fiancée spouse partner girlfriend boyfriend friend aunt uncle niece nephew cousin "
    "twin boss colleague neighbour neighbor roommate flatmate teacher doctor lawyer mann bruder "
    "schwester vater mutter sohn tochter onkel tante oma opa freund freundin kollege kollegin nachbar "
    "nachbarin chef chefin frère sœur soeur mari femme fils fille père mère oncle ami amie cousine "
    "hermano hermana hijo hija esposo esposa marido amigo amiga tío tía primo prima padre madre "
    "fratello sorella marito moglie figlio figlia amico amica zio zia irmão irmã filho filha pai mãe"
)
_KIN: Final = (
    r"(?i:(?:late|older|younger|elder|little|big|best|dear|old|great|ex|good|new|eldest|youngest)[ -]){0,3}"
    rf"(?i:{'|'.join(sorted(_RELATIONS, key=lambda word: (-len(word), word)))})"
)
_ANNOUNCING: Final = _RELATIONS | _words(
    "name called named by starring say says said i'm i’m am is bin suis soy"
)
_MAKERS: Final = (
    r"(?:directed|written|composed|sung|painted|photographed|illustrated|edited|translated|narrated|drawn)"
)
_TITLE: Final = (
    r"(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof)\.?|Miss|Professor|Sir|Herrn?|Frau|Señora?|Srta\.?|Monsieur|Madame|Mme|Mlle"
    r"|Signora?|Mevr\.?)"
)
_INTRODUCED: Final = (
    r"(?i:my (?:full |first |last )?name is|(?:his|her|their|the) (?:\w{4,6} )?name is"
    r"|what(?:'s| is) your (?:first |last )?name\?"
    r"|people call me|ich heiße|mein name ist"
    r"|je m['’]appelle|me llamo|mi chiamo|meu nome é|mam na imię"
    r"|(?:full |first |last |given |family |sur)?name:|vorname:|nachname:|prénom:|nom:|nombre:|apellidos?:"
    r"|cognome:|nome:"
    r"|addressed to|sincerely,|regards,|cheers,|yours,|(?:gruß|grüßen?)(?:,|(?=\r?\n))"
    r"|cordialement,|saludos,"
    r"|(?:thanks(?: again)?"
    r"|thank you|many thanks|love|best|hugs|take care|see you|danke|merci|gracias|obrigad[oa]|grazie)"
    r"[,!](?=\r?\n))"
)
_CUES: Final = re.compile(
    rf"(?:(?<!\w){_TITLE}[ ]{{1,2}}(?P<titled>{_NAME})"
    rf"|\b{_INTRODUCED}[ :\t]{{0,8}}\r?\n?[ ]{{0,2}}(?P<introduced>{_NAME})"
    r"|(?<![\w.])(?:Dear|Hi|Hello|Hey|Lieber?|Sehr geehrter?|Cher|Chère|Estimad[oa]|Querid[oa])[ ]"
    rf"(?P<greeted>{_NAME})(?=[,!.:\n])"
    rf"|^(?i:from|to|cc|attn|contact|attention):[ ]{{0,2}}(?P<headed>{_NAME}))(?![\w])",
    re.M,
)
_NO_NAMES: Final = _words(
    "All Sir Madam Team Everyone Everybody There Friends Marketers Colleagues Members Readers "
    "Customer Support World Folks Guys Both Sales Help Info Author Monday Tuesday Wednesday Thursday "
    "Friday Saturday Sunday January February March April May June July August September October "
    "November December Google Siri The This That These Those If We You It Is In On At As My Our "
    "Please From To Director Your And Of For With By Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
)
# What stands right before a name and gives it away; before the second, a name of two words at least.
_BEFORE_ANY: Final = re.compile(
    rf"(?:\b{_OWN}[ ]{_KIN}(?:['’]s name(?: is)?|(?: is| was)? (?:called|named))?,?"
    r"|\b(?i:man|woman|boy|girl|guy|person|someone|somebody|child|baby)[ ](?i:who is |who was )?(?i:called|named))[ ]$"
)
_BEFORE_TWO: Final = re.compile(
    rf"\b(?:(?i:{_MAKERS} by|starring):?|says?|said|I(?:['’]m| am)|[Tt]his is|[Ii]ch bin|[Jj]e suis|[Ss]oy)"
    r"[ \t]{1,6}$"
)
_BEFORE_CHARS_MAX: Final = 70
_WORD_BEFORE_CHARS_MAX: Final = 16
# Behind a given name: then it is the name of a thing.
_THINGS: Final = _words(
    "Street St Road Rd Avenue Ave Lane Drive Square Park Gardens University College School Academy "
    "Hospital Church Cathedral Airport Station Bridge River Lake Island Islands Bay Beach Hotel Inn "
    "Inc Ltd LLC GmbH AG Corp Corporation Company Co Foundation Trust Award Awards Prize Cup Day Bank "
    "Group Institute Museum Theatre Theater Stadium Arena Sound Cape Valley County Law Act Syndrome "
    "Disease Straße Strasse Platz Allee Universität Schule Krankenhaus Kirche"
)
_HOLY: Final = re.compile(
    r"\b(?:St|Ste|Saint|Sainte|San|Santa|Santo|Sankt|São|Sveti|Monte|North|South|East|West)\.?[ -]$"
)
_LEADING: Final = re.compile(
    r"(?<![\w@/.#-])[^\W\d_a-z][^\W\d_A-Z]{1,20}(?:-[^\W\d_]{2,20})?(?![\w@]|[ ]?\d)"
)
_WITH_SURNAME: Final = re.compile(rf"[^\W\d_]+(?:-[^\W\d_]+)?(?:[ ]{_BETWEEN}{_WORD}){{0,3}}(?!\w)")
_NAMES_MAX: Final = 300  # of one text
_PART_CHARS_MIN: Final = 3  # a shorter part of a name is not looked for elsewhere


def person_names_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each name that a word beside it gives away, and of the same name elsewhere in the text."""
    cued: list[tuple[int, int]] = []
    given: dict[str, None] = {}  # in the order of the text
    for cue in _CUES.finditer(text):
        sort = cue.lastgroup or ""
        words = cue[sort].split(" ")
        if words[0] in _NO_NAMES:
            continue
        cued.append(cue.span(sort))
        # one word alone may be a word of the language, as Black
        if len(words) > 1 and len(given) < _NAMES_MAX:
            given[cue[sort]] = None
            if sort in ("titled", "introduced"):
                given.update(dict.fromkeys(word for word in words if len(word) >= _PART_CHARS_MIN))
    for start, end in _by_given_name(text):
        cued.append((start, end))
        if " " in text[start:end] and len(given) < _NAMES_MAX:
            given[text[start:end]] = None
    cued += [span for span in in_blocks(text) if _begins_no_sentence(text, span)]
    cued += [*among_names(text, cued), *speakers(text, cued)]
    yield from _apart(sorted({*cued, *_again(text, given)}))


def _by_given_name(text: str) -> Iterator[tuple[int, int]]:
    """Yield the capitalised words that begin with a common given name, or stand behind words that call them a name."""
    last = 0
    for found in _LEADING.finditer(text):
        start = found.start()
        if start < last or not found.group()[0].isupper():
            continue
        words_min = 1 if is_given_name(found.group()) else _words_announced(text, start)
        whole = _WITH_SURNAME.match(text, start) if words_min else None
        if whole is None or _HOLY.search(text, max(0, start - 8), start):
            continue
        words = whole.group().split(" ")
        ends = next((n for n, word in enumerate(words) if word in _NO_NAMES), len(words))
        if ends >= words_min and _THINGS.isdisjoint(words):
            last = start + len(" ".join(words[:ends]))
            yield start, last


def _words_announced(text: str, start: int) -> int:
    """Return of how many words at least the name is that is announced here, 0 when none is."""
    before = text[max(0, start - _WORD_BEFORE_CHARS_MAX) : start].rstrip(" ,:\t").lower().split()
    if not before or before[-1] not in _ANNOUNCING:
        return 0
    first = max(0, start - _BEFORE_CHARS_MAX)
    return 1 if _BEFORE_ANY.search(text, first, start) else 2 * bool(_BEFORE_TWO.search(text, first, start))


def _begins_no_sentence(text: str, span: tuple[int, int]) -> bool:
    words = text[slice(*span)].split()
    return _NO_NAMES.isdisjoint(words) and _THINGS.isdisjoint(words)


def _again(text: str, given: dict[str, None]) -> Iterator[tuple[int, int]]:
    if given:
        longest_first = "|".join(map(re.escape, sorted(given, key=lambda name: (-len(name), name))))
        for again in re.finditer(rf"(?<!\w)(?:{longest_first})(?!\w)", text):
            yield again.span()


def _apart(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last = 0
    for start, end in spans:
        if start >= last:
            yield start, end
            last = end
