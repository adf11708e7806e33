"""`windrow sql`: asks the sandbox, and says how fresh the answer is.

Rules: works while the house runs and while it does not; only reads.

Does not: contain statements (see `aggregator.sql`). Usage: `answer, note = ask(settings, statement, "table")`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from aggregator.sql.console import show
from aggregator.sql.sandbox import run_query
from aggregator.sql.view_blocks import FOLDER, covered
from aggregator.sql.views import GROWING
from storage.lake import listed_files
from windrow.home import database_url, reading_state
from windrow.settings import HouseSettings


def ask(settings: HouseSettings, statement: str, form: str, at: int | None = None) -> tuple[str, str]:
    """Return the shown answer and the line that states its freshness.

    `at` is the snapshot of the lake that `documents` shows; the other views always show the state as it is. Raises
    WindrowError of the sandbox, or `no_snapshot`, `not_found` and `database_failed`.
    """
    began = time.monotonic()
    moment = datetime.now(UTC).isoformat(
        timespec="seconds"
    )  # before anything is read: never fresher than said
    with reading_state(settings) as connection:
        files = listed_files(connection, Path(settings.home) / "lake", at)
        blocks = covered(connection, Path(settings.home) / FOLDER, GROWING)
    answer = run_query(database_url(settings), files, statement, blocks=blocks)
    count = f"{len(answer.rows)} row" + ("" if len(answer.rows) == 1 else "s")
    cut = ", cut at the row limit" if answer.truncated else ""
    seconds = time.monotonic() - began
    lake = "" if at is None else f", documents of snapshot {at}"
    note = f"{count}{cut} as of {moment}, log entry {answer.log_seq}{lake}, in {seconds:.2f} s"
    return show(answer, form), note
