"""Makes strangers' text safe to print: one line, no control characters, and DuckDB's errors as one sentence.

Rules: page titles and error messages carry text of strangers; an escape sequence in it could rewrite a terminal.

Does not: change what JSON and CSV hold. Usage: `printable("a\\x1b[2J")`, `one_sentence(str(error))`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SENTENCE_CHARS_MAX: Final = 300
_CATEGORY: Final = re.compile(r"^[A-Z][A-Za-z -]* (Error|exception): ")
# Where DuckDB begins to quote the statement, to propose settings that are locked here, or to show its own stack.
_TAIL: Final = re.compile(
    r"\n\s*\n| Use \"SET |\nLINE \d+:|\nPossible solutions|\nStack Trace", re.IGNORECASE
)
_WIDE: Final = ("W", "F")


def printable(text: str) -> str:
    """Return the text on one line, with every control, format and unassigned character as `·`."""
    line = " ".join(text.split())
    return "".join("·" if unicodedata.category(char)[0] == "C" else char for char in line)


def shown_width(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    narrow = sum(1 for char in text if not unicodedata.combining(char))
    return narrow + sum(1 for char in text if unicodedata.east_asian_width(char) in _WIDE)


def one_sentence(message: str) -> str:
    """Return the part of a DuckDB error that says what is wrong, without a full stop."""
    body = _TAIL.split(message.strip(), maxsplit=1)[0]
    text = printable(_CATEGORY.sub("", body)).rstrip(".! ")
    return text if len(text) <= SENTENCE_CHARS_MAX else text[: SENTENCE_CHARS_MAX - 1] + "…"
