"""`windrow sql` without a statement: asks for one after another, with history, completion and a pager.

Rules: a statement ends with `;`. EXPLAIN before it says how it would be answered. The history lies in a file that only
its owner can read. A refusal is told and the next statement is read.

Does not: run or contain statements (see `questions`). Usage: `SqlShell(settings, "table", None).run()`.

Source: Python's readline, pydoc.pager ($PAGER).
"""

from __future__ import annotations

import os
import pydoc
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from platformdirs import user_state_path

from aggregator.sql.derived_views import DERIVED
from aggregator.sql.statements import DOCUMENTS
from aggregator.sql.views import DOCUMENT_COLUMNS, VIEWS
from windrow.questions import Question, ask
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

_SHOWN: Final = ("table", "json", "csv")
HISTORY: Final = "sql_history"
_HISTORY_MAX: Final = 2_000
_KEYWORDS: Final = (
    *("SELECT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "LIMIT", "JOIN", "LEFT", "USING", "HAVING", "WITH"),
    *("DISTINCT", "CASE", "WHEN", "THEN", "ELSE", "END", "BETWEEN", "INTERVAL", "DESC", "EXPLAIN"),
    *("count(", "sum(", "avg(", "min(", "max("),
)
_EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(?=SELECT|WITH|FROM|\()", re.IGNORECASE)
_HELP: Final = """A statement ends with ; and EXPLAIN before it shows its plan.
.views             what can be asked
.columns VIEW      the columns of one
.format FORM       table, json or csv
.at SNAPSHOT       documents of a snapshot of the lake; .at alone: the newest
.quit              or Ctrl+D"""


class SqlShell:
    """One person at one terminal."""

    def __init__(self, settings: HouseSettings, form: str, at: int | None) -> None:
        self._settings, self._form, self._at = settings, form, at
        self._columns = columns_by_view()
        self._words = sorted(
            {*_KEYWORDS, *self._columns, *(one for each in self._columns.values() for one in each)}
        )

    def run(self) -> None:
        """Read and answer until the end of input."""
        with _line_editing(self.complete):
            print("One SELECT at a time, ended with ; — .help helps, .quit ends.", file=sys.stderr)
            while True:
                try:
                    said = self._read()
                except EOFError:
                    print(file=sys.stderr)
                    return
                except KeyboardInterrupt:
                    print(file=sys.stderr)
                    continue
                if said.startswith("."):
                    if said.split()[0] in (".quit", ".exit"):
                        return
                    print(self.command(said))
                elif said:
                    self._answer(said)

    def command(self, said: str) -> str:
        """Do what a line that begins with a dot says, and return what to show."""
        word, _, rest = said.partition(" ")
        rest = rest.strip()
        if word == ".views":
            return "\n".join(self._columns)
        if word == ".columns" and rest in self._columns:
            return "\n".join(self._columns[rest])
        if word == ".format" and rest in _SHOWN:
            self._form = rest
            return f"answers as {rest}"
        if word == ".at" and (not rest or (rest.isascii() and rest.isdigit())):
            self._at = int(rest) if rest else None
            return f"documents of {'the newest snapshot' if self._at is None else f'snapshot {self._at}'}"
        return _HELP

    def complete(self, text: str, state: int) -> str | None:
        """Return the word that the shell would write instead of a beginning, as readline asks for it."""
        found = [word for word in self._words if word.lower().startswith(text.lower())]
        return found[state] if text and state < len(found) else None

    def _read(self) -> str:
        lines: list[str] = []
        while True:
            line = input("   ...> " if lines else "windrow> ")
            if not lines and (not line.strip() or line.startswith(".")):
                return line.strip()
            lines.append(line)
            if line.rstrip().endswith(";"):
                return "\n".join(lines).rstrip().rstrip(";")

    def _answer(self, said: str) -> None:
        plain = _EXPLAIN.sub("", said, count=1)
        try:
            shown, note = ask(self._settings, Question(plain, self._at, plain != said), self._form)
        except WindrowError as error:
            print(f"windrow: {error}", file=sys.stderr)
            return
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return
        width, height = shutil.get_terminal_size()
        lines = shown.splitlines()
        if len(lines) >= height or any(len(line) > width for line in lines):
            # a table's lines are cut at the edge, and reached with the arrows
            os.environ.setdefault("LESS", "-FRSX")
            pydoc.pager(shown + "\n")
        else:
            print(shown)
        print(note, file=sys.stderr)


def columns_by_view() -> dict[str, list[str]]:
    """Return the names of every view's columns."""
    views = {view.name: [column.name for column in view.columns] for view in VIEWS.values()}
    derived = {view.name: [column.name for column in view.columns] for view in DERIVED.values()}
    return {**views, **derived, DOCUMENTS: [column.name for column in DOCUMENT_COLUMNS]}


@contextmanager
def _line_editing(complete: Callable[[str, int], str | None]) -> Iterator[None]:
    """Edit lines with a history and completion, where this Python can."""
    try:
        import readline
    except ImportError:  # a Python without it still reads lines
        yield
        return
    path = user_state_path("windrow") / HISTORY
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_HISTORY_MAX)
    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,;=<>()*+-/'\"")
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        with suppress(OSError):  # where no state can be kept, the history ends with the shell
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.chmod(0o600)
            readline.write_history_file(path)
