"""Counts what a buyer wants to see of an export before paying: lengths, duplicates, rights, fetch times, changes.

Rules: counted while the rows pass by, in a few hundred numbers however many rows there are. A column that a dataset
does not have is not measured, which is not the same as zero. What changed since the version before is asked of the two
files of provenance, by row id and digest of the text.

Does not: keep a row, judge one, or measure exports about people.

Usage::

    counts = RowCounts()
    counts.count(row)
    body = encode_measures(measures_of(recipe, counts, dropped, changes))
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.dataset as pads

from aggregator.publish.filters import Dropped
from aggregator.publish.recipe import Recipe
from storage.outages import FilesAwayError
from storage.published import PublishedFiles
from windrow_protocol.errors import WindrowError
from windrow_protocol.export_measures import (
    MEASURES_FORMAT,
    MEASURES_NAME,
    Bin,
    Changes,
    DroppedBy,
    FetchTimes,
    Measures,
    decode_measures,
)
from windrow_protocol.exports import PROVENANCE_NAME

TOKEN_STEPS: Final = (128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384)
CLUSTER_STEPS: Final = (2, 3, 5, 9, 17, 33)  # the first size that is no more in the bin
_TENTHS: Final = 10
_MINUTE_MS: Final = 60_000
_CHANGED: Final = """
SELECT count(*) FILTER (old.id IS NULL), count(*) FILTER (new.id IS NULL),
       count(*) FILTER (old.text_sha256 <> new.text_sha256)
FROM new_rows AS new FULL JOIN old_rows AS old USING (id)
"""


@dataclass
class RowCounts:
    """What was counted of the rows so far; a counter stays empty where there is no such column."""

    tokens: Counter[int] = field(default_factory=Counter)
    scores: Counter[int] = field(default_factory=Counter)
    clusters: Counter[int] = field(default_factory=Counter)
    robots: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    minutes: Counter[int] = field(default_factory=Counter)
    optouts: int | None = None
    redacted: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0

    def count(self, row: dict[str, Any]) -> None:
        """Count one row that is sold."""
        self.tokens[_step(row["token_count"], TOKEN_STEPS)] += 1
        self.redacted += bool(row["pii_redactions"])
        if row.get("language_score") is not None:
            self.scores[min(int(row["language_score"] * _TENTHS), _TENTHS - 1)] += 1
        if row.get("dup_cluster_size") is not None:
            self.clusters[_step(row["dup_cluster_size"], CLUSTER_STEPS)] += 1
        if "robots_state" in row:
            self.robots[row["robots_state"] or "unknown"] += 1
        if "verdict" in row:
            self.verdicts[row["verdict"] or "unknown"] += 1
        if "optout_signals" in row:
            self.optouts = (self.optouts or 0) + bool(row["optout_signals"])
        if row.get("fetched_at") is not None:
            self._fetched(row["fetched_at"])

    def _fetched(self, at: int | datetime) -> None:
        at_ms = round(at.timestamp() * 1000) if isinstance(at, datetime) else at
        self.oldest_ms = min(at_ms, self.oldest_ms or at_ms)
        self.newest_ms = max(at_ms, self.newest_ms)
        self.minutes[at_ms // _MINUTE_MS] += 1

    def fetch_times(self) -> FetchTimes | None:
        """Return when the rows were fetched, None where that is not measured."""
        if not self.minutes:
            return None
        minutes, seen = sorted(self.minutes), accumulate(self.minutes[at] for at in sorted(self.minutes))
        half = (self.minutes.total() + 1) // 2
        median = next(minute for minute, rows in zip(minutes, seen, strict=True) if rows >= half)
        return FetchTimes(self.oldest_ms, max(median * _MINUTE_MS, self.oldest_ms), self.newest_ms)


def measures_of(recipe: Recipe, counts: RowCounts, dropped: Dropped, changes: Changes | None) -> Measures:
    """Return what was counted as the file has it."""
    abouts = {name: each.about for name, each in recipe.settings.filters.items()}
    by_filter = [DroppedBy(about=abouts.get(each["filter"], ""), **each) for each in dropped.table()]
    return Measures(
        format=MEASURES_FORMAT,
        recipe_sha256=recipe.sha256,
        row_tokens=_bins(counts.tokens, _ranges((0, *TOKEN_STEPS))),
        language_scores=_bins(
            counts.scores, [f"{n / _TENTHS:.1f}–{(n + 1) / _TENTHS:.1f}" for n in range(10)]
        ),
        cluster_sizes=_bins(counts.clusters, _ranges((1, *CLUSTER_STEPS))),
        robots_states=dict(sorted(counts.robots.items())),
        verdicts=dict(sorted(counts.verdicts.items())),
        rows_with_optouts=counts.optouts,
        rows_redacted=counts.redacted,
        rows_dropped=dropped.rows,
        dropped_by=by_filter,
        fetched=counts.fetch_times(),
        changes=changes,
    )


def changes_since(folder: Path, earlier: PublishedFiles, recipe: Recipe) -> Changes:
    """Return how what is built in `folder` differs from an `earlier` version.

    The recipe counts as changed where the earlier version does not say by which one it was made.
    Raises WindrowError `export_corrupt` when the earlier version's files cannot be read.
    """
    columns, new = ["id", "text_sha256"], pads.dataset(folder / PROVENANCE_NAME)
    try:
        with earlier.scanned([PROVENANCE_NAME]) as old, duckdb.connect(config={"threads": 1}) as engine:
            engine.execute("SET enable_external_access = false")
            engine.register("old_rows", old.scanner(columns=columns).to_reader())
            engine.register("new_rows", new.scanner(columns=columns).to_reader())
            found = engine.execute(_CHANGED).fetchone() or (0, 0, 0)
        made_by = None
        if earlier.has(MEASURES_NAME):
            made_by = decode_measures(earlier.read(MEASURES_NAME)).recipe_sha256
    except FilesAwayError:
        raise
    except (OSError, ValueError, duckdb.Error) as error:
        raise WindrowError("export_corrupt", f"{earlier.folder}: {error}"[:200]) from error
    fresh, gone, replaced = found
    return Changes(earlier.folder.name, fresh, gone, replaced, recipe_changed=made_by != recipe.sha256)


def _step(value: int, steps: tuple[int, ...]) -> int:
    return sum(value >= step for step in steps)


def _ranges(starts: tuple[int, ...]) -> list[str]:
    """Name the ranges that begin at these numbers: `2`, `3–4`, …, and the last one without an end."""
    named = [f"{low:,}" if high == low + 1 else f"{low:,}–{high - 1:,}" for low, high in pairwise(starts)]
    return [*named, f"{starts[-1]:,} or more"]


def _bins(counts: Counter[int], labels: list[str]) -> list[Bin]:
    return [Bin(label, counts[at]) for at, label in enumerate(labels)] if counts else []
