"""The views about the lake itself: its snapshots, what was erased from it, what was imported.

Rules: as in `views`, which lists them. Does not: read the lake (`documents` does).

Usage: `from aggregator.sql.lake_views import LAKE_VIEWS`.
"""

from __future__ import annotations

from typing import Final

from aggregator.sql.view_table import TEXT, TIME, WHOLE, Column, View
from storage.tables import lake as t

_s, _e, _i = t.lake_snapshots.c, t.erasures.c, t.imports.c

LAKE_VIEWS: Final = (
    View(
        "snapshots",
        "every kept state of the lake; `windrow sql --at` asks one of them",
        (
            Column("snapshot_id", WHOLE, "its number", _s.snapshot_id),
            Column("kind", TEXT, "append, compact or erase: what made it", _s.kind),
            Column("files", WHOLE, "files it has", _s.files),
            Column("rows", WHOLE, "rows it has; fewer than once when some were erased", _s["rows"]),
            Column("bytes", WHOLE, "bytes of its files", _s.bytes),
            Column("made_at", TIME, "when", _s.made_at_ms),
        ),
        t.lake_snapshots,
    ),
    View(
        "erasures",
        "every document whose text was erased",
        (
            Column("contribution_id", TEXT, "which", _e.contribution_id),
            Column("seq", WHOLE, "its place in the log", _e.seq),
            Column("reason", TEXT, "why, in the operator's words", _e.reason),
            Column("state", TEXT, "wanted, or done when its bytes are gone", _e.state),
            Column("asked_at", TIME, "when it was asked for", _e.asked_at_ms),
            Column("done_at", TIME, "when its bytes were gone", _e.done_at_ms),
        ),
        t.erasures,
    ),
    View(
        "imports",
        "every document that the operator imported",
        (
            Column(
                "contribution_id",
                TEXT,
                "its id, which follows from record, URL and payload",
                _i.contribution_id,
            ),
            Column("seq", WHOLE, "its place in the log", _i.seq),
            Column("record_id", TEXT, "WARC-Record-ID", _i.record_id),
            Column("file_sha256", TEXT, "digest of the file", _i.file_sha256),
            Column("file_name", TEXT, "its name then", _i.file_name),
            Column("imported_at", TIME, "when", _i.imported_at_ms),
        ),
        t.imports,
    ),
)
