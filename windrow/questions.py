"""`windrow sql` and the console: asks the sandbox, and says how fresh the answer is.

Rules: works while the house runs and while it does not; only reads.

Does not: contain statements (see `aggregator.sql`). Usage: `answer, note = ask(settings, statement, "table")`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from aggregator.sql.children import Leash
from aggregator.sql.console import show
from aggregator.sql.job import Answer, Job
from aggregator.sql.sandbox import job_of, run_job
from aggregator.sql.served_files import LakeFiles
from aggregator.sql.streaming import ColumnStream
from aggregator.sql.view_blocks import FOLDER, covered
from aggregator.sql.views import GROWING
from storage.lake import listed_files
from storage.lake.manifest import files_of, latest_snapshot
from windrow.home import database_url, disk_of, reading_state, usable_files
from windrow.settings import HouseSettings
from windrow_protocol.limits import SQL_STREAM_BYTES_MAX, SQL_STREAM_TIME_S_MAX

FORMS: Final = ("table", "json", "csv", "parquet")


class Question(NamedTuple):
    """A statement, and what it is asked of."""

    statement: str
    at: int | None = None  # snapshot of the lake that `documents` shows; None: the newest
    explain: bool = False


class Prepared(NamedTuple):
    """A question with its data found. `as_of` is before anything was read: no answer is less fresh than it says."""

    job: Job
    lake: LakeFiles
    as_of: str
    snapshot: int


def prepare(settings: HouseSettings, question: Question) -> Prepared:
    """Find a question's data.

    Raises WindrowError `sql_refused`, `no_snapshot`, `no_house` and `database_failed`.
    """
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    with reading_state(settings) as connection:
        snapshot = latest_snapshot(connection) if question.at is None else question.at
        lake = _lake_files(settings, connection, question.at)
        blocks = covered(connection, Path(settings.home) / FOLDER, GROWING)
    job = job_of(database_url(settings), lake, question.statement, blocks)
    return Prepared(msgspec.structs.replace(job, explain=question.explain), lake, moment, snapshot)


def ask(settings: HouseSettings, question: Question, form: str) -> tuple[str, str]:
    """Return the shown answer and the line that states its freshness.

    Raises WindrowError of the sandbox, or `no_snapshot`, `no_house`, `database_failed` and `files_failed`.
    """
    began = time.monotonic()
    prepared = prepare(settings, question)
    with usable_files(settings):
        answer = run_job(prepared.job, lake=prepared.lake)
    seconds = time.monotonic() - began
    if question.explain:
        return plan_of(answer), freshness(answer, prepared, question, seconds)
    return show(answer, form), freshness(answer, prepared, question, seconds)


def plan_of(answer: Answer) -> str:
    """Return an explained question's plan as text."""
    return "\n".join(str(row[-1]) for row in answer.rows)


def write_parquet(settings: HouseSettings, question: Question, out: BinaryIO) -> str:
    """Write the answer as a Parquet file and return the line that states its freshness. Raises as `ask` does."""
    prepared = prepare(settings, question)
    with usable_files(settings), by_columns(prepared, "parquet", Leash()) as stream:
        while part := stream.read():
            out.write(part)
        lake = f"documents of snapshot {prepared.snapshot}"
        return f"as of {prepared.as_of}, log entry {stream.head.log_seq}, {lake}"


def freshness(answer: Answer, prepared: Prepared, question: Question, seconds: float) -> str:
    """Return the line that says how many rows an answer has and how fresh they are."""
    count = f"{len(answer.rows)} row" + ("" if len(answer.rows) == 1 else "s")
    cut = ", cut at the row limit" if answer.truncated else ""
    lake = "" if question.at is None else f", documents of snapshot {question.at}"
    return f"{count}{cut} as of {prepared.as_of}, log entry {answer.log_seq}{lake}, in {seconds:.2f} s"


def by_columns(prepared: Prepared, form: Literal["arrow", "parquet"], leash: Leash) -> ColumnStream:
    """Begin an answer as Arrow or Parquet, which says in its metadata how fresh it is.

    Arrow is sent while it is made, so it may take longer and be larger. Raises WindrowError of the sandbox.
    """
    facts = {"windrow.as_of": prepared.as_of, "windrow.snapshot": str(prepared.snapshot)}
    job = msgspec.structs.replace(prepared.job, form=form, facts=facts)
    if form == "arrow":
        job = msgspec.structs.replace(
            job, time_s_max=SQL_STREAM_TIME_S_MAX, answer_bytes_max=SQL_STREAM_BYTES_MAX
        )
    return ColumnStream(job, leash, prepared.lake)


def _lake_files(settings: HouseSettings, connection: sa.Connection, at: int | None) -> LakeFiles:
    folder = Path(settings.home) / "lake"
    if not settings.files:
        return LakeFiles(listed_files(connection, folder, at))
    return LakeFiles([file.path for file in files_of(connection, at)], disk_of(settings).arrow(folder))
