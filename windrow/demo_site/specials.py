"""The few pages that exist to show what a polite node does with a difficult web.

Rules: each special says in `expect` what an honest, careful node makes of it; the texts are this project's own
(`articles/*.txt`: a title, then paragraphs). The page that only a browser can read asks its own host for its text.

Does not: serve anything, or repeat what ordinary pages already show.

Usage::

    for special in specials():
        entry, content = special.entry, special.content
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from importlib import resources
from typing import Final

from windrow.demo_site.chrome import HOSTS, Page, framed
from windrow.demo_site.manifest import Expect, Render, SiteEntry

GUIDE_HOST: Final = 0
PRIVATE_HOST: Final = 1
APP_HOST: Final = 2
PRIVATE_SECTION: Final = "/private/"

_NO_AI_META: Final = '<meta name="robots" content="noai, noimageai">\n'
_INTRO_VARIANTS: Final = (
    "/guide/intro",
    "/guide/intro/?utm_source=x&b=2&a=1",
    "/guide/Intro?ref=newsletter",
    "/guide/intro;jsessionid=5F2A90C1",
    "/guide/intro?a=1&b=2&utm_campaign=spring",
)
_APP_SCRIPT: Final = """\
"use strict";
const place = document.getElementById("app");
fetch("/app/week.json").then((answer) => answer.json()).then((story) => {
  const heading = document.createElement("h1");
  heading.textContent = story.title;
  place.replaceChildren(heading);
  for (const words of story.paragraphs) {
    const paragraph = document.createElement("p");
    paragraph.textContent = words;
    place.append(paragraph);
  }
  document.title = story.title;
  document.body.dataset.ready = "yes";
});
"""


@dataclass(frozen=True, slots=True)
class Special:
    """One entry and the bytes of its file; an entry that shares another's file, or needs none, has no bytes."""

    entry: SiteEntry
    content: bytes = b""


def specials() -> list[Special]:
    """Return every special page, the assets that they need, and each host's robots.txt, 404 page and style."""
    return [*_guide(), *_private(), *_optouts(), *_languages(), *_redirects(), *_app()]


def robots_txt(host_index: int) -> str:
    """Return one host's robots.txt: one host closes a section, one asks for a (short) delay, the rest are open."""
    if host_index == PRIVATE_HOST:
        return f"# The members' section is not for machines.\nUser-agent: *\nDisallow: {PRIVATE_SECTION}\n"
    delay = "Crawl-delay: 0.1\n" if host_index == APP_HOST else ""
    return f"User-agent: *\n{delay}Disallow:\n"


def article(name: str) -> tuple[str, list[str]]:
    """Return the title and the paragraphs of one of our own texts."""
    text = resources.files("windrow.demo_site").joinpath("articles", f"{name}.txt").read_text("utf-8")
    title, *paragraphs = (part.strip() for part in text.split("\n\n"))
    return title, paragraphs


def _article_page(
    name: str, host_index: int, trail: str, *, head: str = "", language: str = "en", charset: str = "utf-8"
) -> bytes:
    title, paragraphs = article(name)
    body = "\n".join(f"<p>{html.escape(words, quote=False)}</p>" for words in paragraphs)
    page = Page(title, body, heading=title, trail=(trail,), head=head, language=language, charset=charset)
    return framed(HOSTS[host_index], page).encode(charset)


def _special(
    host_index: int,
    path: str,
    content: bytes = b"",
    *,
    expect: Expect = "fetched",
    render: Render = "http",
    file: str = "",
    headers: dict[str, str] | None = None,
    status: int = 200,
    content_type: str = "text/html; charset=utf-8",
    asset: bool = False,
) -> Special:
    name = path.strip("/").replace("/", "-")
    name = name if "." in name else f"{name}.html"
    entry = SiteEntry(
        host_index=host_index,
        path=path,
        kind="asset" if asset else "special",
        expect=expect,
        render=render,
        headers=headers or {},
        status=status,
        file=file or (f"hosts/{host_index}/special/{name}" if content else ""),
        content_type=content_type,
    )
    return Special(entry, content)


def _guide() -> list[Special]:
    first = _special(GUIDE_HOST, _INTRO_VARIANTS[0], _article_page("guide-intro", GUIDE_HOST, "Guide"))
    variants = [_special(GUIDE_HOST, path, file=first.entry.file) for path in _INTRO_VARIANTS[1:]]
    links = _special(GUIDE_HOST, "/guide/links", _article_page("guide-links", GUIDE_HOST, "Guide"))
    tools = _special(GUIDE_HOST, "/guide/tools", _article_page("notes-tools", GUIDE_HOST, "Guide"))
    gone = _special(GUIDE_HOST, "/guide/withdrawn", file="hosts/0/404.html", expect="not_found", status=404)
    return [first, *variants, links, tools, gone]


def _private() -> list[Special]:
    return [
        _special(
            PRIVATE_HOST,
            f"{PRIVATE_SECTION}{name}",
            _article_page(f"private-{name}", PRIVATE_HOST, "Members"),
            expect="robots_denied",
        )
        for name in ("minutes", "ledger", "letters", "drafts")
    ]


def _optouts() -> list[Special]:
    ways: list[tuple[int, str, str, dict[str, str]]] = [
        (3, "meta", _NO_AI_META, {}),
        (4, "header", "", {"X-Robots-Tag": "noai"}),
        (5, "usage", "", {"Content-Usage": "train-ai=n"}),
        (6, "tdm", "", {"tdm-reservation": "1"}),
    ]
    return [
        _special(
            host_index,
            f"/essays/{name}",
            _article_page(f"optout-{name}", host_index, "Essays", head=head),
            expect="optout_denied",
            headers=headers,
        )
        for host_index, name, head, headers in ways
    ]


def _languages() -> list[Special]:
    latin = "text/html; charset=iso-8859-1"
    return [
        _special(5, "/sprachen/wiese", _article_page("wiese-de", 5, "Sprachen", language="de")),
        _special(
            6,
            "/langues/prairie",
            _article_page("prairie-fr", 6, "Langues", language="fr", charset="iso-8859-1"),
            content_type=latin,
        ),
        _special(7, "/idiomas/camino", _article_page("camino-es", 7, "Idiomas", language="es")),
    ]


def _redirects() -> list[Special]:
    metadata, intranet = "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/"
    moved = [("/old/links.htm", "/guide/links", 301), ("/go/tools", "/guide/tools", 302)]
    return [
        *(_special(GUIDE_HOST, path, headers={"Location": to}, status=status) for path, to, status in moved),
        _special(3, "/go/metadata", headers={"Location": metadata}, status=302, expect="unsafe_address"),
        _special(4, "/go/intranet", headers={"Location": intranet}, status=302, expect="unsafe_address"),
    ]


def _app() -> list[Special]:
    title, paragraphs = article("app-weather")
    story = json.dumps({"title": title, "paragraphs": paragraphs}, ensure_ascii=False).encode()
    shell = Page(
        "Weather diary",
        '<div id="app"><noscript>This page needs JavaScript to be read.</noscript></div>',
        trail=("Diary",),
        head='<script src="/app/week.js" defer></script>\n',
    )
    page = framed(HOSTS[APP_HOST], shell).encode()
    script = "text/javascript; charset=utf-8"
    return [
        _special(APP_HOST, "/app/week", page, expect="rendered", render="browser"),
        _special(APP_HOST, "/app/week.js", _APP_SCRIPT.encode(), content_type=script, asset=True),
        _special(APP_HOST, "/app/week.json", story, content_type="application/json", asset=True),
    ]
