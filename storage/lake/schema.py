"""The columns of the lake, and the order of its rows.

Rules: columns are only ever added, at the end, and may be null: a file written before a column existed reads as null
there, and nothing is rewritten for it. A column's type never changes. Rows are sorted by the time of their receipt.

Does not: say what a column means to people (`aggregator/sql/views.py` does). Usage: `LAKE_SCHEMA.names`.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from storage.tables.annotations import ANNOTATION_COLUMNS

LAKE_SCHEMA: Final = pa.schema(
    [
        ("seq", pa.int64()),
        ("contribution_id", pa.string()),
        ("node_id", pa.string()),
        ("payout_address", pa.string()),
        ("url", pa.string()),
        ("final_url", pa.string()),
        ("fetched_at_ms", pa.int64()),
        ("received_at_ms", pa.int64()),
        ("http_status", pa.int32()),
        ("content_type", pa.string()),
        ("robots_state", pa.string()),
        ("optout_signals", pa.list_(pa.string())),
        ("raw_sha256", pa.string()),
        ("text_sha256", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("extractor_version", pa.string()),
        ("verdict", pa.string()),
        ("verdict_reason", pa.string()),
        ("similarity", pa.float64()),
        ("dup_kind", pa.string()),
        ("dup_cluster_id", pa.string()),
        ("dup_first_id", pa.string()),
        ("dup_similarity", pa.float64()),
        ("unique_bytes", pa.int64()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("token_count", pa.int64()),
        ("license_detected", pa.string()),
        ("training_allowed", pa.bool_()),
        ("rights_reason", pa.string()),
        ("signals", pa.string()),
        ("source", pa.string()),
        ("warc_sha256", pa.string()),
        ("warc_record_id", pa.string()),
        *((column.name, column.arrow) for column in ANNOTATION_COLUMNS),
        ("boilerplate_lines", pa.list_(pa.int32())),
        ("boilerplate_paragraphs", pa.list_(pa.int32())),
    ]
)
TIME: Final = "received_at_ms"
ID: Final = "contribution_id"
ORDER: Final = (TIME, "seq")


def in_order(table: pa.Table) -> pa.Table:
    """Return the rows by the time of their receipt, then by their place in the log; those without a time last."""
    return table.sort_by([(name, "ascending") for name in ORDER])
