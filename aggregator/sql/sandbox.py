"""Runs a stranger's statement in a child process and brings back its rows, or the reason why not.

Rules: the child is killed at its deadline, whatever it does; no more of its answer is read than is allowed; it gets
none of this process's environment. Whatever happens to it, this process and the data are untouched.

Does not: format (see `console`), or choose what the views are.

Usage: `result = run_query(state_url, lake_files, "SELECT count(*) FROM contributions")`.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from aggregator.sql.block_layout import empty_block
from aggregator.sql.children import Leash, Spare, start_child
from aggregator.sql.derived_views import DERIVED
from aggregator.sql.job import Answer, FileView, Job, Refusal, Source
from aggregator.sql.printable import printable
from aggregator.sql.served_files import NO_FILES, LakeFiles, serving
from aggregator.sql.statements import DOCUMENTS
from aggregator.sql.view_blocks import NOTHING, Covered
from aggregator.sql.view_table import View
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

_WORD: Final = re.compile(r"[a-z_]+")
COMPLAINT_BYTES_MAX: Final = 2_000  # of what a child says on standard error


def run_query(
    state_url: str,
    lake_files: Sequence[Path] | LakeFiles,
    statement: str,
    *,
    blocks: Mapping[str, Covered] | None = None,
    spare: Spare | None = None,
    time_s_max: int = SQL_TIME_S_MAX,
    rows_max: int = SQL_ROWS_MAX,
    memory_bytes_max: int = SQL_MEMORY_BYTES_MAX,
) -> Answer:
    """Return the rows of one SELECT.

    `blocks` are the columnar copies of growing views; what they lack, without them everything, is read from the state.
    A `spare` process answers sooner. Raises WindrowError `sql_refused`, `sql_failed` or `sql_limits`, and OSError where
    the lake's place does not answer.
    """
    lake = lake_files if isinstance(lake_files, LakeFiles) else LakeFiles(lake_files)
    job = job_of(state_url, lake, statement, blocks)
    limits = {"time_s_max": time_s_max, "rows_max": rows_max, "memory_bytes_max": memory_bytes_max}
    return run_job(msgspec.structs.replace(job, **limits), lake=lake, spare=spare)


def job_of(
    state_url: str, lake: LakeFiles, statement: str, blocks: Mapping[str, Covered] | None = None
) -> Job:
    """Return the job of one SELECT under the usual limits. Raises WindrowError `sql_refused`."""
    if len(statement) > SQL_CHARS_MAX:
        raise WindrowError("sql_refused", f"{len(statement)} characters, {SQL_CHARS_MAX} allowed")
    # A view is read when its name stands anywhere in the text: finer reading is left to the contained process.
    words = set(_WORD.findall(statement.lower()))
    derived = [view for name, view in DERIVED.items() if name in words]
    read = words.union(*(view.over for view in derived))
    url = sa.make_url(state_url)
    named = [view for name, view in VIEWS.items() if name in read]
    found = {view.name: (blocks or {}).get(view.name, NOTHING) for view in named}
    return Job(
        *_store(url),
        [_source(url.get_dialect()(), view, found[view.name]) for view in named],
        [*VIEWS, *DERIVED, DOCUMENTS],
        [
            *(
                _file_view(view, found[view.name])
                for view in named
                if view.is_computed or found[view.name].files
            ),
            *([_documents(lake)] if DOCUMENTS in words else []),
        ],
        statement,
        SQL_TIME_S_MAX,
        SQL_ROWS_MAX,
        SQL_MEMORY_BYTES_MAX,
        SQL_ANSWER_BYTES_MAX,
        [(view.name, view.query) for view in derived],
    )


def run_job(
    job: Job, leash: Leash | None = None, *, lake: LakeFiles = NO_FILES, spare: Spare | None = None
) -> Answer:
    """Return the rows that a job asks for; `lake` is what it was made of.

    Raises WindrowError `sql_refused`, `sql_failed`, `sql_limits`, or `sql_stopped` when its leash was cut, and OSError
    where the lake's place does not answer.
    """
    leash = leash or Leash()
    with started(job, leash, lake, spare) as (child, asked):
        try:
            ran = _run_child(child, asked, job.time_s_max)
            if leash.is_cut:
                raise WindrowError("sql_stopped")
            return _read(ran, child, job.time_s_max)
        finally:  # beside, because giving half a gigabyte back takes longer than a small answer
            threading.Thread(target=_bury, args=(child,), name="sql-child-ends").start()


@contextmanager
def started(
    job: Job, leash: Leash, lake: LakeFiles = NO_FILES, spare: Spare | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], bytes]]:
    """Start a job's process and return it and what to tell it; files that lie elsewhere are read for it meanwhile.

    Raises WindrowError `sql_failed` when a file is gone, OSError where the lake's place does not answer.
    """
    if lake.system is None or all(view.name != DOCUMENTS for view in job.files):
        try:
            yield start_child(leash, spare), msgspec.json.encode(job)
        finally:
            if spare is not None:
                spare.refill()
        return
    try:
        with serving(lake.system, [str(name) for name in lake.names]) as served:
            files = [_served(view, served.sizes) for view in job.files]
            asking = msgspec.structs.replace(job, files=files, served_descriptor=served.descriptor)
            yield start_child(leash, descriptors=[served.descriptor]), msgspec.json.encode(asking)
    except FileNotFoundError as error:  # an erasure replaced it meanwhile
        raise WindrowError("sql_failed", "a file of the lake cannot be read; ask again") from error


def _served(view: FileView, sizes: list[int]) -> FileView:
    return msgspec.structs.replace(view, served_sizes=sizes) if view.name == DOCUMENTS else view


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
        files=[FileView(name, [], file.read_bytes(), ", ".join(_quoted(column) for column, _ in columns))],
        statement=statement,
        time_s_max=time_s_max,
        rows_max=rows_max,
        memory_bytes_max=SQL_MEMORY_BYTES_MAX,
        answer_bytes_max=SQL_ANSWER_BYTES_MAX,
    )
    return run_job(job)


@cache
def _document_schema() -> bytes:
    """Return a file of the lake without rows, made here because the child has no pyarrow to make it with."""
    return encode(LAKE_SCHEMA.empty_table())


@cache
def _block_schema(name: str) -> bytes:
    return empty_block(VIEWS[name])


def _documents(lake: LakeFiles) -> FileView:
    shown = ", ".join(_quoted(column.name) for column in DOCUMENT_COLUMNS)
    files = [] if lake.system else [str(Path(name).resolve()) for name in lake.names]
    return FileView(DOCUMENTS, files, _document_schema(), shown)


def _file_view(view: View, found: Covered) -> FileView:
    shown = ", ".join(_quoted(column.name) for column in view.columns)
    files = [str(file.resolve()) for file in found.files]
    return FileView(view.name, files, _block_schema(view.name), shown, view.shown)


def _source(dialect: sa.Dialect, view: View, found: Covered) -> Source:
    select = view.select if view.grows is None else view.select.where(found.rest(view.grows.key))
    query = select.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return Source(view.name, str(query), list(view.stored))


def _quoted(name: str) -> str:
    """Return a name as SQL writes it: the columns of a sample are named by a market, which is a stranger."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class _Ran:
    """What was heard of a child: its answer and its complaint, the first bytes of each, and whether it was too slow."""

    answer: bytes
    complaint: bytes
    is_late: bool


