"""Which open licence a text says it is under, or is the text of: common licences as SPDX identifiers.

Rules: a licence counts when the text carries its SPDX tag, its canonical link, a sentence of its own, or its name
after words that grant ("licensed under", "available under", "Lizenz:", and what a dozen other languages say,
`licence_words`). A name alone does not count: pages talk about licences. Several are joined with AND, the cautious
reading; it may be a picture's licence, not the page's. Nothing found is `unknown`, which is not the same as "all rights
reserved". A Creative Commons licence named without its version is a `LicenseRef-`, since SPDX has no such licence.

Does not: decide whether a use is allowed, compare whole licence texts, or read links that are not in the text.

Usage::

    detect_licence("Text is available under CC BY-SA 4.0", url="https://example.org/page")  # "CC-BY-SA-4.0"

Source: SPDX License List 3.x (identifiers) and the licences' own wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from aggregator.curation.licence_rules import ANYWHERE, GNU_TITLES, GRANTED, Rule
from aggregator.curation.licence_words import in_english, without_with
from aggregator.curation.signs import may_name_a_licence, signs_of

UNKNOWN: Final = "unknown"
LICENCES_MAX: Final = 8  # of one text; more is a list of licences, of which the first are named
GRANTS_MAX: Final = 64  # looked at in one text
GRANT_CHARS: Final = 200  # in which a name must end after words that grant
_BEFORE_CHARS: Final = 60

_TAG: Final = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() ]{1,120})")
_TAG_NAME: Final = re.compile(r"[A-Za-z0-9.+-]*[A-Za-z0-9+]")
_TAG_WORDS: Final = frozenset({"AND", "OR", "WITH", "NONE", "NOASSERTION"})
# Words that grant: without one of the signs there are none, which is ten times faster to see; what must stand before
# them (as a shape) to be about a licence.
_GRANTS: Final = (
    (("under the terms", "under terms"), re.compile(r"under (?:the terms|terms)\b"), None),
    (
        ("under ",),
        re.compile(r"under "),
        re.compile(
            r"licen[sc]|releas|availab|distribut|publish|provid|offer|shared|cover|govern|modif|usable|reus"
        ),
    ),
    (("licens", "licenc"), re.compile(r"licen[sc]ed (?:with|as|by) "), None),
    (("licens", "licenc"), re.compile(r"licen[sc](?:e|ia)(?: type)? ?[:=]"), None),
    (("licen", "lizen"), re.compile(r"li[cz]en[czs](?:e|a|z|tie|ça)? ?[:=]"), None),
    (("subject to ",), re.compile(r"subject to "), None),
)
_PLAIN: Final = {"‘": "'", "’": "'", "“": '"', "”": '"', "‐": "-", "–": "-", "—": "-"}


def detect_licence(text: str, *, url: str = "", signs: int | None = None) -> str:
    """Return SPDX identifiers joined with AND, or `unknown`. `url` is where the text was, itself a licence's or not.

    `signs` are those of `url`, a blank and the text, where they are known already.
    """
    if not may_name_a_licence(signs_of(f"{url} {text}") if signs is None else signs, text):
        return UNKNOWN
    found = dict.fromkeys(_found(text, url))
    named = [name for name in found if not _is_doubled(name, found)]
    return " AND ".join(sorted(named[:LICENCES_MAX])) or UNKNOWN


def _is_doubled(name: str, found: Iterable[str]) -> bool:
    """Say whether the same licence was found more precisely: `-only` over `-or-later`, a version over none."""
    if name.startswith("LicenseRef-"):
        return any(other.startswith(name.removeprefix("LicenseRef-") + "-") for other in found)
    return name.endswith("-or-later") and name.removesuffix("-or-later") + "-only" in found


def _found(text: str, url: str) -> Iterator[str]:
    for tag in _TAG.finditer(text) if "SPDX-" in text else ():
        yield from (name for name in _TAG_NAME.findall(tag[1]) if name not in _TAG_WORDS)
    folded = in_english(_folded(without_with(f"{url} {text}")))
    for signs, rule in ANYWHERE:
        for sign in signs:
            if sign in folded:
                yield from _names(rule, folded)
                break
    titled = [name for rule in GNU_TITLES for name in _names(rule, folded)] if "gnu " in folded else []
    if titled:  # such a text speaks of granting under its sisters too: those are no grants
        yield from titled
        return
    for window in islice(_granted(folded), GRANTS_MAX):
        for _, rule in GRANTED:
            yield from _names(rule, window)


def _folded(text: str) -> str:
    text = text.lower()
    if not text.isascii():
        for mark, plain in _PLAIN.items():  # many times faster than str.translate on such a text
            text = text.replace(mark, plain)
    return " ".join(text.split())


def _granted(folded: str) -> Iterator[str]:
    """Yield what follows words that grant."""
    for signs, words, before in _GRANTS:
        for match in words.finditer(folded) if any(sign in folded for sign in signs) else ():
            if before is None or before.search(folded, max(0, match.start() - _BEFORE_CHARS), match.start()):
                yield folded[match.end() : match.end() + GRANT_CHARS]


def _names(rule: Rule, folded: str) -> Iterator[str]:
    return map(rule.name, islice(rule.shape.finditer(folded), LICENCES_MAX))
