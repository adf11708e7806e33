"""Names of persons, where the words around them say that they are names: a title, a greeting, an introduction.

Rules: no list of names, so a name from anywhere counts as much as one from here; a name of two words or more that was
given away once is found wherever else it stands in the same text; a name that nothing gives away is not found, which
is why names are measured apart from everything else.

Does not: find a name that stands alone, or tell two people of one name apart. Whoever knows the names that matter (the
authors in a chat) masks those.

Usage: `for start, end in person_names_in(text): ...`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# A capital and small letters after it, or an initial; any alphabet that has both.
_WORD: Final = r"(?:(?:Mc|Mac|O['’])?[^\W\d_a-z][^\W\d_A-Z]{1,20}(?:['’\-][^\W\d_]{1,20}){0,2}|[^\W\d_a-z]\.)"
_BETWEEN: Final = r"(?:(?:van|von|de|der|den|del|della|di|da|dos|bin|al|el)[ ]){0,2}(?:[A-Z][ ])?"
_NAME: Final = rf"{_WORD}(?:[ ]{_BETWEEN}{_WORD}){{0,3}}"
_TITLE: Final = (
    r"(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof)\.?|Miss|Professor|Sir|Herrn?|Frau|Señora?|Srta\.?|Monsieur|Madame|Mme|Mlle"
    r"|Signora?|Mevr\.?)"
)
_INTRODUCED: Final = (
    r"(?i:my (?:full |first |last )?name is|(?:his|her|their) name is|what(?:'s| is) your (?:first |last )?name\?"
    r"|people call me|ich heiße|mein name ist|je m['’]appelle|me llamo|mi chiamo|meu nome é|mam na imię"
    r"|addressed to|sincerely,|(?:best|kind|warm) regards,|cheers,|yours,|gruß,?|grüße,?|cordialement,|saludos,)"
)
_CUES: Final = re.compile(
    rf"(?:(?<!\w){_TITLE}[ ]{{1,2}}(?P<titled>{_NAME})"
    rf"|\b{_INTRODUCED}[ :\t]{{0,2}}\r?\n?[ ]{{0,2}}(?P<introduced>{_NAME})"
    r"|(?<![\w.])(?:Dear|Hi|Hello|Hey|Lieber?|Sehr geehrter?|Cher|Chère|Estimad[oa]|Querid[oa])[ ]"
    rf"(?P<greeted>{_NAME})(?=[,!.:\n])"
    rf"|^(?i:from|to|cc|attn|contact|attention):[ ]{{0,2}}(?P<headed>{_NAME}))(?![\w])",
    re.M,
)
_NO_NAMES: Final = frozenset(
    {
        "All",
        "Sir",
        "Madam",
        "Team",
        "Everyone",
        "Everybody",
        "There",
        "Friends",
        "Marketers",
        "Colleagues",
        "Members",
    }
    | {"Readers", "Customer", "Support", "World", "Folks", "Guys", "Both", "Sales", "Help", "Info", "Author"}
    | {
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "January",
        "February",
        "March",
    }
    | {
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
        "Google",
        "Siri",
    }
    | {
        "The",
        "This",
        "That",
        "These",
        "Those",
        "If",
        "We",
        "You",
        "It",
        "Is",
        "In",
        "On",
        "At",
        "As",
        "My",
        "Our",
    }
    | {"Please", "From", "To", "Director", "Your"}
)
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
        if (
            len(words) > 1 and len(given) < _NAMES_MAX
        ):  # one word alone may be a word of the language, as Black
            given[cue[sort]] = None
            if sort in ("titled", "introduced"):
                given.update(dict.fromkeys(word for word in words if len(word) >= _PART_CHARS_MIN))
    yield from _apart(sorted({*cued, *_again(text, given)}))


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
