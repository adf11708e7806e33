"""`windrow sql`: asks the sandbox, and says how fresh the answer is.

Rules: works while the house runs and while it does not; only reads.

Does not: contain statements (see `aggregator.sql`). Usage: `answer, note = ask(settings, statement, "table")`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from aggregator.sql.console import show
from aggregator.sql.sandbox import run_query
from aggregator.sql.served_files import LakeFiles
from aggregator.sql.view_blocks import FOLDER, covered
from aggregator.sql.views import GROWING
from storage.lake import listed_files
from storage.lake.manifest import files_of
from windrow.home import database_url, disk_of, reading_state, usable_files
from windrow.settings import HouseSettings


def ask(settings: HouseSettings, statement: str, form: str, at: int | None = None) -> tuple[str, str]:
    """Return the shown answer and the line that states its freshness.

    `at` is the snapshot of the lake that `documents` shows; the other views always show the state as it is. Raises
    WindrowError of the sandbox, or `no_snapshot`, `not_found`, `database_failed` and `files_failed`.
    """
    began = time.monotonic()
    moment = datetime.now(UTC).isoformat(
        timespec="seconds"
    )  # before anything is read: never fresher than said
    with reading_state(settings) as connection:
        files = _lake_files(settings, connection, at)
        blocks = covered(connection, Path(settings.home) / FOLDER, GROWING)
    with usable_files(settings):
        answer = run_query(database_url(settings), files, statement, blocks=blocks)
    count = f"{len(answer.rows)} row" + ("" if len(answer.rows) == 1 else "s")
    cut = ", cut at the row limit" if answer.truncated else ""
    seconds = time.monotonic() - began
    lake = "" if at is None else f", documents of snapshot {at}"
    note = f"{count}{cut} as of {moment}, log entry {answer.log_seq}{lake}, in {seconds:.2f} s"
    return show(answer, form), note


def _lake_files(settings: HouseSettings, connection: sa.Connection, at: int | None) -> LakeFiles:
    folder = Path(settings.home) / "lake"
    if not settings.files:
        return LakeFiles(listed_files(connection, folder, at))
    return LakeFiles([file.path for file in files_of(connection, at)], disk_of(settings).arrow(folder))
