"""A command that works on what is there makes nothing where nothing is: a wrong --home is said, not filled."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from running_house import windrow

from windrow.operations import BEGINNING, OPERATIONS

OF_A_HOUSE = (
    *("ledger verify", "lake check", "lake stats", "lake compact", "lake annotate", "host list"),
    *("lake duplicates", "lake export web_text table"),
    *("host receipt x.example", "host release x.example --reason r", "publish web_text --dry-run"),
    *("backup copy", "sql 'SELECT 1'", "trace abc", "export pages.warc.gz", "epoch close"),
    *("erase abc --reason r --yes", "rotate-personal-key", "fund-history 5", "publish web_text"),
    *("host token x.example", "host takedown x.example --reason r --proven p --yes"),
)
OF_A_PERSON = ("consent list", "consent show abc")


@pytest.mark.parametrize(
    ("command", "code"),
    [*((each, "no_house") for each in OF_A_HOUSE), *((each, "nothing_given") for each in OF_A_PERSON)],
)
def test_nothing_is_made_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: str
) -> None:
    home = tmp_path / "home"
    there = len(command) % 2 == 0  # an empty folder for some, no folder for others
    if there:
        home.mkdir()
    monkeypatch.chdir(tmp_path)
    said = windrow(*shlex.split(command), "--home", home, env={"WINDROW_DEVNET_PORT": "0"})
    assert (said.code, said.out) == (1, "")
    assert f"[{code}]" in said.err
    assert str(home) in said.err
    assert "Remedy: " in said.err
    assert [path.name for path in tmp_path.rglob("*")] == (["home"] if there else [])


def test_only_what_brings_something_in_begins_a_home() -> None:
    assert set(BEGINNING) < set(OPERATIONS)
    assert not any(
        name.startswith(("lake_", "ledger_")) or name in ("backup", "summary") for name in BEGINNING
    )
