"""Real prose for the local web: the docstrings of this machine's standard library, cut into pages.

Rules: the same installation gives the same pages in the same order; files are parsed, never imported; every page's
text is its own (a page whose first words were seen is left out).

Does not: frame, serve or change them; what it returns is shared, so callers copy before they change.

Usage: `for title, paragraphs in pages_of_prose(800): ...`
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

WORDS_MIN: Final = 120
WORDS_MAX: Final = 300
FILE_BYTES_MAX: Final = 400_000
LEFT_OUT: Final = frozenset({"test", "tests", "idlelib", "lib2to3", "turtledemo", "site-packages"})


@lru_cache
def pages_of_prose(count: int) -> list[tuple[str, list[str]]]:
    """Return up to `count` pages as (title, paragraphs), each of some hundred words."""
    found: dict[str, tuple[str, list[str]]] = {}
    for title, paragraphs in _pages():
        key = " ".join(" ".join(paragraphs).split()[:12])
        found.setdefault(key, (title, paragraphs))
        if len(found) >= count:
            break
    return list(found.values())


def _pages() -> Iterator[tuple[str, list[str]]]:
    for file in _sources():
        collected: list[str] = []
        words = 0
        part = 1
        for docstring in _docstrings(file):
            collected.append(" ".join(docstring.split()))
            words += len(docstring.split())
            if words >= WORDS_MIN:
                text = " ".join(collected).split()[:WORDS_MAX]
                yield f"{file.stem}, part {part}", _paragraphs(text)
                collected, words, part = [], 0, part + 1


def _sources() -> Iterator[Path]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted(library.rglob("*.py")):
        if (
            not LEFT_OUT.intersection(file.relative_to(library).parts)
            and file.stat().st_size < FILE_BYTES_MAX
        ):
            yield file


def _docstrings(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # a file for another version of Python
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text.split()) >= 8:
                yield text


def _paragraphs(words: list[str]) -> list[str]:
    return [" ".join(words[start : start + 60]) for start in range(0, len(words), 60)]
