"""What goes into the child process that runs a statement, and what comes out of it.

Rules: plain values only, so that the child needs neither the tables nor the code that describes them. Does not: run
anything. Usage: `Job(statement="SELECT 1", …)`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Source(msgspec.Struct, frozen=True):
    """One view as the child fills it: the query over the state, and the name and DuckDB type of each column."""

    name: str
    query: str
    columns: list[tuple[str, str]]


class FileView(msgspec.Struct, frozen=True):
    """One view over files: `shown` is selected from them, and `computed` from the rows of a source of its name."""

    name: str
    files: list[str]
    empty: bytes  # a file without rows: every column and its type
    shown: str
    computed: str = ""


class Job(msgspec.Struct, frozen=True):
    """One statement, where its data lies, and its limits."""

    store: Literal["sqlite", "postgresql"]
    address: str  # path of the SQLite file, or URL of the database; empty where there is none
    sources: list[Source]  # the views that the statement may read
    known: list[str]  # every view there is, for an error's text
    files: list[FileView]
    statement: str
    time_s_max: int
    rows_max: int
    memory_bytes_max: int
    answer_bytes_max: int
    derived: list[tuple[str, str]] = []  # name and query of the views over other views that it may read
    served_view: str = ""  # whose further files are read for the child (`served_files`)
    served_sizes: list[int] = []  # of each of them, in bytes
    served_descriptor: int = -1


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """Rows, and how fresh they are: `log_seq` is the newest entry of the log that they can show."""

    columns: list[str]
    kinds: list[str]
    rows: list[list[Any]]
    log_seq: int
    truncated: bool


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """Why there is no answer."""

    code: str
    detail: str
