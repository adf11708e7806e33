"""What a judgement leaves behind: rows of the state, and the row of the lake.

Rules: pure but for the inserts; all of them are made in the transaction of the judgement.

Does not: judge (`judgement`).

Usage: `record(connection, judged)`; `lake.write([lake_row(each) for each in judged], first_seq, last_seq)`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from aggregator.curation import Annotations
from aggregator.dedup import Duplicate, Marked
from storage.tables.contributions import annotations, boilerplate, duplicates


def hard_duplicate(row: Any) -> Duplicate:
    """Return the judgement of a page of a host that cannot be checked: kept, and never first."""
    return Duplicate("hard", row.contribution_id, row.contribution_id, 0.0, 0)


class Judged(NamedTuple):
    """A text's row of `contributions` (with its verdict and origin), the text, and all that was judged of it."""

    row: Any
    text: str
    duplicate: Duplicate
    note: Annotations
    marked: Marked


def record(connection: sa.Connection, judged: Sequence[Judged]) -> None:
    """Insert what texts were judged, by novelty and by curation, and which of their lines are their hosts'."""
    if judged:
        connection.execute(sa.insert(duplicates), [_novelty_row(each) for each in judged])
        connection.execute(sa.insert(annotations), [{**_key(each), **each.note.state} for each in judged])
        connection.execute(sa.insert(boilerplate), [_boilerplate_row(each) for each in judged])


def _key(each: Judged) -> dict[str, Any]:
    return {"contribution_id": each.row.contribution_id, "seq": each.row.seq}


def _novelty_row(each: Judged) -> dict[str, Any]:
    found = each.duplicate
    return {
        **_key(each),
        "kind": found.kind,
        "cluster_id": found.cluster_id,
        "first_contribution_id": found.first_contribution_id,
        "similarity": found.similarity,
        "unique_bytes": found.unique_bytes,
    }


def _boilerplate_row(each: Judged) -> dict[str, Any]:
    return {
        **_key(each),
        "lines": msgspec.json.encode(each.marked.lines).decode(),
        "paragraphs": msgspec.json.encode(each.marked.paragraphs).decode(),
        "line_bytes": each.marked.line_bytes,
    }


def lake_row(each: Judged) -> dict[str, Any]:
    """Return the row of `LAKE_SCHEMA` of a judged text."""
    row, text, duplicate, note, marked = each
    return {
        "seq": row.seq,
        "contribution_id": row.contribution_id,
        "node_id": row.node_id,
        "payout_address": row.payout_address,
        "url": row.url,
        "final_url": row.final_url,
        "fetched_at_ms": row.fetched_at_ms,
        "received_at_ms": row.received_at_ms,
        "http_status": row.http_status,
        "content_type": row.content_type,
        "robots_state": row.robots_state,
        "optout_signals": msgspec.json.decode(row.optout_signals),
        "raw_sha256": row.raw_sha256,
        "text_sha256": row.text_sha256,
        "title": row.title,
        "text": text,
        "extractor_version": row.extractor_version,
        "verdict": row.verdict,
        "verdict_reason": row.reason,
        "similarity": row.similarity,
        "dup_kind": duplicate.kind,
        "dup_cluster_id": duplicate.cluster_id,
        "dup_first_id": duplicate.first_contribution_id,
        "dup_similarity": duplicate.similarity,
        "unique_bytes": duplicate.unique_bytes,
        **note.columns,
        "source": "lease" if row.record_id is None else "import",
        "warc_sha256": row.file_sha256,
        "warc_record_id": row.record_id,
        "boilerplate_lines": marked.lines,
        "boilerplate_paragraphs": marked.paragraphs,
    }
