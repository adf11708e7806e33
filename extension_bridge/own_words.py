"""What somebody's own words hold of others, and how exact a sum is: taken out on the device, checked on receipt.

Rules: pure, and done twice the same as done once. Lines marked as quoted become `[QUOTE]`, accounts that are named
become `[USER]`, numbers in the name of a payee `[NUMBER]`; a sum keeps its first digit.

Does not: know who wrote what nobody marked, or find e-mail addresses and the like (see `redaction`).

Usage::

    stripped = strip_others(text, RULES["post"])
    assert others_in(stripped.text, RULES["post"]) == []
    rounded_amount("-16.85 AUD")  # "-20 AUD"
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from typing import Final

from extension_bridge.redaction import Redacted, mark_of
from extension_bridge.sources import SourceRule
from extension_bridge.wanted_words import word_pattern
from windrow_protocol.content import normalise_text
from windrow_protocol.limits import AMOUNT_CHARS_MAX, MASK_WORD_CHARS_MAX

# Lines that begin as mail, Markdown and forums mark what somebody else wrote.
_QUOTE: Final = re.compile(r"^[ \t]*[>＞].*(?:\n[ \t]*[>＞].*)*", re.MULTILINE)
_ACCOUNT: Final = re.compile(
    r"(?:(?<![\w@＠/.])[@＠][\w.]{1,64}|(?<![\w/])/?u/[\w-]{3,32})"
    r"(?:[@＠][\w.-]{1,253}|/?u/[\w-]{3,32})*"  # what hangs on it would begin an account of its own once it is gone
)
_NUMBER: Final = re.compile(r"\w*\d[\d./:*-]*\d[\d./:*-]*\d\w*")
_AMOUNT: Final = re.compile(r"([+-]?)(\d[\d.,]*)(?: ([A-Z]{3}))?\Z")
_ROUNDED: Final = re.compile(r"-?[1-9]0{0,17}(?: [A-Z]{3})?\Z")
_CENTS: Final = re.compile(r"[.,](\d{1,2})\Z")
_DIGITS_MAX: Final = 18
_NAME_CHARS_MIN: Final = 3  # shorter parts of a name are mostly other words


def strip_others(text: str, rule: SourceRule) -> Redacted:
    """Return a text in normal form without what a source's rule keeps here, and how many there were of each kind."""
    findings = {}
    for kind, pattern in _patterns(rule):
        text, count = pattern.subn(mark_of(kind), text)
        if count:
            findings[kind] = count
    return Redacted(text, findings)


def strip_names(text: str, names: tuple[str, ...], counts: Counter[str]) -> str:
    """Return a text without some people's names and without each part of them that is written as a name; count them."""
    pattern = _names_pattern(names)
    if pattern is None:
        return text

    def masked(found: re.Match[str]) -> str:
        if found.group()[0].islower():
            return found.group()
        counts["name"] += 1
        return mark_of("name")

    return pattern.sub(masked, text)


@lru_cache(maxsize=64)
def _names_pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return the pattern of whole names, the longest first, and of their parts."""
    whole = {" ".join(normalise_text(name).split())[:MASK_WORD_CHARS_MAX] for name in names}
    parts = {part.strip(".,()") for name in whole for part in name.split()}
    wanted = sorted(
        {each for each in whole | parts if len(each) >= _NAME_CHARS_MIN},
        key=lambda each: (-len(each), each),
    )
    if not wanted:
        return None
    return re.compile("|".join(word_pattern(each, r"\s+").pattern for each in wanted), re.IGNORECASE)


def others_in(text: str, rule: SourceRule) -> list[str]:
    """Return the kinds that a source's rule keeps here and that a text still has."""
    return [kind for kind, pattern in _patterns(rule) if pattern.search(text)]


def _patterns(rule: SourceRule) -> list[tuple[str, re.Pattern[str]]]:
    wanted = (
        (rule.is_bare_of_quotes, "quote", _QUOTE),
        (rule.is_bare_of_accounts, "user", _ACCOUNT),
        (rule.is_bare_of_numbers, "number", _NUMBER),
    )
    return [(kind, pattern) for is_wanted, kind, pattern in wanted if is_wanted]


def rounded_amount(amount: str) -> str:
    """Return a sum with its first digit and its currency, `-20 AUD`; at least 1, and empty for what is no sum."""
    found = _AMOUNT.match(amount.strip())
    if not found:
        return ""
    sign, digits, currency = found.groups()
    cents = _CENTS.search(digits)
    whole = re.sub(r"[.,]", "", digits[: cents.start()] if cents else digits)
    if len(whole) > _DIGITS_MAX:
        return ""
    exact = Decimal(f"{whole or 0}.{cents[1] if cents else 0}")
    if not exact:
        return ""
    rounded = max(Decimal(1), Decimal(f"{exact:.0e}"))
    kept = f"{'-' if sign == '-' else ''}{rounded:f}{f' {currency}' if currency else ''}"
    return kept if len(kept) <= AMOUNT_CHARS_MAX else ""


def is_rounded(amount: str) -> bool:
    """Say whether a sum is as `rounded_amount` leaves it."""
    return _ROUNDED.match(amount) is not None


def went_out(amount: str) -> bool:
    """Say whether a sum as an export writes it was paid, not received."""
    return amount.lstrip().startswith("-")
