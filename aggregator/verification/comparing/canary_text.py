"""The text of control pages: it follows from a key, a path and a minute, so that only a fetch made then can know it.

Rules: pure. The page is one plain article of made-up prose, of a length and shape that a small site's pages have; two
minutes of one path share no five words in a row but by chance.

Does not: say how pages look (`canary_style`), which there are or when they change (`canary_site`), serve, lease or
judge (`canaries`).

Usage: `similarity(text, canary_text(key, path, minute))`; `html_paragraphs(text)` between the tags of a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from aggregator.verification.comparing.canary_style import KINDS, MADE, THINGS, keyed_numbers, listed, pick

_SENTENCES: Final = (14, 26)  # at least, at most
_PARAGRAPH: Final = 4  # sentences
CONTROL_TEXT_CHARS_MAX: Final = 10_000  # more than three times the longest: what is longer cannot match

_NAMES: Final = listed(
    "Alder Birch Cedar Dale Elm Fenwick Garth Hollin Ivers Jarrow Kirk Lund Marsh Nairn Orme Penn Quill Rydal Sedge"
)
_TIMES: Final = (
    "before noon",
    "in the evening",
    "after the rain",
    "during the fair",
    "at first light",
    "last week",
    "towards autumn",
    "on a Tuesday",
    "without much talk",
    "for the second time",
    "with borrowed tools",
    "by the light of one lamp",
    "against all advice",
    "while the others slept",
    "as the bells rang",
    "until the frost came",
)


def canary_text(key: bytes, path: str, minute: int) -> str:
    """Return the main text of a path in one minute (since 1970), its paragraphs parted by an empty line."""
    draw = keyed_numbers(key, path, str(minute))
    least, most = _SENTENCES
    sentences = [_sentence(draw) for _ in range(least + next(draw) % (most - least + 1))]
    return "\n\n".join(
        " ".join(sentences[at : at + _PARAGRAPH]) for at in range(0, len(sentences), _PARAGRAPH)
    )


def html_paragraphs(text: str) -> str:
    """Return a text as HTML paragraphs."""
    return "\n".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))


def _sentence(draw: Iterator[int]) -> str:
    who, what, where = pick(draw, _NAMES), pick(draw, THINGS), pick(draw, THINGS)
    how, made, when = pick(draw, KINDS), pick(draw, MADE), pick(draw, _TIMES)
    other, count = pick(draw, KINDS), 2 + next(draw) % 97
    shapes = (
        f"{when.capitalize()}, {who} {made} the {how} {what} behind the {other} {where}.",
        f"The {how} {what} near {who} was {made} {count} times {when}.",
        f"{who} and {count} neighbours {made} a {what} and a {other} {where} {when}.",
        f"Nobody in {who} had {made} the {how} {where} or its {other} {what} {when}.",
    )
    return shapes[next(draw) % len(shapes)]
