"""What a page says of itself: its title, its authors, the day it was published.

Rules: looked for in JSON-LD, then meta elements, then marked elements (`itemprop`, `rel=author`, `time`); the day also
in the address, in scripts, in elements named for dates, and in the first lines below the heading. A title loses the
name of its site where a heading of the page, or the page itself, says which part that is. Addresses are no authors'
names, and days before 1990 none. Every search is bounded, and a value is cut at its limit.

Does not: decide what is true (the page says it), ask a clock, or find the main text.

Usage::

    facts = page_facts(tree, "https://example.org/2024/05/17/hay")
    facts.title, facts.authors, facts.published     # "Hay", ("A. Mower",), "2024-05-17"

Source: schema.org, Open Graph, Dublin Core, HTML (WHATWG).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from resiliparse.parse.html import ElementNode, HTMLTree

from contributor_node.extraction.page_days import day_in
from windrow_protocol.limits import AUTHOR_CHARS_MAX, AUTHORS_MAX, TITLE_CHARS_MAX

_LINKED_DATA_CHARS_MAX: Final = 200_000
_LINKED_NODES_MAX: Final = 500
_ELEMENTS_MAX: Final = 20
_WORKS: Final = re.compile(
    r"(Article|Posting|Report|Page|Recipe|Review|Course|Book|Dataset|CreativeWork|HowTo|Event)$"
)
# fmt: off
_DAY_NAMES: Final = (
    "article:published_time", "og:published_time", "article.published", "article_date_original", "datepublished",
    "date", "dc.date", "dc.date.issued", "dc.date.created", "dcterms.date", "dcterms.created", "dcterms.issued",
    "pubdate", "publishdate", "publish-date", "publish_date", "publication_date", "published-date",
    "citation_publication_date", "citation_date", "parsely-pub-date", "sailthru.date", "cxenseparse:recs:publishtime",
    "shareaholic:article_published_time",
)
_AUTHOR_NAMES: Final = (
    "author", "article:author", "dc.creator", "dcterms.creator", "dc.creator.personalname", "citation_author",
    "parsely-author", "sailthru.author", "byl", "byline", "cxenseparse:author", "shareaholic:article_author_name",
)
# fmt: on
_TITLE_NAMES: Final = [
    "og:title",
    "twitter:title",
    "dc.title",
    "dcterms.title",
    "citation_title",
    "parsely-title",
]
_BETWEEN_SIGNS: Final = " |-–—·•»«:/"
_BETWEEN: Final = re.compile(r"\s+[|\-–—·•»«:/]+\s+|\s*[|»«]\s*|:\s+")
_HEADING_CHARS_MIN: Final = 15
_DAY_IN_PATH: Final = re.compile(
    r"/(?:[^/]*?[-_])?((?:19|20)\d\d)[/_-]?(0[1-9]|1[0-2])[/_-]?(0[1-9]|[12]\d|3[01])(?!\d)"
)
_NO_NAME: Final = re.compile(
    r"https?:|www\.|@|[<>{}\[\]|]|^\W*$"
    r"|^(admin|administrator|editor|staff|redaktion|author|null|undefined|unknown)$",
    re.I,
)


class PageFacts(NamedTuple):
    """`published` is an ISO 8601 day; empty where the page does not say."""

    title: str
    authors: tuple[str, ...]
    published: str


def page_facts(tree: HTMLTree, url: str) -> PageFacts:
    """Return what a parsed page says of itself; the tree stays as it is. Raises nothing for any page."""
    head = _head_of(tree)
    metas, works = _metas(head["meta"]), list(_works(head["script"]))
    headings = {_line(each.text or "") for each in head["h1"][:_ELEMENTS_MAX]}
    return PageFacts(
        next(_titles(tree.title or "", metas, works, headings), ""),
        next(_authors(tree, metas, works), ()),
        next((day for said in _days(tree, metas, works, url, head["script"]) if (day := day_in(said))), ""),
    )


def _head_of(tree: HTMLTree) -> dict[str, list[ElementNode]]:
    """Return the elements that most is read from, in one walk over the page."""
    found: dict[str, list[ElementNode]] = {"meta": [], "script": [], "h1": []}
    for each in _all(tree, "meta, script:not([src]), h1"):
        found[each.tag or ""].append(each)
    return found


def _metas(elements: list[ElementNode]) -> dict[str, list[str]]:
    """Return what meta elements say, by name in lower case."""
    found: dict[str, list[str]] = {}
    for meta in elements:
        name = meta.getattr("property") or meta.getattr("name") or meta.getattr("itemprop")
        said = (meta.getattr("content") or "").strip()
        if name and said:
            found.setdefault(name.lower(), []).append(said)
    return found


def _said(metas: dict[str, list[str]], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from metas.get(name, ())[:_ELEMENTS_MAX]


def _works(scripts: list[ElementNode]) -> Iterator[dict[str, Any]]:
    """Yield the descriptions of a written work in a page's JSON-LD."""
    linked = [
        each for each in scripts if (each.getattr("type") or "").strip().lower() == "application/ld+json"
    ]
    for script in linked[:_ELEMENTS_MAX]:
        text = (script.text or "").strip()
        if not text or len(text) > _LINKED_DATA_CHARS_MAX:
            continue
        try:
            said = msgspec.json.decode(text.encode("utf-8", "replace"))
        except (msgspec.DecodeError, RecursionError):
            continue
        open_nodes = [said]
        for _ in range(_LINKED_NODES_MAX):
            if not open_nodes:
                break
            node = open_nodes.pop(0)
            if isinstance(node, list):
                open_nodes.extend(node[:_LINKED_NODES_MAX])
            elif isinstance(node, dict):
                open_nodes.extend(
                    node[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if key in node
                )
                if any(_WORKS.search(kind) for kind in _texts(node.get("@type"))):
                    yield node


def _texts(said: Any) -> list[str]:
    return [each for each in (said if isinstance(said, list) else [said]) if isinstance(each, str)]


# --- title ------------------------------------------------------------------------------------------------------


def _titles(
    own: str, metas: dict[str, list[str]], works: list[dict[str, Any]], headings: set[str]
) -> Iterator[str]:
    said = [*_said(metas, _TITLE_NAMES), *(each for work in works for each in _texts(work.get("headline")))]
    names = {_line(each).casefold() for each in metas.get("og:site_name", ())}
    for each in [*said, own]:
        if line := _line(each):
            yield _without_site(line, headings, names)[:TITLE_CHARS_MAX]


def _without_site(title: str, headings: set[str], names: set[str]) -> str:
    """Return the part of a title that is a heading of the page, or all of it but the name of the site at its end."""
    same = {heading.casefold(): heading for heading in headings if heading}
    parts = _BETWEEN.split(title)
    for part in (title, *parts):
        if part.casefold() in same:
            return same[part.casefold()]
    for heading in same.values():
        if len(heading) >= _HEADING_CHARS_MIN and title.casefold().startswith(heading.casefold()):
            return heading
    if len(parts) > 1 and parts[-1].casefold() in names:
        return title[: title.rindex(parts[-1])].rstrip(_BETWEEN_SIGNS)
    return title


def _line(text: str) -> str:
    return " ".join(html.unescape(text[: 4 * TITLE_CHARS_MAX]).split())


# --- authors ----------------------------------------------------------------------------------------------------


def _authors(
    tree: HTMLTree, metas: dict[str, list[str]], works: list[dict[str, Any]]
) -> Iterator[tuple[str, ...]]:
    for said in (
        next((found for work in works if (found := list(_names_of(work.get("author"))))), []),
        *([name] for name in _said(metas, _AUTHOR_NAMES)),
    ):
        if names := _names(said):
            yield names
    if not _all(tree, ", ".join(_AUTHOR_MARKS)):
        return
    for selector in _AUTHOR_MARKS:
        if names := _names(each.text or "" for each in _marked(tree, selector)):
            yield names


_AUTHOR_MARKS: Final = (
    '[itemprop~="author"] [itemprop~="name"]',
    '[itemprop~="author"]',
    'a[rel~="author"]',
    ".byline .author, .author .fn, .vcard .fn, .author-name, .byline-name, .post-author, .entry-author",
    ".byline, .author",
)


def _names_of(said: Any) -> Iterator[str]:
    """Yield the names in a schema.org author: a text, a person, or a list of either."""
    for each in (said if isinstance(said, list) else [said])[:_ELEMENTS_MAX]:
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            yield from _texts(each.get("name"))


def _names(said: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for each in said:
        name = _BY.sub("", _line(each)).strip(" ,;:–—-|")
        if 1 < len(name) <= AUTHOR_CHARS_MAX and not _NO_NAME.search(name):
            found.setdefault(name.casefold(), name)
    return tuple(found.values())[:AUTHORS_MAX]


_BY: Final = re.compile(
    r"^(written by|posted by|by|von|par|por|di|door|av|autor|author|auteur)\b[\s:]*", re.I
)


# --- day --------------------------------------------------------------------------------------------------------


def _days(
    tree: HTMLTree,
    metas: dict[str, list[str]],
    works: list[dict[str, Any]],
    url: str,
    scripts: list[ElementNode],
) -> Iterator[str]:
    for name in ("datePublished", "dateCreated", "uploadDate"):
        for work in works:
            yield from _texts(work.get(name))
    yield from _said(metas, _DAY_NAMES)
    for selector in _DAY_MARKS:
        for each in _marked(tree, selector):
            yield (
                each.getattr("datetime")
                or each.getattr("content")
                or each.getattr("title")
                or (each.text or "")[:200]
            )
    if in_path := _DAY_IN_PATH.search(url[:2_000]):
        yield "-".join(in_path.groups())
    for script in scripts[:_ELEMENTS_MAX]:
        if said := _DAY_IN_SCRIPT.search((script.text or "")[:_LINKED_DATA_CHARS_MAX]):
            yield said[1]
    for selector in _DAY_PLACES:
        for each in _marked(tree, selector):
            yield (each.text or "")[:200]
    yield from _first_lines(tree)


_DAY_MARKS: Final = ('[itemprop~="datePublished"]', "time[datetime], abbr.published[title]")
_DAY_IN_SCRIPT: Final = re.compile(
    r'\\?"(?:datePublished|post_date|publish(?:ed)?_?(?:at|date|time|on)|firstPublished\w*)\\?":\s?\\?"([^"\\]{8,40})',
    re.I,
)
_DAY_PLACES: Final = (
    "[class*=date], [class*=Date], [id*=date], [class*=datum], [class*=publish], [class*=posted], [class*=fecha]",
    "time, [class*=meta], [class*=byline], [class*=info]",
)
_LINES_CHARS_MAX: Final = 4_000


def _first_lines(tree: HTMLTree) -> Iterator[str]:
    """Yield short lines of the visible text, from the first heading on."""
    if tree.body is None:
        return
    text, heading = tree.body.text or "", tree.body.query_selector("h1")
    begin = max(0, text.find((heading.text or "")[:200])) if heading is not None else 0
    for line in text[begin : begin + _LINES_CHARS_MAX].splitlines():
        if any(map(str.isdigit, line)):
            yield line.strip()[:200]


def _marked(tree: HTMLTree, selector: str) -> list[ElementNode]:
    return _all(tree, selector)[:_ELEMENTS_MAX]


def _all(tree: HTMLTree, selector: str) -> list[ElementNode]:
    return list(tree.document.query_selector_all(selector).values()) if tree.document is not None else []
