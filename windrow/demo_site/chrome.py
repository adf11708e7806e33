"""The frame around every page: eight hosts that look like eight sites, with title, navigation and footer.

Rules: a page is one template filled with escaped words and ready HTML; the frame is the same for all pages of a host
but for its links, so an extractor can tell it from the text. Style sheets are local; nothing is loaded from elsewhere.

Does not: know what pages there are; the builder gives it the neighbours to link to.

Usage::

    html = framed(HOSTS[0], Page(title="json", body="<p>…</p>"), before=None, after=("/library/os.html", "os"))
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from string import Template
from typing import Final

Link = tuple[str, str]
"""An address on the same host and the words to show for it."""


@dataclass(frozen=True, slots=True)
class HostChrome:
    """How one host presents itself. `accent` is the CSS colour of its header."""

    name: str
    motto: str
    accent: str
    sections: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page before it is framed. `head` is extra HTML for `<head>`, `trail` the words of the path above it."""

    title: str
    body: str
    heading: str = ""
    trail: tuple[str, ...] = ()
    head: str = ""
    language: str = "en"
    charset: str = "utf-8"
    aside: tuple[Link, ...] = field(default=())


_LIBRARY: Final[tuple[Link, ...]] = (("/", "Index"), ("/library/", "Modules"))
_PACKAGES: Final[tuple[Link, ...]] = (("/", "Index"), ("/packages/", "Packages"))

HOSTS: Final = (
    HostChrome(
        "Standard Shelf", "The standard library, read aloud", "#24516b", (*_LIBRARY, ("/guide/", "Guide"))
    ),
    HostChrome("Module Garden", "Modules in bloom, A to Z", "#3f6b24", _LIBRARY),
    HostChrome("Docstring Daily", "What the code says about itself", "#6b2447", _LIBRARY),
    HostChrome("Batteries Index", "Everything that was included", "#5b4b14", _LIBRARY),
    HostChrome("Import Atlas", "Maps of names and namespaces", "#2a2a6b", _LIBRARY),
    HostChrome("Package Porch", "READMEs worth sitting down with", "#7a3b12", _PACKAGES),
    HostChrome("Licence Ledger", "Permissions, conditions, and who granted them", "#3a3a3a", _PACKAGES),
    HostChrome("Wheelhouse", "Notes from every installed package", "#0f5a52", _PACKAGES),
)

_PAGE: Final = Template("""\
<!DOCTYPE html>
<html lang="$language">
<head>
<meta charset="$charset">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title - $site</title>
<link rel="stylesheet" href="/style.css">
$head</head>
<body>
<header class="site-header" role="banner">
<a class="site-name" href="/">$site</a> <span class="site-motto">$motto</span>
<nav class="site-nav" role="navigation"><ul>$sections</ul></nav>
</header>
<nav class="breadcrumbs" aria-label="breadcrumb"><ul>$trail</ul></nav>
<main id="content" role="main">
<article>
$heading$body
</article>
</main>
<nav class="pager" aria-label="pager"><ul>$pager</ul></nav>
<footer class="site-footer" role="contentinfo">
<p>$site. Generated for a demonstration from the software installed on the machine that serves it.</p>
<ul><li><a href="/robots.txt">robots.txt</a></li><li><a href="/">All pages</a></li></ul>
</footer>
</body>
</html>
""")

_STYLE: Final = Template("""\
:root { --accent: $accent; }
body { margin: 0; font: 16px/1.6 Georgia, serif; color: #222; background: #fbfaf7; overflow-wrap: anywhere; }
.site-header { background: var(--accent); color: #fff; padding: 1rem 2rem; }
.site-header a { color: #fff; text-decoration: none; }
.site-name { font-size: 1.5rem; font-weight: bold; }
.site-motto { opacity: .8; font-style: italic; margin-left: .5rem; }
.site-nav ul, .breadcrumbs ul, .pager ul, .site-footer ul { list-style: none; margin: .4rem 0 0; padding: 0;
  display: flex; flex-wrap: wrap; gap: 1.2rem; }
.breadcrumbs, .pager { max-width: 60rem; margin: 0 auto; padding: .6rem 2rem; font: .85rem sans-serif; color: #666; }
main { max-width: 60rem; margin: 0 auto; padding: 0 2rem 2rem; }
h1, h2, h3 { line-height: 1.25; color: var(--accent); }
a { color: var(--accent); }
pre, code, .code { font: .88rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre { background: #f1efe8; padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap; }
.site-footer { border-top: 1px solid #ddd; padding: 1rem 2rem; font: .8rem sans-serif; color: #666; }
.index { columns: 16rem; padding-left: 1.2rem; }
table { border-collapse: collapse; }
article > table { width: 100%; }
td { vertical-align: top; padding: .1rem .4rem; }
table.heading, table.section { margin: 1rem 0; width: 100%; }
.heading-text { font-family: sans-serif; }
tr.heading-text.decor { background: var(--accent); color: #fff; }
tr.heading-text.decor a { color: inherit; }
td.decor { background: #e9e5da; color: #222; }
dl { margin: .2rem 0; } dt.heading-text { color: #222; } dt.heading-text a { color: var(--accent); }
td.decor:not([colspan]) { width: 1.2rem; } .multicolumn { width: 25%; }
""")


def framed(host: HostChrome, page: Page, *, before: Link | None = None, after: Link | None = None) -> str:
    """Return the whole HTML document of one page on one host."""
    heading = f"<h1>{html.escape(page.heading)}</h1>\n" if page.heading else ""
    neighbours = [("Previous", before), ("Next", after)]
    pager = "".join(
        f'<li>{label}: <a href="{html.escape(link[0])}">{html.escape(link[1])}</a></li>'
        for label, link in neighbours
        if link
    )
    return _PAGE.substitute(
        language=page.language,
        charset=page.charset,
        title=html.escape(page.title),
        site=html.escape(host.name),
        motto=html.escape(host.motto),
        head=page.head,
        sections=_items(host.sections),
        trail=_items((("/", host.name),)) + "".join(f"<li>{html.escape(step)}</li>" for step in page.trail),
        heading=heading,
        body=page.body,
        pager=pager + _items(page.aside),
    )


def style_sheet(host: HostChrome) -> str:
    """Return the host's style sheet, which also gives pydoc's own classes their colours."""
    return _STYLE.substitute(accent=host.accent)


def index_body(links: list[Link]) -> str:
    """Return the body of an index page."""
    return f'<ul class="index">{_items(tuple(links))}</ul>'


def _items(links: tuple[Link, ...]) -> str:
    return "".join(
        f'<li><a href="{html.escape(path)}">{html.escape(words)}</a></li>' for path, words in links
    )