def _run_child(child: subprocess.Popen[bytes], job: bytes, time_s_max: int) -> _Ran:
    late = threading.Event()

    def kill() -> None:
        late.set()
        child.kill()

    alarm = threading.Timer(time_s_max, kill)
    alarm.start()
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        with suppress(BrokenPipeError), child.stdin:
            child.stdin.write(job)
        answer = child.stdout.read(SQL_ANSWER_BYTES_MAX + 1)
        complaint = child.stderr.read(COMPLAINT_BYTES_MAX)
        return _Ran(answer, complaint, late.is_set())
    finally:
        alarm.cancel()
        child.kill()  # it has said all that is heard


def _read(ran: _Ran, child: subprocess.Popen[bytes], time_s_max: int) -> Answer:
    if len(ran.answer) > SQL_ANSWER_BYTES_MAX:
        raise WindrowError("sql_limits", f"the answer has more than {SQL_ANSWER_BYTES_MAX // 10**6} MB")
    if ran.is_late:
        raise WindrowError("sql_limits", f"it ran longer than {time_s_max} s")
    try:
        reply = msgspec.json.decode(ran.answer, type=Answer | Refusal)
    except msgspec.DecodeError as error:  # it ended before it had said all
        raise fault_of(child.wait(), ran.complaint) from error
    if isinstance(reply, Refusal):
        raise WindrowError(reply.code, reply.detail)
    return reply


def _bury(child: subprocess.Popen[bytes]) -> None:
    """Close what was opened for a child, and wait for its end."""
    child.kill()
    with suppress(BrokenPipeError), child:
        pass


def fault_of(code: int, complaint: bytes) -> WindrowError:
    """Return what is to be said of a child that ended without an answer."""
    # By a signal: a limit on CPU or memory. By itself: a fault, of which the last line tells most.
    last = printable(complaint.decode(errors="replace").strip().rpartition("\n")[2])[:200]
    detail = f"its process ended with {code}" + (f": {last}" if last else "")
    return WindrowError("sql_limits" if code < 0 else "sql_failed", detail)
