"""Runs a stranger's statement in a child process and brings back its rows, or the reason why not.

Rules: the child is killed at its deadline, whatever it does; no more of its answer is read than is allowed; it gets
none of this process's environment. Whatever happens to it, this process and the data are untouched.

Does not: format (see `console`), or choose what the views are.

Usage: `result = run_query(state_url, lake_files, "SELECT count(*) FROM contributions")`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from aggregator.sql.derived_views import DERIVED
from aggregator.sql.job import Answer, Job, Refusal, Source
from aggregator.sql.printable import printable
from aggregator.sql.statements import DOCUMENTS
from aggregator.sql.views import DOCUMENT_COLUMNS, VIEWS
from storage.lake.layout import encode
from storage.lake.schema import LAKE_SCHEMA
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    SQL_ANSWER_BYTES_MAX,
    SQL_CHARS_MAX,
    SQL_MEMORY_BYTES_MAX,
    SQL_ROWS_MAX,
    SQL_TIME_S_MAX,
)

_ENVIRONMENT: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than the child may have
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONIOENCODING": "utf-8",
}
_WORD: Final = re.compile(r"[a-z_]+")
COMPLAINT_BYTES_MAX: Final = 2_000  # of what a child says on standard error


class Leash:
    """What ends a question from another thread: at once, or when it begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self.is_cut = False

    def hold(self, child: subprocess.Popen[bytes]) -> None:
        """Take a child that was just started."""
        with self._lock:
            self._child = child
            if self.is_cut:
                child.kill()

    def cut(self) -> None:
        """Kill the child, or the one that comes."""
        with self._lock:
            self.is_cut = True
            if self._child is not None:
                self._child.kill()


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
    job = job_of(state_url, lake_files, statement)
    return run_job(
        msgspec.structs.replace(
            job, time_s_max=time_s_max, rows_max=rows_max, memory_bytes_max=memory_bytes_max
        )
    )


def job_of(state_url: str, lake_files: Sequence[Path], statement: str) -> Job:
    """Return the job of one SELECT under the usual limits. Raises WindrowError `sql_refused`."""
    if len(statement) > SQL_CHARS_MAX:
        raise WindrowError("sql_refused", f"{len(statement)} characters, {SQL_CHARS_MAX} allowed")
    # A view is read when its name stands anywhere in the text: finer reading is left to the contained process.
    words = set(_WORD.findall(statement.lower()))
    derived = [view for name, view in DERIVED.items() if name in words]
    read = words.union(*(view.over for view in derived))
    url = sa.make_url(state_url)
    with_documents = DOCUMENTS in words
    return Job(
        *_store(url),
        [_source(url.get_dialect()(), name) for name in VIEWS if name in read],
        [*VIEWS, *DERIVED, DOCUMENTS],
        [str(file.resolve()) for file in lake_files] if with_documents else [],
        [(column.name, column.kind) for column in DOCUMENT_COLUMNS] if with_documents else [],
        _document_schema() if with_documents else b"",
        statement,
        SQL_TIME_S_MAX,
        SQL_ROWS_MAX,
        SQL_MEMORY_BYTES_MAX,
        SQL_ANSWER_BYTES_MAX,
        [(view.name, view.query) for view in derived],
    )


def run_job(job: Job, leash: Leash | None = None) -> Answer:
    """Return the rows that a job asks for.

    Raises WindrowError `sql_refused`, `sql_failed`, `sql_limits`, or `sql_stopped` when its leash was cut.
    """
    leash = leash or Leash()
    ran = _run_child(msgspec.json.encode(job), job.time_s_max, leash)
    if leash.is_cut:
        raise WindrowError("sql_stopped")
    return _read(*ran, job.time_s_max)


def _store(url: sa.URL) -> tuple[Literal["sqlite", "postgresql"], str]:
    """Return what kind of database the child opens, and where it is."""
    if url.get_backend_name() == "sqlite":
        return "sqlite", str(Path(url.database or "").resolve())
    return "postgresql", url.render_as_string(hide_password=False)


