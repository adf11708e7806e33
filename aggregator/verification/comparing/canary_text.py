"""The text of control pages: it follows from a key, a path and a minute, so that only a fetch made then can know it.

Rules: pure. The page is one plain article of made-up prose, of a length and shape that a small site's pages have; two
minutes of one path share no five words in a row but by chance.

Does not: say which pages there are or when they change (`canary_site`), serve, lease or judge (`canaries`).

Usage: `canary_page(key, path, minute)`; `similarity(text, canary_text(key, path, minute))`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from html import escape
from typing import Final

_SENTENCES: Final = (14, 26)  # at least, at most
_PARAGRAPH: Final = 4  # sentences
_DIGITS: Final = 9

_WORDS: Final = """
names Alder Birch Cedar Dale Elm Fenwick Garth Hollin Ivers Jarrow Kirk Lund Marsh Nairn Orme Penn Quill Rydal Sedge
things meadow barn fence orchard mill hedge bridge ditch field harvest wagon well path gate stream market cottage ridge
things lantern shed paddock pasture ferry quarry workshop granary cellar terrace garden pond lane station harbour valley
made repaired measured painted counted opened crossed mapped cleared sold moved planted mended drained weighed sketched
made guarded rented visited surveyed rebuilt numbered closed lit swept shared named flooded walked traded described
kinds old narrow quiet wooden northern broken early steep shallow busy dusty green crooked stone distant warm empty new
kinds heavy small wide southern damp painted long bright late common private hidden
times before_noon in_the_evening after_the_rain during_the_fair at_first_light last_week towards_autumn on_a_Tuesday
times without_much_talk for_the_second_time with_borrowed_tools by_the_light_of_one_lamp against_all_advice
times while_the_others_slept as_the_bells_rang until_the_frost_came
"""


def _listed(kind: str) -> tuple[str, ...]:
    lines = (line.split() for line in _WORDS.strip().splitlines())
    return tuple(word.replace("_", " ") for first, *rest in lines for word in rest if first == kind)


_NAMES, _THINGS, _MADE, _KINDS, _TIMES = map(_listed, ("names", "things", "made", "kinds", "times"))


def canary_path(key: bytes, lot: bytes) -> str:
    """Return the path that follows from a lot: a title in words and nine digits."""
    draw = keyed_numbers(key, "path", lot.hex())
    slug = "-".join(_pick(draw, words) for words in (_KINDS, _THINGS, _MADE, _THINGS))
    return f"/notes/{slug}-{next(draw) % 10**_DIGITS:0{_DIGITS}d}"


def title_of(path: str) -> str:
    """Return the title of the page at a path."""
    return path.rpartition("/")[2].rpartition("-")[0].replace("-", " ").capitalize()


def canary_text(key: bytes, path: str, minute: int) -> str:
    """Return the main text of a path in one minute (since 1970), its paragraphs parted by an empty line."""
    draw = keyed_numbers(key, path, str(minute))
    least, most = _SENTENCES
    sentences = [_sentence(draw) for _ in range(least + next(draw) % (most - least + 1))]
    return "\n\n".join(
        " ".join(sentences[at : at + _PARAGRAPH]) for at in range(0, len(sentences), _PARAGRAPH)
    )


def canary_page(key: bytes, path: str, minute: int) -> str:
    """Return the HTML page of a path in one minute."""
    paragraphs = "\n".join(f"<p>{escape(part)}</p>" for part in canary_text(key, path, minute).split("\n\n"))
    return html_page(title_of(path), paragraphs)


def html_page(title: str, inner: str) -> str:
    """Return a page of a control site around some HTML."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body>\n<article>\n<h1>{escape(title)}</h1>\n{inner}\n</article>\n</body>\n</html>\n"
    )


def _sentence(draw: Iterator[int]) -> str:
    who, what, where = _pick(draw, _NAMES), _pick(draw, _THINGS), _pick(draw, _THINGS)
    how, made, when = _pick(draw, _KINDS), _pick(draw, _MADE), _pick(draw, _TIMES)
    other, count = _pick(draw, _KINDS), 2 + next(draw) % 97
    shapes = (
        f"{when.capitalize()}, {who} {made} the {how} {what} behind the {other} {where}.",
        f"The {how} {what} near {who} was {made} {count} times {when}.",
        f"{who} and {count} neighbours {made} a {what} and a {other} {where} {when}.",
        f"Nobody in {who} had {made} the {how} {where} or its {other} {what} {when}.",
    )
    return shapes[next(draw) % len(shapes)]


def _pick(draw: Iterator[int], words: tuple[str, ...]) -> str:
    return words[next(draw) % len(words)]


def keyed_numbers(key: bytes, *parts: str) -> Iterator[int]:
    """Yield as many numbers below 2^32 as asked for; they follow from key and parts."""
    block = 0
    while True:
        digest = hmac.digest(key, "/".join((*parts, str(block))).encode(), "sha256")
        for at in range(0, len(digest), 4):
            yield int.from_bytes(digest[at : at + 4], "big")
        block += 1
