"""From a page's bytes to its title and main text.

Rules: bytes become text by byte-order mark, then the declared charset, then the page's own declaration, then a
guess. Main text of an article is what is left without the parts that `part_score` finds to be none of it; of other
pages it is resiliparse's main content. Where that leaves next to nothing of a page that has text, the whole visible
text is taken. Plain text and Markdown pass as they are. Everything is bounded by `TEXT_BYTES_MAX` and
`TITLE_CHARS_MAX`, cut at a line's end so that two nodes cut alike. Runs in the crawl child only: parsing strangers'
HTML is what may crash.

Does not: normalise the text for its digest (`windrow_protocol.content`), judge quality, or read opt-out signals.

Usage::

    found = extract(body, "text/html; charset=utf-8")
    found.title, found.text, found.needs_browser, found.authors, found.published
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree
from w3lib.encoding import html_to_unicode

from contributor_node.extraction.page_facts import page_facts
from contributor_node.extraction.page_kind import is_article, is_discussion
from contributor_node.extraction.page_shell import needs_browser
from contributor_node.extraction.part_score import without_parts
from windrow_protocol.content import EXTRACTOR
from windrow_protocol.limits import TEXT_BYTES_MAX, TITLE_CHARS_MAX

EXTRACTOR_VERSION = f"{EXTRACTOR}resiliparse-{version('resiliparse')}"
MAIN_CHARS_MIN = 250
MAIN_SHARE_MIN = 0.15
NESTING_MAX = 250

_HTML_TYPES = frozenset(["text/html", "application/xhtml+xml"])
_PASSED_TYPES = frozenset(["text/plain", "text/markdown", "text/x-markdown", "text/x-rst", "text/asciidoc"])
_NEVER_MAIN = "script, style, noscript, template, svg, iframe, select, textarea, nav"
_DEEPER = " > ".join("*" * (NESTING_MAX + 3))  # html, body, and one element more than may nest


class Extracted(NamedTuple):
    """What a page says, and says of itself. `needs_browser` hints that only a browser would show its text."""

    title: str
    text: str
    markup: str
    needs_browser: bool = False
    authors: tuple[str, ...] = ()
    published: str = ""


def media_type(content_type: str) -> str:
    """Return the type of a Content-Type field, lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_text(content_type: str, body: bytes) -> bool:
    """Whether text can be taken from a body of this type; an undeclared type counts when it looks like HTML."""
    kind = media_type(content_type)
    if not kind:
        return body[:1024].lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
    return kind in _HTML_TYPES or kind in _PASSED_TYPES


def is_html(content_type: str) -> bool:
    """Whether a browser would render this type as a page."""
    return media_type(content_type) in _HTML_TYPES


def extract(body: bytes, content_type: str, url: str = "") -> Extracted:
    """Return title and text; both are empty for a type that holds no text. `markup` is the decoded page.

    Of `url` only a day is read that its path may name.
    """
    if not is_text(content_type, body):
        return Extracted("", "", "")
    markup = decoded(body, content_type)
    if media_type(content_type) in _PASSED_TYPES:
        return Extracted(_first_line(markup), bounded(markup), markup)
    return extract_markup(markup, url)


def decoded(body: bytes, content_type: str) -> str:
    """Return a body as text: byte-order mark, declared charset, the page's own declaration, then a guess."""
    _, markup = html_to_unicode(
        content_type,
        body,
        auto_detect_fun=lambda data: detect_encoding(data[:100_000]),
        default_encoding="utf8",
    )
    return str(markup)


def extract_markup(markup: str, url: str = "") -> Extracted:
    """Return title and text of decoded HTML, such as what a browser has rendered."""
    tree = HTMLTree.parse(markup)
    facts = page_facts(tree, url)
    title = " ".join((tree.title or "").split())[:TITLE_CHARS_MAX]
    main = _cut(tree) if is_article(markup) and not is_discussion(markup) else _main_content(tree)
    text = main

    @cache
    def whole() -> str:
        return _visible(HTMLTree.parse(markup))  # main content has taken parts out of the tree

    if len(main) < MAIN_CHARS_MIN and (len(main) < MAIN_SHARE_MIN * len(whole()) or not main.strip()):
        text = whole()
    asks = needs_browser(markup, title, text, whole)
    return Extracted(facts.title, bounded(text.strip()), markup, asks, facts.authors, facts.published)


def bounded(text: str) -> str:
    """Cut a text to `TEXT_BYTES_MAX` bytes of UTF-8 at the end of a line (or of a character in one endless line)."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= TEXT_BYTES_MAX:
        return encoded.decode("utf-8")
    cut = encoded[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
    end = cut.rfind("\n")
    return cut[:end] if end > len(cut) // 2 else cut


def _main_content(tree: HTMLTree) -> str:
    """Return resiliparse's main content; what looks like comments may be the page."""
    if too_deep(tree):
        return ""
    return str(
        extract_plain_text(tree, main_content=True, comments=True, alt_texts=False, preserve_formatting=True)
    )


def _cut(tree: HTMLTree) -> str:
    """Return what is left of an article without the parts that are no main content; `tree` itself is used up."""
    return _visible(HTMLTree.parse(without_parts(written_out(tree))))


def written_out(tree: HTMLTree) -> str:
    """Take what is never main content out of a tree and return the markup of its body, empty without one."""
    if tree.body is None:
        return ""
    for element in tree.body.query_selector_all(_NEVER_MAIN).values():
        element.decompose()
    return str(tree.body.html)


def _visible(tree: HTMLTree) -> str:
    return str(extract_plain_text(tree, main_content=False, alt_texts=False, preserve_formatting=True))


def too_deep(tree: HTMLTree) -> bool:
    """Whether elements nest more than `NESTING_MAX` deep; finding main content takes time in the square of the depth.

    Asked of the tree, not of the markup: end tags of nothing would make a count of tags too low.
    """
    if tree.body is None or len(tree.body.get_elements_by_tag_name("*")) <= NESTING_MAX:
        return False
    return tree.body.query_selector(_DEEPER) is not None


def _first_line(text: str) -> str:
    for line in text[:10_000].splitlines():
        if line.strip():
            return " ".join(line.strip().lstrip("#").split())[:TITLE_CHARS_MAX]
    return ""
