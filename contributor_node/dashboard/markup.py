"""HTML from templates in which every value is escaped, unless it is markup itself.

Rules: text becomes markup only through `fill`; characters that cannot be seen, such as a turned writing direction, are
shown as their code, so that no stranger's address can pass for another.

Does not: know any page. Usage: `fill("<p>{url}</p>", url=visible(row.url))`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from string import Formatter
from typing import Any


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class _Escaping(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Markup):
            return value
        return html.escape(format(value, format_spec))


_FORMATTER = _Escaping()


def fill(template: str, **values: object) -> Markup:
    """Fill a template's `{names}`; everything but `Markup` is escaped. Raises KeyError for a name without a value."""
    return Markup(_FORMATTER.vformat(template, (), values))


def joined(parts: Iterable[Markup]) -> Markup:
    """Put pieces of markup together."""
    return Markup("".join(parts))


def definitions(facts: Iterable[tuple[str, str]]) -> Markup:
    """Return a list of names and what each is, as a table of two columns is drawn."""
    rows = joined(fill("<dt>{name}</dt><dd>{value}</dd>", name=name, value=value) for name, value in facts)
    return fill('<dl class="facts">{rows}</dl>', rows=rows)


def visible(text: str) -> str:
    """Return a text in which what cannot be seen is written as its code."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
