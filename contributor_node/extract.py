"""From a page's bytes to its title and main text.

Rules: bytes become text by byte-order mark, then the declared charset, then the page's own declaration, then a
guess. The blocks that two learnt scores call main text are taken (`block_scores`); of a page that has text something
is always kept. Plain text and Markdown pass as they are. Everything is bounded by `TEXT_BYTES_MAX` and
`TITLE_CHARS_MAX`, cut at a line's end so that two nodes cut alike. Runs in the crawl child only: parsing
strangers' HTML is what may crash.

Does not: normalise the text for its digest (`windrow_protocol.content`), judge quality, or read opt-out signals.

Usage::

    found = extract(body, "text/html; charset=utf-8")
    found.title, found.text, found.needs_browser
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from lxml import etree
from resiliparse.parse.encoding import detect_encoding
from w3lib.encoding import html_to_unicode

from contributor_node.block_scores import weights_digest
from contributor_node.main_text import main_text
from contributor_node.page_blocks import blocks_of
from contributor_node.page_facts import facts_of
from windrow_protocol.limits import TEXT_BYTES_MAX, TITLE_CHARS_MAX

EXTRACTOR_VERSION = f"windrow-2-{weights_digest()}/libxml2-{'.'.join(map(str, etree.LIBXML_VERSION))}"
SHELL_CHARS_MAX = 400
EMPTY_MARKUP_CHARS_MIN = 1_000

_HTML_TYPES = frozenset(["text/html", "application/xhtml+xml"])
_PASSED_TYPES = frozenset(["text/plain", "text/markdown", "text/x-markdown", "text/x-rst", "text/asciidoc"])
_SHELL_MARKS = re.compile(
    r"""<(?:app-root|div[^>]{0,200}\bid\s*=\s*["']?(?:root|app|__next|___gatsby|main-app|q-app)\b)"""
    r"""|<noscript[^>]{0,200}>[^<]{0,400}(?:<[a-z0-9]+[^<>]{0,200}>[^<]{0,400}){0,6}\bjavascript\b""",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)


class Extracted(NamedTuple):
    """What a page says. `needs_browser` hints that only a browser would show its text; `date` is YYYY-MM-DD."""

    title: str
    text: str
    markup: str
    needs_browser: bool = False
    author: str = ""
    date: str = ""
    language: str = ""


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


def extract(body: bytes, content_type: str) -> Extracted:
    """Return title and text; both are empty for a type that holds no text. `markup` is the decoded page."""
    if not is_text(content_type, body):
        return Extracted("", "", "")
    markup = decoded(body, content_type)
    if media_type(content_type) in _PASSED_TYPES:
        return Extracted(_first_line(markup), bounded(markup), markup)
    return extract_markup(markup)


def decoded(body: bytes, content_type: str) -> str:
    """Return a body as text: byte-order mark, declared charset, the page's own declaration, then a guess."""
    _, markup = html_to_unicode(
        content_type,
        body,
        auto_detect_fun=lambda data: detect_encoding(data[:100_000]),
        default_encoding="utf8",
    )
    return str(markup)


def extract_markup(markup: str) -> Extracted:
    """Return title, text and what the page declares of itself, of decoded HTML such as a browser has rendered."""
    root = parsed(markup)
    if root is None:
        return Extracted("", "", markup, _is_shell(markup, ""))
    facts = facts_of(root, markup)
    text = main_text(blocks_of(root), facts.kind)
    return Extracted(
        facts.title, bounded(text), markup, _is_shell(markup, text), facts.author, facts.date, facts.language
    )


def parsed(markup: str) -> Any:
    """Return the root element of a page, or None where there is no element in it."""
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False, no_network=True
    )
    try:
        return etree.fromstring(markup.replace("\0", "").encode("utf-8", "replace"), parser)
    except etree.LxmlError:
        return None


def bounded(text: str) -> str:
    """Cut a text to `TEXT_BYTES_MAX` bytes of UTF-8 at the end of a line (or of a character in one endless line)."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= TEXT_BYTES_MAX:
        return encoded.decode("utf-8")
    cut = encoded[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
    end = cut.rfind("\n")
    return cut[:end] if end > len(cut) // 2 else cut


def _is_shell(markup: str, text: str) -> bool:
    chars = len(text.strip())
    if chars > SHELL_CHARS_MAX:
        return False
    if chars == 0 and len(markup) > EMPTY_MARKUP_CHARS_MIN:
        return True  # much markup and not a word
    return bool(_SHELL_MARKS.search(markup)) or (chars < 80 and len(_SCRIPT.findall(markup)) >= 2)


def _first_line(text: str) -> str:
    for line in text[:10_000].splitlines():
        if line.strip():
            return " ".join(line.strip().lstrip("#").split())[:TITLE_CHARS_MAX]
    return ""
