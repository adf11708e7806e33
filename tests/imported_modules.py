"""What a program imports, read from its source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path


def imported_strangers(program: Path) -> set[str]:
    """Return the names of the packages that a program imports and that are not of the standard library."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.Import):
            imported.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    return imported - set(sys.stdlib_module_names)
