"""Whether only a browser would show what a page is about.

Rules, the first that holds decides: next to no text (a root element of an application, a plea for JavaScript, scripts
and hardly a word); little text that does not say what the title says; little text where scripts are most of a large
page; little text in a large page of an application framework. The cheap tests come first: the whole visible text is
only asked for where they leave a doubt. Everything is linear in the page.

Does not: render, or decide whether the node may.

Usage::

    needs_browser(markup, title, text, lambda: whole_text_of(tree))
"""

from __future__ import annotations

import re
from collections.abc import Callable

SHELL_CHARS_MAX = 400
EMPTY_MARKUP_CHARS_MIN = 1_000
TITLED_CHARS_MAX = 2_000
TITLED_MARKUP_TIMES_MIN = 5
TITLE_WORDS_MIN = 3
HEAVY_SHARE_MIN = 0.7
HEAVY_MARKUP_TIMES_MIN = 300
FRAMED_CHARS_MAX = 4_000
FRAMED_MARKUP_TIMES_MIN = 45

_SHELL_MARKS = re.compile(
    r"""<(?:app-root|div[^>]{0,200}\bid\s*=\s*["']?(?:root|app|__next|___gatsby|main-app|q-app)\b)"""
    r"""|<noscript[^>]{0,200}>[^<]{0,400}(?:<[a-z0-9]+[^<>]{0,200}>[^<]{0,400}){0,6}\bjavascript\b""",
    re.IGNORECASE,
)
_FRAMEWORK = re.compile(r"""id=["']?(?:__next|__nuxt|___gatsby)\b|__(?:INITIAL|PRELOADED|APOLLO)_STATE__""")
_FRAMEWORK_WORDS = ("__next", "__nuxt", "___gatsby", "_STATE__")  # one of them is in all that it finds
_DECLARED_TITLE = re.compile(
    r"""<meta\s[^<>]{0,60}\bproperty=["']?og:title["']?\s[^<>]{0,60}?\bcontent=["']([^"'<>]{0,512})"""
)
_TITLE_WORD = re.compile(r"[^\W\d_]{4,}")
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)


def needs_browser(markup: str, title: str, text: str, whole: Callable[[], str]) -> bool:
    """Return whether a page is a shell. `text` is its main text, `whole` returns its whole visible text."""
    chars = len(text.strip())
    return (
        _is_empty(markup, chars)
        or (chars < TITLED_CHARS_MAX and _says_another_thing(markup, title, text, whole))
        or _is_mostly_script(markup, chars, whole)
        or _is_framework(markup, chars, whole)
    )


def _is_empty(markup: str, chars: int) -> bool:
    if chars > SHELL_CHARS_MAX:
        return False
    if chars == 0 and len(markup) > EMPTY_MARKUP_CHARS_MIN:
        return True  # much markup and not a word
    return bool(_SHELL_MARKS.search(markup)) or (chars < 80 and len(_SCRIPT.findall(markup)) >= 2)


def _says_another_thing(markup: str, title: str, text: str, whole: Callable[[], str]) -> bool:
    """Whether most of the title's words stand nowhere in the little text there is: a frame without its content."""
    if len(markup) <= max(EMPTY_MARKUP_CHARS_MIN, TITLED_MARKUP_TIMES_MIN * len(text)):
        return False
    declared = _DECLARED_TITLE.search(markup, 0, 50_000)
    said = _TITLE_WORD.findall((declared[1] if declared else title).lower())
    if len(said) < TITLE_WORDS_MIN or _share_in(text, said) >= 0.5:
        return False
    shown = whole()
    if len(shown) >= TITLED_CHARS_MAX or len(markup) <= TITLED_MARKUP_TIMES_MIN * len(shown):
        return False
    return _share_in(f"{text}\n{shown}", said) < 0.5


def _share_in(text: str, said: list[str]) -> float:
    folded = text.lower()
    return sum(word in folded for word in said) / len(said)


def _is_mostly_script(markup: str, chars: int, whole: Callable[[], str]) -> bool:
    if len(markup) <= HEAVY_MARKUP_TIMES_MIN * chars or len(markup) <= EMPTY_MARKUP_CHARS_MIN:
        return False
    heavy = _script_chars(markup) > HEAVY_SHARE_MIN * len(markup)
    return heavy and len(markup) > HEAVY_MARKUP_TIMES_MIN * len(whole())


def _is_framework(markup: str, chars: int, whole: Callable[[], str]) -> bool:
    if chars >= FRAMED_CHARS_MAX or len(markup) <= max(
        FRAMED_MARKUP_TIMES_MIN * chars, EMPTY_MARKUP_CHARS_MIN
    ):
        return False
    if not any(word in markup for word in _FRAMEWORK_WORDS) or not _FRAMEWORK.search(markup):
        return False
    shown = len(whole())
    return shown < FRAMED_CHARS_MAX and len(markup) > FRAMED_MARKUP_TIMES_MIN * shown


def _script_chars(markup: str) -> int:
    """How many characters stand in script elements."""
    total = place = 0
    while (begin := markup.find("<script", place)) >= 0:
        place = markup.find("</script", begin)
        if place < 0:
            return total + len(markup) - begin
        total += place - begin
    return total
