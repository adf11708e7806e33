"""What a judgement leaves behind: rows of the state, and the row of the lake.

Rules: pure but for the inserts; all of them are made in the transaction of the judgement.

Does not: judge (`judgement`).

Usage: `record_judgement(connection, row, duplicate, note)`; `lake_row(row, text, duplicate, note, marked)`.
"""

from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.curation import Annotations
from aggregator.dedup import Duplicate, Marked
from storage.tables import annotations, boilerplate, duplicates


def hard_duplicate(row: Any) -> Duplicate:
    """Return the judgement of a page of a host that cannot be checked: kept, and never first."""
    return Duplicate("hard", row.contribution_id, row.contribution_id, 0.0, 0)


def record_judgement(connection: sa.Connection, row: Any, duplicate: Duplicate, note: Annotations) -> None:
    """Insert what a text was judged, by novelty and by curation."""
    connection.execute(
        sa.insert(duplicates).values(
            contribution_id=row.contribution_id,
            seq=row.seq,
            kind=duplicate.kind,
            cluster_id=duplicate.cluster_id,
            first_contribution_id=duplicate.first_contribution_id,
            similarity=duplicate.similarity,
            unique_bytes=duplicate.unique_bytes,
        )
    )
    connection.execute(
        sa.insert(annotations).values(contribution_id=row.contribution_id, seq=row.seq, **note.state)
    )


def record_boilerplate(connection: sa.Connection, row: Any, marked: Marked) -> None:
    """Insert which lines of a text are its host's."""
    lines, paragraphs = (
        msgspec.json.encode(numbers).decode() for numbers in (marked.lines, marked.paragraphs)
    )
    connection.execute(
        sa.insert(boilerplate).values(
            contribution_id=row.contribution_id,
            seq=row.seq,
            lines=lines,
            paragraphs=paragraphs,
            line_bytes=marked.line_bytes,
        )
    )


def lake_row(row: Any, text: str, duplicate: Duplicate, note: Annotations, marked: Marked) -> dict[str, Any]:
    """Return the row of `LAKE_SCHEMA` of a judged text."""
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
