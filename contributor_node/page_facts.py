"""What a page says of itself: title, author, date, language and what kind of page it is.

Rules: only the page's own declarations (meta elements, schema.org data, `time`, `html lang`) are read, in a fixed
order; the first that holds a usable value wins, and none is guessed from running text. Everything is bounded.

Does not: identify the language of the text (the aggregator does), or trust any of it.

Usage::

    facts = facts_of(root, markup)
    facts.title, facts.author, facts.date, facts.language, facts.kind
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from windrow_protocol.limits import TITLE_CHARS_MAX

AUTHOR_CHARS_MAX = 160
_SCRIPT_CHARS_MAX = 200_000
_META_MAX = 400
_TYPE = re.compile(r'"@type"\s{0,9}:\s{0,9}\[?\s{0,9}"(\w{1,60})"')
_JSON_DATE = re.compile(r'"datePublished"\s{0,9}:\s{0,9}"([^"]{8,40})"')
_JSON_AUTHOR = re.compile(
    r'"author"\s{0,9}:\s{0,9}\[?\s{0,9}\{[^{}]{0,300}?"name"\s{0,9}:\s{0,9}"([^"\\]{2,160})"'
)
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])(?!\d)")
_LANGUAGE = re.compile(r"^[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*$", re.IGNORECASE)
_TITLES = ("og:title", "twitter:title", "dc.title", "dcterms.title")
_AUTHORS = (
    "author",
    "article:author_name",
    "dc.creator",
    "dcterms.creator",
    "parsely-author",
    "sailthru.author",
)
_DATES = (
    *(
        "article:published_time",
        "og:article:published_time",
        "datepublished",
        "date",
        "dc.date",
        "dc.date.issued",
    ),
    *("dcterms.date", "dcterms.created", "parsely-pub-date", "pubdate", "sailthru.date", "publish-date"),
)
FORUM, PRODUCT, ARTICLE, DOCUMENTATION, LISTING = 1, 2, 3, 4, 5
_SCHEMA_KINDS = (
    (FORUM, frozenset(["DiscussionForumPosting", "QAPage", "Question"])),
    (PRODUCT, frozenset(["Product", "ProductGroup"])),
    (ARTICLE, frozenset(["Article", "NewsArticle", "BlogPosting", "TechArticle", "Report"])),
    (LISTING, frozenset(["ItemList", "CollectionPage"])),
)
_FORUM_SOFTWARE = ("discourse", "phpbb", "vbulletin", "xenforo", "viewtopic", "showthread")
_BOOK_SOFTWARE = ("docusaurus", "sphinx", "mkdocs", "readthedocs", "gitbook", "javadoc", "doxygen")


class Facts(NamedTuple):
    """What was found; "" where nothing was. `date` is YYYY-MM-DD, `kind` 0 for a page that does not say."""

    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    kind: int = 0


def facts_of(root: Any, markup: str) -> Facts:
    """Return what a parsed page (an lxml element) declares; `markup` is the same page as text."""
    metas = _metas(root)
    data = _schema_data(root)
    title = _first(metas, _TITLES) or _line(next((e.text or "" for e in root.iter("title")), ""))
    author = _first(metas, _AUTHORS) or _line(found[1] if (found := _JSON_AUTHOR.search(data)) else "")
    if author.startswith(("http:", "https:")):
        author = ""
    language = (
        root.get("lang")
        or root.get("{http://www.w3.org/XML/1998/namespace}lang")
        or metas.get("og:locale", "")
    )
    return Facts(
        title[:TITLE_CHARS_MAX],
        author[:AUTHOR_CHARS_MAX],
        _date(metas, data, root),
        language.strip().replace("_", "-").lower() if _LANGUAGE.match(language.strip()) else "",
        _kind(metas, data, markup),
    )


def _metas(root: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for count, element in enumerate(root.iter("meta")):
        if count >= _META_MAX:
            break
        value = element.get("content")
        if not value:
            continue
        for attribute in ("property", "name", "itemprop"):
            for name in (element.get(attribute) or "").lower().split()[:4]:
                found.setdefault(name, value)
    return found


def _schema_data(root: Any) -> str:
    parts, left = [], _SCRIPT_CHARS_MAX
    for element in root.iter("script"):
        if left > 0 and (element.get("type") or "").strip().lower() == "application/ld+json":
            part = (element.text or "")[:left]
            parts.append(part)
            left -= len(part)
    return "\n".join(parts)


def _first(metas: dict[str, str], names: tuple[str, ...]) -> str:
    return next((line for name in names if (line := _line(metas.get(name, "")))), "")


def _line(text: str) -> str:
    return " ".join(text[: 4 * TITLE_CHARS_MAX].split())


def _date(metas: dict[str, str], data: str, root: Any) -> str:
    written = [metas.get(name, "") for name in _DATES]
    written += [found[1] for found in [_JSON_DATE.search(data)] if found]
    for text in written:
        if day := _day(text):
            return day
    for element in root.iter("time"):
        if day := _day(element.get("datetime") or ""):
            return day
    return ""


def _day(text: str) -> str:
    found = _DATE.search(text[:60])
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else ""


def _kind(metas: dict[str, str], data: str, markup: str) -> int:
    types = set(_TYPE.findall(data))
    head = markup[:20_000].lower()
    if types & _SCHEMA_KINDS[0][1] or any(name in head for name in _FORUM_SOFTWARE):
        return FORUM
    declared = metas.get("og:type", "").lower()
    for kind, names in _SCHEMA_KINDS[1:3]:
        if types & names:
            return kind
    if declared.startswith("product"):
        return PRODUCT
    if declared == "article":
        return ARTICLE
    if any(name in head for name in _BOOK_SOFTWARE):
        return DOCUMENTATION
    return LISTING if types & _SCHEMA_KINDS[3][1] else 0
