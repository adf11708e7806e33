"""Writes the part of docs/sql.md that lists every view and column.

Rules: the tables of `views` are the source; a test compares the document with what this returns.

Does not: write files. Usage: `python -m aggregator.sql.manual` prints it.
"""

from __future__ import annotations

from aggregator.sql.derived_views import DERIVED, DerivedView
from aggregator.sql.statements import DOCUMENTS
from aggregator.sql.view_table import View
from aggregator.sql.views import DOCUMENT_COLUMNS, VIEWS

_HEAD = "| column | type | meaning |\n|---|---|---|"


def view_chapter() -> str:
    """Return the views as Markdown, in the order of the table."""
    views: list[View | DerivedView] = [*VIEWS.values(), *DERIVED.values()]
    parts = [
        _section(view.name, view.meaning, [(each.name, each.kind, each.meaning) for each in view.columns])
        for view in views
    ]
    columns = [(each.name, each.kind, each.meaning) for each in DOCUMENT_COLUMNS]
    parts.append(_section(DOCUMENTS, "the lake: every judged text, with all that was found out", columns))
    return "\n\n".join(parts)


def _section(name: str, meaning: str, columns: list[tuple[str, str, str]]) -> str:
    rows = [f"| `{column}` | {kind} | {text} |" for column, kind, text in columns]
    return "\n".join([f"### {name}", "", f"{meaning[0].upper()}{meaning[1:]}.", "", _HEAD, *rows])


if __name__ == "__main__":
    print(view_chapter())
