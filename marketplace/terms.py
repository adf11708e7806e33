"""Terms: what a buyer asserts of an export before paying for it, in a fixed vocabulary.

Rules: an assertion that is not named is not asked; there is no other language than these names, so nothing of a
buyer's is ever run. Terms are named on chain by the SHA-256 of their canonical text, so neither side can change them.
Shares and rates are of rows, 0 to 1. Pure.

Does not: look at data (`marketplace.acceptance` does).

Usage::

    terms = Terms(rows_min=1_000, language_shares_min={"en": 0.5})
    digest = terms_sha256(terms)
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TERMS_BYTES_MAX, TERMS_ENTRIES_MAX

Count = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
NO_OPTOUTS: Final = "no_optouts"


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The vocabulary.

    `rows_min`, `rows_max`, `tokens_min`, `tokens_max`: how much. `duplicate_rate_max`: rows whose text or cluster of
    duplicates another row has. `language_shares_min`: rows of a language. `age_days_max`: how old the oldest fetch may
    be. `columns`: each with its type as the manifest names it. `licences_only`: what `license_detected` may say.
    `no_optouts`: no row with an opt-out signal, none that robots.txt denied.
    """

    rows_min: Count | None = None
    rows_max: Count | None = None
    tokens_min: Count | None = None
    tokens_max: Count | None = None
    duplicate_rate_max: Share | None = None
    language_shares_min: Annotated[dict[Name, Share], Meta(max_length=TERMS_ENTRIES_MAX)] = {}
    age_days_max: Annotated[float, Meta(ge=0, le=36_525)] | None = None
    columns: Annotated[dict[Name, Name], Meta(max_length=TERMS_ENTRIES_MAX)] = {}
    licences_only: Annotated[list[Name], Meta(max_length=TERMS_ENTRIES_MAX)] = []
    no_optouts: bool = False


def canonical(terms: Terms) -> bytes:
    """Return the text that is signed for: JSON with sorted keys, without what is not asserted."""
    return msgspec.json.encode(terms, order="sorted")


def terms_sha256(terms: Terms) -> str:
    """Return the name that terms have on chain, lower hex."""
    return hashlib.sha256(canonical(terms)).hexdigest()


def parse_terms(text: str) -> Terms:
    """Read terms from TOML. Raises WindrowError `bad_terms`."""
    if len(text) > TERMS_BYTES_MAX:
        raise WindrowError("bad_terms", f"more than {TERMS_BYTES_MAX} characters")
    try:
        terms = msgspec.convert(tomllib.loads(text), Terms)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise WindrowError("bad_terms", str(error)[:200]) from error
    if terms == Terms():
        raise WindrowError("bad_terms", "nothing is asserted")
    return terms
