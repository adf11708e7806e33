"""Where a test's house keeps its state: SQLite in the home, or a database of its own on PostgreSQL.

`WINDROW_TEST_DATABASE=postgresql` moves every house that tests open in their own process to a real server, one database
for each home; so any test of the server's rooms is a test on PostgreSQL too. Homes are copied by `copy_home`, which
takes the state along wherever it lies.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

import pytest
from files_place import ON_S3, copy_files
from postgres_server import new_database, shared_server

from storage.state import sqlite_url

ON_POSTGRESQL: Final = os.environ.get("WINDROW_TEST_DATABASE", "sqlite") == "postgresql"
_made: set[str] = set()
sqlite_alone = pytest.mark.skipif(ON_POSTGRESQL, reason="it looks into SQLite's own files or plans")


def state_url(home: Path) -> str:
    """Return the address of a home's state; the same for the same folder."""
    if not ON_POSTGRESQL:
        return sqlite_url(home / "state.db")
    name = _name_of(home)
    if name in _made:
        return shared_server().url(name)
    _made.add(name)
    return new_database(name)


def database_of(home: Path) -> str:
    """Return what a home's settings say about its state: nothing, where it is a file in the home."""
    return state_url(home) if ON_POSTGRESQL else ""


def copy_home(source: Path, target: Path, *, without: str = "") -> None:
    """Copy a home in which nobody writes, its state included; `without` what is named so in it."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(without), dirs_exist_ok=True)
    if ON_POSTGRESQL and _name_of(source) in _made:
        shared_server().create(_name_of(target), _name_of(source))
        _made.add(_name_of(target))
    if ON_S3:
        copy_files(source, target)


def _name_of(home: Path) -> str:
    return "home_" + hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:24]
