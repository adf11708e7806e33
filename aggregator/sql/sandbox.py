"""Runs a stranger's statement in a child process and brings back its rows, or the reason why not.

Rules: the child is killed at its deadline, whatever it does; its answer is bounded; it gets none of this process's
environment. Whatever happens to it, this process and the data are untouched.

Does not: format (see `console`), or choose what the views are.

Usage: `result = run_query(state_url, lake_files, "SELECT count(*) FROM contributions")`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aggregator.sql.job import Answer, Job, Refusal
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    SQL_ANSWER_BYTES_MAX,
    SQL_CHARS_MAX,
    SQL_MEMORY_BYTES_MAX,
    SQL_ROWS_MAX,
    SQL_TIME_S_MAX,
)

_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than the child may have
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
}


def run_query(
    state_url: str,
    lake_files: Sequence[Path],
    statement: str,
    *,
    time_s_max: int = SQL_TIME_S_MAX,
    rows_max: int = SQL_ROWS_MAX,
    memory_bytes_max: int = SQL_MEMORY_BYTES_MAX,
) -> Answer:
    """Return the rows of one SELECT. Raises WindrowError `sql_refused`, `sql_failed` or `sql_limits`."""
    if len(statement) > SQL_CHARS_MAX:
        raise WindrowError("sql_refused", f"{len(statement)} characters, {SQL_CHARS_MAX} allowed")
    files = [str(file.resolve()) for file in lake_files]
    job = Job(state_url, files, statement, time_s_max, rows_max, memory_bytes_max)
    root = str(Path(__file__).resolve().parent.parent.parent)
    environment = {**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join([root])}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "aggregator.sql.child"],
            input=msgspec.json.encode(job),
            capture_output=True,
            env=environment,
            timeout=time_s_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WindrowError("sql_limits", f"it ran longer than {time_s_max} s") from error
    return _read(child)


def _read(child: subprocess.CompletedProcess[bytes]) -> Answer:
    if child.returncode != 0 or not child.stdout:
        # Killed by a limit (CPU, memory), or fallen over while one was reached.
        raise WindrowError("sql_limits", f"it was ended by its limits ({child.returncode})")
    if len(child.stdout) > SQL_ANSWER_BYTES_MAX:
        raise WindrowError("sql_limits", f"the answer has {len(child.stdout)} bytes")
    reply = msgspec.json.decode(child.stdout, type=Answer | Refusal)
    if isinstance(reply, Refusal):
        raise WindrowError(reply.code, reply.detail)
    return reply
