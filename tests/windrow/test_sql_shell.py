"""`windrow sql` as a person at a terminal uses it: a real one, with keys."""

from __future__ import annotations

import os
import pty
import re
import select
import stat
import sys
from pathlib import Path

import pytest
from running_house import windrow

from windrow.home import open_home
from windrow.settings import HouseSettings
from windrow.sql_shell import HISTORY, SqlShell

PATIENCE_S = 60
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07|\b")


class Terminal:
    """A child on a terminal of its own."""

    def __init__(self, home: Path, state: Path) -> None:
        self.said = ""
        self.pid, self.end = pty.fork()
        if not self.pid:
            os.environ.update(
                {"WINDROW_HOME": str(home), "XDG_STATE_HOME": str(state), "TERM": "dumb", "PAGER": "cat"}
            )
            os.chdir(Path(__file__).parents[2])
            os.execv(sys.executable, [sys.executable, "-m", "windrow", "sql"])

    def until(self, wanted: str) -> str:
        """Read until something was said, and return all since the last time."""
        while wanted not in self.said:
            assert select.select([self.end], [], [], PATIENCE_S)[0], f"no {wanted!r} in {self.said!r}"
            self.said += ESCAPES.sub("", os.read(self.end, 65_536).decode(errors="replace"))
        before, _, self.said = self.said.partition(wanted)
        return before + wanted

    def type(self, keys: str) -> None:
        os.write(self.end, keys.encode())


def test_a_person_asks_completes_explains_and_comes_back(tmp_path: Path) -> None:
    with open_home(HouseSettings(home=str(tmp_path / "home"))):
        pass
    terminal = Terminal(tmp_path / "home", tmp_path)
    terminal.until("windrow> ")
    terminal.type("SELECT count(*) + 41 AS n FROM network_da\t\n")
    terminal.until("...> ")
    terminal.type("WHERE day IS NULL;\n")
    said = terminal.until(", in ")
    assert "41" in said
    terminal.type("EXPLAIN SELECT 1;\n")
    assert "DUMMY_SCAN" in terminal.until(", in ")
    terminal.type("DROP TABLE nodes;\n")
    terminal.until("[sql_refused]")
    terminal.type("SELECT range FROM range(200);\n")  # longer than the screen: through the pager
    assert "199" in terminal.until("200 rows as of")
    terminal.type(".quit\n")
    assert os.waitpid(terminal.pid, 0)[1] == 0
    kept = tmp_path / "windrow" / HISTORY
    assert "FROM network_daily" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    os.close(terminal.end)


def test_dots_are_commands_and_anything_else_helps() -> None:
    shell = SqlShell(HouseSettings(), "table", None)
    assert "network_daily" in shell.command(".views").splitlines()
    assert "entry_seq" in shell.command(".columns ledger").splitlines()
    assert shell.command(".format csv") == "answers as csv"
    assert shell.command(".at 12") == "documents of snapshot 12"
    assert shell.command(".at") == "documents of the newest snapshot"
    for said in (".help", ".at x", ".format exe", ".columns nothing", ".?"):
        assert ".quit" in shell.command(said)
    assert [shell.complete("contribution", at) for at in range(2)] == ["contribution_id", "contributions"]
    assert shell.complete("", 0) is None


@pytest.mark.parametrize("arguments", [("--format", "parquet"), ()])
def test_without_a_terminal_a_statement_is_needed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = windrow("sql", *arguments, env={"WINDROW_HOME": str(tmp_path)})
    assert (said.code, "a statement is missing" in said.err) == (2, True)
