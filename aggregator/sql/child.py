"""The process in which one statement runs: `python -m aggregator.sql.child`, job on stdin, answer on stdout.

As rows the answer is one JSON object; as Arrow or Parquet it is a line of JSON, then the bytes.

Rules: the statement runs in a DuckDB that can reach no file, no network and no setting (see `contained_engine`).

Does not: trust the statement, format answers, or live longer than one question.

Usage: see `sandbox.run_query`.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import msgspec

from aggregator.sql.columns import write_columns
from aggregator.sql.contained_engine import ask, distinct, prepared, told_why
from aggregator.sql.engine import Ready, warmed
from aggregator.sql.job import Answer, Job, Refusal
from windrow_protocol.errors import WindrowError

_EXACT_MAX = 2**53


def run(job: Job, ready: Ready | None = None) -> Answer:
    """Answer one job as rows. Raises WindrowError `sql_refused`, `sql_failed` or `sql_limits`."""
    engine, log_seq = prepared(job, ready)
    return execute(engine, job, log_seq)


def execute(engine: Any, job: Job, log_seq: int) -> Answer:
    """Run the statement and take its first rows."""
    with told_why(job):
        result = ask(engine, job)
        columns = distinct([column[0] for column in result.description])
        kinds = [str(column[1]) for column in result.description]
        rows = result.fetchmany(job.rows_max + 1)
    shown = [[plain(value) for value in row] for row in rows[: job.rows_max]]
    return Answer(columns, kinds, shown, log_seq=log_seq, truncated=len(rows) > job.rows_max)


def plain(value: Any) -> Any:
    """Return a value that JSON can hold without loss: what a double cannot hold becomes a string."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_MAX else str(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)


def reply_to(job: Job, ready: Ready | None = None) -> bytes:
    """Return the encoded answer, or the encoded reason why there is none."""
    try:
        encoded = msgspec.json.encode(run(job, ready))
    except WindrowError as error:
        return msgspec.json.encode(Refusal(error.code, error.detail))
    except MemoryError:
        return msgspec.json.encode(Refusal("sql_limits", "its answer needs more memory than is allowed"))
    except RecursionError:
        return msgspec.json.encode(Refusal("sql_refused", "it is nested too deeply"))
    if len(encoded) <= job.answer_bytes_max:
        return encoded
    detail = f"the answer has {len(encoded) // 10**6} MB, {job.answer_bytes_max // 10**6} MB are allowed"
    return msgspec.json.encode(Refusal("sql_limits", detail))


def main() -> None:
    """Read the job, write the answer or the refusal; with `--ready`, have an engine while nobody waits."""
    ready = warmed() if "--ready" in sys.argv else None
    asked = sys.stdin.buffer.read()
    if not asked:  # who kept it ready is gone
        return
    job = msgspec.json.decode(asked, type=Job)
    code = 0
    if job.form == "rows":
        sys.stdout.buffer.write(reply_to(job, ready))
    else:
        code = write_columns(job, sys.stdout.buffer, ready)
    sys.stdout.buffer.flush()
    if code == 0:  # whoever reads learns that it is whole before this process has given its memory back
        os.close(1)
        os.close(2)
    os._exit(code)  # nothing is left to tidy, and DuckDB's threads may be in the middle of something large


if __name__ == "__main__":
    main()
