"""What goes into the child process that runs a statement, and what comes out of it.

Rules: plain values only. Does not: run anything. Usage: `Job(statement="SELECT 1", …)`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Job(msgspec.Struct, frozen=True):
    """One statement, where its data lies, and its limits."""

    state_url: str
    lake_files: list[str]
    statement: str
    time_s_max: int
    rows_max: int
    memory_bytes_max: int


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
