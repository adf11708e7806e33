"""What was measured of an export's rows while it was built: `measures.json`, which the manifest lists.

Rules: counts of rows and times of fetches, never an age, so that the same rows give the same bytes; who reads it takes
`created_at_ms` of the manifest for the time of the export. What a dataset has no column for is empty or None, which
means "not measured" and not zero. Of exports about people nothing is measured: their shape alone may say too much.

Does not: count, or draw.

Usage: `measures = decode_measures(body)`; `measures.row_tokens[0].rows`.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import TimeMs

MEASURES_FORMAT: Final = "windrow-measures-1"
MEASURES_NAME: Final = "measures.json"

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Label = Annotated[str, Meta(max_length=160)]
Bins = Annotated[list["Bin"], Meta(max_length=64)]
Counts = Annotated[dict[Label, Count], Meta(max_length=64)]


class Bin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bar of a plot: what it is of, in words, and its rows."""

    label: Label
    rows: Count


class DroppedBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one filter of the recipe left out: in all, and where no other filter did."""

    filter: Label
    about: Annotated[str, Meta(max_length=400)]
    rows: Count
    alone: Count


class FetchTimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the rows were fetched; the median to the minute, rounded down."""

    oldest_ms: TimeMs
    median_ms: TimeMs
    newest_ms: TimeMs


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs from the version before: rows that are new, gone, or sold with another text."""

    since: str
    rows_new: Count
    rows_gone: Count
    rows_replaced: Count
    recipe_changed: bool


class Measures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything measured of one version."""

    format: str
    recipe_sha256: str
    row_tokens: Bins
    language_scores: Bins
    cluster_sizes: Bins
    robots_states: Counts
    verdicts: Counts
    rows_with_optouts: Count | None
    rows_redacted: Count
    rows_dropped: Count
    dropped_by: Annotated[list[DroppedBy], Meta(max_length=256)]
    fetched: FetchTimes | None
    changes: Changes | None


def decode_measures(body: bytes) -> Measures:
    """Read a file of measures strictly. Raises WindrowError `export_corrupt`."""
    try:
        measures = msgspec.json.decode(body, type=Measures)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise WindrowError("export_corrupt", f"{MEASURES_NAME}: {error}"[:200]) from error
    if measures.format != MEASURES_FORMAT:
        raise WindrowError("export_corrupt", f"{MEASURES_NAME} is of format {measures.format!r}"[:120])
    return measures


def encode_measures(measures: Measures) -> bytes:
    """Return the bytes that are stored and listed by the manifest."""
    return msgspec.json.format(msgspec.json.encode(measures, order="sorted"), indent=1) + b"\n"
