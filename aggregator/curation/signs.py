"""Which scanners a text gives any reason to run: the signs of all of them, looked for in one pass.

Rules: a sign is what every match of its scanner holds, so a scanner that is left out would have found nothing (tests
hold that against the scanners themselves). A sign that is there proves nothing.

Does not: find anything. Usage: `if signs_of(text) & SECRETS: ...`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from aggregator.curation import licence_words
from aggregator.curation.licence_rules import ANYWHERE, GNU_TITLE_SIGNS, GRANT_SIGNS, GRANTED
from aggregator.curation.phrases import PHRASE_SIGNS
from windrow_protocol.personal.secrets import ASSIGNED_NAMES, SIGNS

if TYPE_CHECKING:
    from aggregator.curation.sign_kernels import Automaton

LICENCES: Final = 1  # a licence's own words
GRANTS: Final = 2  # words that grant
GRANTED_NAMES: Final = 4  # names that count after such words
SECRETS: Final = 8  # keys and tokens by their issuers' shapes, names that something is assigned to
PHRASES: Final = 16  # those that C4 looks for


def signs_of(text: str) -> int:
    """Return which of the groups above have a sign in a text, as bits."""
    from aggregator.curation.sign_kernels import signs_in

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return signs_in(codes, *_automaton())


def may_name_a_licence(signs: int, text: str = "") -> bool:
    """Say whether a text with these signs may be, or be under, a licence that we know; without it, if it is ASCII."""
    if signs & LICENCES:
        return True
    named = signs & GRANTED_NAMES or licence_words.holds_name(text)
    return bool(named and (signs & GRANTS or licence_words.holds_grant(text)))


@cache
def _automaton() -> Automaton:
    from aggregator.curation.sign_kernels import automaton_of

    assigned = tuple(
        f"{name}{quote}{blank}{sign}"
        for name in ASSIGNED_NAMES
        for quote in ("", "'", '"')
        for blank in ("", " ")
        for sign in (":", "=", "is")
    )
    return automaton_of(
        {
            LICENCES: ("spdx-", *(sign for rule in ANYWHERE for sign in rule.signs), *GNU_TITLE_SIGNS),
            GRANTS: (*GRANT_SIGNS, *licence_words.GRANT_SIGNS),
            GRANTED_NAMES: (*(sign for rule in GRANTED for sign in rule.signs), *licence_words.NAME_SIGNS),
            SECRETS: (*(sign.lower() for sign in SIGNS), *assigned),
            PHRASES: PHRASE_SIGNS,
        }
    )
