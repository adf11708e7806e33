"""READMEs and licences as simple HTML: Markdown by markdown-it-py, reStructuredText by a reduced reading, else plain.

Rules: nothing in a document becomes active: raw HTML is reduced to its text, images to their alternative text, and
links to http and https addresses. What the reduced reading of reStructuredText does not know stays readable text.

Does not: implement reStructuredText (docutils is not needed for a demo), or highlight code.

Usage::

    html = document_html(text, "text/markdown")
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAG: Final = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
_UNDERLINE: Final = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*")
_BULLET: Final = re.compile(r"[*+\-•]\s+|\d+[.)]\s+")
_RST_LITERAL: Final = re.compile(r"``(.+?)``")
_RST_LINK: Final = re.compile(r"`([^`<]+?)\s*&lt;(https?://[^&\s]+)&gt;`__?")
_RST_ROLE: Final = re.compile(r"(?::[\w:+-]+:)?`([^`]+)`_{0,2}")
_RST_STRONG: Final = re.compile(r"\*\*(\S.*?)\*\*")
_RST_NAME: Final = re.compile(r"\b([A-Za-z][\w\-]*[A-Za-z0-9])__?(?=[\s.,;:)]|$)")
_SUBSTITUTION: Final = re.compile(r"\|[\w .\-]+\|_{0,2}")

_markdown: Final = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def document_html(text: str, content_type: str) -> str:
    """Return one document as HTML. `content_type` is a Description-Content-Type; unknown ones are plain text."""
    kind = content_type.split(";")[0].strip().lower()
    if kind == "text/markdown":
        return markdown_html(text)
    return rst_html(text) if kind == "text/x-rst" else plain_html(text)


def plain_html(text: str) -> str:
    """Return plain text as paragraphs, lines kept where a paragraph is laid out by hand."""
    blocks = (block.rstrip() for block in re.split(r"\n\s*\n", text.expandtabs()) if block.strip())
    return "\n".join(_plain_block(block) for block in blocks)


def markdown_html(text: str) -> str:
    """Return Markdown as HTML without raw HTML, images or links to anything but web addresses."""
    tokens = _markdown.parse(text)
    return str(_markdown.renderer.render(_harmless(tokens), _markdown.options, {}))


def rst_html(text: str) -> str:
    """Return reStructuredText as HTML: headings, paragraphs, bullets, literal blocks; directives are left out."""
    pieces: list[str] = []
    literal_next = False
    for block in re.split(r"\n[ \t]*\n", text.expandtabs().replace("\r\n", "\n")):
        if not block.strip():
            continue
        lines = block.strip("\n").splitlines()
        literal_next, piece = _rst_block(lines, literal_next)
        pieces.append(piece)
    return "\n".join(piece for piece in pieces if piece)


def _plain_block(block: str) -> str:
    lines = [line for line in block.splitlines() if not _UNDERLINE.fullmatch(line.strip())]
    if any(re.search(r"\S {3,}\S", line) for line in lines):
        return f"<pre>{html.escape(block)}</pre>"
    return "<p>" + html.escape(" ".join(line.strip() for line in lines), quote=False) + "</p>"


def _harmless(tokens: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    for token in tokens:
        if token.type == "html_block":
            kept.extend(_paragraph(_TAG.sub(" ", token.content)))
            continue
        if token.type == "html_inline":
            token = _words(_TAG.sub(" ", token.content))
        elif token.type == "image":
            token = _words(token.content)
        elif token.type == "link_open" and not str(token.attrGet("href")).startswith(("http://", "https://")):
            token.attrs = {}
        if token.children:
            token.children = _harmless(token.children)
        kept.append(token)
    return kept


def _words(text: str) -> Token:
    return Token("text", "", 0, content=html.unescape(text))


def _paragraph(text: str) -> list[Token]:
    words = " ".join(text.split())
    if not words:
        return []
    inline = Token("inline", "", 0, content=words, children=[_words(words)], block=True)
    return [
        Token("paragraph_open", "p", 1, block=True),
        inline,
        Token("paragraph_close", "p", -1, block=True),
    ]


def _rst_block(lines: list[str], literal: bool) -> tuple[bool, str]:
    """Return (whether the next block is literal, this block's HTML)."""
    indented = all(line.startswith((" ", "\t")) for line in lines)
    if indented and literal:
        return True, "<pre>" + html.escape("\n".join(lines)) + "</pre>"
    if lines[0].lstrip().startswith((".. ", "__ http")) or lines[0].strip() == "..":
        code = "code" in lines[0]
        rest = [line for line in lines[1:] if not line.strip().startswith(":")]
        return code, "<pre>" + html.escape("\n".join(rest)) + "</pre>" if code and rest else ""
    lines = lines[1:] if len(lines) > 2 and _UNDERLINE.fullmatch(lines[0]) else lines
    opens_literal = lines[-1].rstrip().endswith("::")
    if len(lines) > 1 and _UNDERLINE.fullmatch(lines[1]):
        heading = f"<h2>{_rst_inline(lines[0])}</h2>"
        rest_literal, rest_html = _rst_block(lines[2:], False) if lines[2:] else (False, "")
        return rest_literal, heading + rest_html
    if _BULLET.match(lines[0].lstrip()):
        return opens_literal, _bullets(lines)
    if any(_UNDERLINE.fullmatch(line) or line.startswith(("+--", "+==", ">>>")) for line in lines):
        return opens_literal, "<pre>" + html.escape("\n".join(lines)) + "</pre>"
    return opens_literal, f"<p>{_rst_inline(' '.join(line.strip() for line in lines))}</p>"


def _bullets(lines: list[str]) -> str:
    items: list[str] = []
    for line in lines:
        if _BULLET.match(line.lstrip()) or not items:
            items.append(_BULLET.sub("", line.strip(), count=1))
        else:
            items[-1] += " " + line.strip()
    return "<ul>" + "".join(f"<li>{_rst_inline(item)}</li>" for item in items) + "</ul>"


def _rst_inline(text: str) -> str:
    text = html.escape(_SUBSTITUTION.sub("", text.strip()).replace("::", ":"), quote=False)
    text = _RST_LITERAL.sub(r"<code>\1</code>", text)
    text = _RST_NAME.sub(r"\1", _RST_LINK.sub(r'<a href="\2">\1</a>', text))
    return _RST_STRONG.sub(r"<strong>\1</strong>", _RST_ROLE.sub(r"\1", text))
