"""How a control site looks: its folders, the shape of its addresses and the frame of its pages, others on each site.

Rules: pure; everything follows from the site's key, and an address from the page's lot besides. Two sites seldom share
a folder, hardly ever a shape and a frame, so knowing one says little about the next.

Does not: write what the pages say. Their prose has one vocabulary and a few shapes of sentence on every site
(`canary_text`): somebody who has read enough of it can tell it from other prose, though not know what it says now.

Usage: `style = style_of(key)`; `name = style.page_name(key, lot)`; `style.framed(title, inner)`.

Source: docs/adr/0028-control-pages-that-stand-still.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Final


def listed(words: str) -> tuple[str, ...]:
    """Return the words of a line."""
    return tuple(words.split())


_PLACES: Final = listed(
    "notes posts journal articles letters pages entries archive stories texts log essays reports news"
)
_LISTS: Final = listed("shelf topics tags category sections themes series subjects about kinds index browse")
_ENDINGS: Final = ("", "", ".html", ".htm", ".php", "/")
_NAMES: Final = listed("Hollin Rydal Fenwick Orme Garth Nairn Quill Ivers Sedge Dale Marsh Lund Kirk Penn")
_SHAPES: Final = ("{slug}{sign}{number}", "{number}{sign}{slug}", "{number}/{slug}", "{slug}/{number}")
_FRAMES: Final = (
    "<article>\n<h1>{title}</h1>\n{inner}\n</article>",
    '<header><a href="/">{site}</a></header>\n<main>\n<h1>{title}</h1>\n{inner}\n</main>',
    '<div id="top">{site}</div>\n<div class="content">\n<h2>{title}</h2>\n{inner}\n</div>\n<footer>{site}</footer>',
    "<main><article>\n<header><h1>{title}</h1></header>\n{inner}\n</article></main>\n<footer><p>{site}</p></footer>",
    '<nav><a href="/">Home</a></nav>\n<section class="post">\n<h1>{title}</h1>\n<div>\n{inner}\n</div>\n</section>',
)
_NUMBER_DIGITS: Final = (5, 9)  # at least, at most

KINDS: Final = listed(
    "old narrow quiet wooden northern broken early steep shallow busy dusty green crooked stone distant warm empty new "
    "heavy small wide southern damp painted long bright late common private hidden"
)
THINGS: Final = listed(
    "meadow barn fence orchard mill hedge bridge ditch field harvest wagon well path gate stream market cottage ridge "
    "lantern shed paddock pasture ferry quarry workshop granary cellar terrace garden pond lane station harbour valley"
)
MADE: Final = listed(
    "made repaired measured painted counted opened crossed mapped cleared sold moved planted mended drained weighed "
    "sketched guarded rented visited surveyed rebuilt numbered closed lit swept shared named flooded walked traded "
    "described"
)


@dataclass(frozen=True, slots=True)
class PageName:
    """What a page is called: its path, its title and the path of the list it stands in."""

    path: str
    title: str
    listed_at: str


@dataclass(frozen=True, slots=True)
class SiteStyle:
    """What all pages of one site share."""

    site: str
    place: str
    lists: str
    shape: str
    sign: str
    digits: int
    ending: str
    frame: str

    def page_name(self, key: bytes, lot: str) -> PageName:
        """Return the name that follows from a page's lot: a title in words, and a number."""
        draw = keyed_numbers(key, "path", lot)
        words = [pick(draw, each) for each in (KINDS, THINGS, MADE, THINGS)]
        number = f"{next(draw) % 10**self.digits:0{self.digits}d}"
        slug = self.sign.join(words)
        tail = self.shape.format(slug=slug, sign=self.sign, number=number)
        listed_at = f"/{self.lists}/{words[0]}{self.ending}"
        return PageName(f"/{self.place}/{tail}{self.ending}", " ".join(words).capitalize(), listed_at)

    def framed(self, title: str, inner: str) -> str:
        """Return a page of the site around some HTML."""
        body = self.frame.format(title=escape(title), inner=inner, site=escape(self.site))
        return (
            f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
            f"<body>\n{body}\n</body>\n</html>\n"
        )


@lru_cache(maxsize=256)
def style_of(key: bytes) -> SiteStyle:
    """Return how the site of a key looks."""
    draw = keyed_numbers(key, "style")
    place, sign = pick(draw, _PLACES), pick(draw, ("-", "_"))
    least, most = _NUMBER_DIGITS
    return SiteStyle(
        site=f"{pick(draw, _NAMES)} {place}",
        place=place,
        lists=pick(draw, _LISTS),
        shape=pick(draw, _SHAPES),
        sign=sign,
        digits=least + next(draw) % (most - least + 1),
        ending=pick(draw, _ENDINGS),
        frame=pick(draw, _FRAMES),
    )


def pick(draw: Iterator[int], words: tuple[str, ...]) -> str:
    """Return the word that the next keyed number chooses."""
    return words[next(draw) % len(words)]


def keyed_numbers(key: bytes, *parts: str) -> Iterator[int]:
    """Yield as many numbers below 2^32 as asked for; they follow from key and parts."""
    block = 0
    while True:
        digest = hmac.digest(key, "/".join((*parts, str(block))).encode(), "sha256")
        for at in range(0, len(digest), 4):
            yield int.from_bytes(digest[at : at + 4], "big")
        block += 1
