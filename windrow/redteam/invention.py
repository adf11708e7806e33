"""Invented text, as cheats make it: random words, and fluent filler about the words of an address.

Rules: what is invented follows from the chance it is given. Does not: fetch. Usage: `fluent_text(url, Random(1))`.
"""

from __future__ import annotations

import random
import re
from typing import Final

_SYLLABLES: Final = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ro",
    "su",
    "ta",
    "vi",
)
_PATTERNS: Final = (
    "Many {people} find that {topic} brings {good} to {field} when it is applied with {good}.",
    "A closer look at {topic} shows how {people} in {field} balance {good} against {good}.",
    "It is often said that {topic} and {field} belong together, yet {people} rarely explain why.",
    "With {topic}, {people} gain {good}, which in turn gives {field} the {good} it needs.",
    "There are {number} common ways to bring {topic} into {field}, and each rewards {good}.",
    "Since {topic} was introduced, {people} have reported {number} percent more {good}.",
    "No account of {field} would be complete without {topic}, as {number} studies confirm.",
)
_PEOPLE: Final = ("developers", "readers", "editors", "teams", "researchers", "maintainers", "students")
_GOODS: Final = ("clarity", "speed", "trust", "structure", "flexibility", "insight", "care", "precision")
_FIELDS: Final = (
    "modern software",
    "daily practice",
    "open data",
    "education",
    "system design",
    "publishing",
)


def noise(chance: random.Random, words: int) -> str:
    """Return random words."""
    return " ".join("".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(words))


def fluent_text(url: str, chance: random.Random, words: int = 260) -> str:
    """Return about so many words of plausible sentences on what the address seems to be about."""
    topics = re.findall(r"[a-z]{3,}|\d+", url.rsplit("//", 1)[-1].lower()) or ["the subject"]
    sentences: list[str] = []
    count = 0
    while count < words:
        pattern = chance.choice(_PATTERNS)
        while "{good}" in pattern:
            pattern = pattern.replace("{good}", chance.choice(_GOODS), 1)
        sentence = pattern.format(
            people=chance.choice(_PEOPLE),
            topic=chance.choice(topics),
            field=chance.choice(_FIELDS),
            number=chance.randint(2, 97),
        )
        sentences.append(sentence)
        count += len(sentence.split())
    return " ".join(sentences)