def query_rows(
    name: str,
    columns: Sequence[tuple[str, str]],
    file: Path,
    statement: str,
    *,
    time_s_max: int = SQL_TIME_S_MAX,
    rows_max: int = SQL_ROWS_MAX,
) -> Answer:
    """Return the rows of one SELECT over one Parquet file of ours, which is the only view, called `name`.

    `columns` are names and DuckDB types. Raises WindrowError `sql_refused`, `sql_failed` or `sql_limits`.
    """
    if len(statement) > SQL_CHARS_MAX:
        raise WindrowError("sql_refused", f"{len(statement)} characters, {SQL_CHARS_MAX} allowed")
    job = Job(
        store="sqlite",
        address="",
        sources=[],
        known=[name],
        lake_files=[],
        document_columns=list(columns),
        document_schema=file.read_bytes(),
        statement=statement,
        time_s_max=time_s_max,
        rows_max=rows_max,
        memory_bytes_max=SQL_MEMORY_BYTES_MAX,
        answer_bytes_max=SQL_ANSWER_BYTES_MAX,
        documents=name,
    )
    return run_job(job)


@cache
def _document_schema() -> bytes:
    """Return a file of the lake without rows, made here because the child has no pyarrow to make it with."""
    return encode(LAKE_SCHEMA.empty_table())


def _source(dialect: sa.Dialect, name: str) -> Source:
    view = VIEWS[name]
    query = view.select.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return Source(name, str(query), [(column.name, column.kind) for column in view.columns])


def start_child(leash: Leash) -> subprocess.Popen[bytes]:
    """Start a process that waits for a job on its standard input."""
    child = subprocess.Popen(
        [sys.executable, "-m", "aggregator.sql.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_ENVIRONMENT, "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent)},
        start_new_session=True,
    )
    leash.hold(child)
    return child


def _run_child(job: bytes, time_s_max: int, leash: Leash) -> tuple[int, bytes, bytes, bool]:
    """Return the child's code, the first bytes of its answer and of its complaint, and whether it was too slow."""
    late = threading.Event()
    child = start_child(leash)

    def kill() -> None:
        late.set()
        child.kill()

    alarm = threading.Timer(time_s_max, kill)
    alarm.start()
    try:
        with child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stderr is not None
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(job)
            answer = child.stdout.read(SQL_ANSWER_BYTES_MAX + 1)
            complaint = child.stderr.read(COMPLAINT_BYTES_MAX)
            child.kill()  # it has said all that is heard
        return child.returncode, answer, complaint, late.is_set()
    finally:
        alarm.cancel()
        child.kill()
        child.wait()


def _read(code: int, answer: bytes, complaint: bytes, late: bool, time_s_max: int) -> Answer:
    if len(answer) > SQL_ANSWER_BYTES_MAX:
        raise WindrowError("sql_limits", f"the answer has more than {SQL_ANSWER_BYTES_MAX // 10**6} MB")
    if late:
        raise WindrowError("sql_limits", f"it ran longer than {time_s_max} s")
    if code < 0 or not answer:
        raise fault_of(code, complaint)
    reply = msgspec.json.decode(answer, type=Answer | Refusal)
    if isinstance(reply, Refusal):
        raise WindrowError(reply.code, reply.detail)
    return reply


def fault_of(code: int, complaint: bytes) -> WindrowError:
    """Return what is to be said of a child that ended without an answer."""
    # By a signal: a limit on CPU or memory. By itself: a fault, of which the last line tells most.
    last = printable(complaint.decode(errors="replace").strip().rpartition("\n")[2])[:200]
    detail = f"its process ended with {code}" + (f": {last}" if last else "")
    return WindrowError("sql_limits" if code < 0 else "sql_failed", detail)
