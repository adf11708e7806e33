"""The language of the pages: as the browser asks for it.

Rules: a sentence is named by its English words; what has no German ones is an error a test finds, not a gap on a page.
Consent is asked in the language the page is in, and the receipt says which.

Does not: translate what others say in words we do not know, such as a newer coordinator's reasons.

Usage: `say("de", "Nothing yet.")`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from contributor_node.dashboard.german import OTHER_PAGES
from contributor_node.dashboard.give_german import COUNTED, GIVE_PAGES, MONTHS
from contributor_node.dashboard.money_german import LEDGER, MONEY_PAGE
from contributor_node.dashboard.wording import Unit, bytes_text, counted, day_text, moment_text, month_text

Language = Literal["en", "de"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "de")
GERMAN: Final = GIVE_PAGES | OTHER_PAGES | MONEY_PAGE | LEDGER


def language_of(accepted: str) -> Language:
    """Return which of our languages a browser likes best, by its `Accept-Language`; English when it names neither."""
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted.split(",")[:32]:
        tag, _, weight = part.partition(";")
        name = tag.strip().lower().split("-")[0]
        for known in LANGUAGES:
            if name == known and _weight(weight) > best[0]:
                best = (_weight(weight), known)
    return best[1]


def _weight(text: str) -> float:
    value = text.strip().removeprefix("q=")
    try:
        return float(value) if value else 1.0
    except ValueError:
        return 0.0


def say(language: Language, english: str) -> str:
    """Return a sentence of these pages. Raises KeyError for one without German words."""
    return GERMAN[english] if language == "de" else english


def say_known(language: Language, english: str) -> str:
    """Return a sentence that came from elsewhere, in German where it is known."""
    return GERMAN.get(english, english) if language == "de" else english


def number(language: Language, count: int) -> str:
    """Return a number with the language's mark between thousands."""
    return f"{count:,}".replace(",", "." if language == "de" else ",")


def count_of(language: Language, count: int, one: str, many: str = "") -> str:
    """Return a number with its noun. Raises KeyError for a noun without a German one."""
    if language == "en":
        return counted(count, one, many)
    return f"{number('de', count)} {COUNTED[one][count != 1]}"


def moment(language: Language, at_ms: int) -> str:
    """Return a date and time of this machine."""
    if language == "en":
        return moment_text(at_ms)
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
    return f"{local.day}. {MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"


def size(language: Language, count: int) -> str:
    """Return a size in SI units with the language's decimal mark."""
    text = bytes_text(count)
    return text.replace(".", ",") if language == "de" else text


def amount(language: Language, text: str) -> str:
    """Return an amount that was written in English with the language's marks."""
    if language == "en":
        return text
    return text.replace("less than", "weniger als").translate(str.maketrans(",.", ".,"))


def unit_name(language: Language, unit: Unit) -> str:
    """Return what stands behind an amount; where decimals are not known, that these are not whole tokens."""
    if unit.decimals is not None:
        return unit.symbol
    return say(language, "of the smallest unit of {asset}").format(asset=unit.symbol)


def exact(language: Language, unit: Unit, units: int) -> str:
    """Return an exact amount with the asset's name."""
    return f"{amount(language, unit.bare(units))} {unit_name(language, unit)}"


def day(language: Language, day: int) -> str:
    """Return a day counted from 1970-01-01, without its year."""
    if language == "en":
        return day_text(day)
    then = datetime.fromtimestamp(day * 86_400, UTC)
    return f"{then.day}.{then.month}."


def month(language: Language, at_ms: int) -> str:
    """Return a month in UTC."""
    if language == "en":
        return month_text(at_ms)
    then = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{MONTHS[then.month - 1]} {then.year}"
