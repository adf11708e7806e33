"""Shows an answer: as a table for people, as JSON or CSV for programs.

Rules: JSON is a list of objects, CSV is RFC 4180 with a header; both hold every digit and every character, so a cell
of CSV may begin with `=`: a spreadsheet must import it as text. A table has no control characters, and long values end
in an ellipsis.

Does not: run queries. Usage: `print(show(answer, "table"))`.

Source: RFC 4180, RFC 8259.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Final

from aggregator.sql.job import Answer
from aggregator.sql.printable import printable, shown_width

CELL_CHARS_MAX: Final = 60


def show(answer: Answer, form: str) -> str:
    """Return the answer as `table`, `json` or `csv`."""
    return {"table": _table, "json": _json, "csv": _csv}[form](answer)


def _json(answer: Answer) -> str:
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return json.dumps(rows, ensure_ascii=False)


def _csv(answer: Answer) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(answer.columns)
    writer.writerows([[_csv_cell(value) for value in row] for row in answer.rows])
    return out.getvalue().rstrip("\r\n")


def _table(answer: Answer) -> str:
    names = [_cell(name) for name in answer.columns]
    cells = [[_cell(value) for value in row] for row in answer.rows]
    places = range(len(names))
    widths = [max(shown_width(row[place]) for row in [names, *cells]) for place in places]
    numeric = [bool(cells) and all(_is_number(row[place]) for row in answer.rows) for place in places]
    lines = [_line(names, widths, numeric), "  ".join("─" * width for width in widths)]
    lines += [_line(row, widths, numeric) for row in cells]
    return "\n".join(lines)


def _line(cells: list[str], widths: list[int], numeric: list[bool]) -> str:
    padded = []
    for cell, width, right in zip(cells, widths, numeric, strict=True):
        space = " " * (width - shown_width(cell))
        padded.append(space + cell if right else cell + space)
    return "  ".join(padded).rstrip()


def _csv_cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _cell(value: Any) -> str:
    if value is None:
        return "∅"
    text = printable(str(_csv_cell(value)))
    return text if len(text) <= CELL_CHARS_MAX else text[: CELL_CHARS_MAX - 1] + "…"


def _is_number(value: Any) -> bool:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return True
    return isinstance(value, str) and value.lstrip("-").isdigit()
