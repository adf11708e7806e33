"""The lake: judged contributions as immutable Parquet files, listed by a manifest and never by a glob.

Rules: a file is written under a temporary name, made durable, renamed, and exists only once its row stands in
`lake_files`, in the same transaction as the cursor of whoever wrote it. Files that no row lists are swept at start.

Does not: decide what is in it (the pipeline does), update rows, or open Parquet from strangers.

Usage::

    file = lake.write(rows, first_seq, last_seq)
    with state.write() as connection:
        lake.commit(connection, file)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import sqlalchemy as sa

from storage.annotation_columns import ANNOTATION_COLUMNS
from storage.env import Env
from storage.state import insert_once
from storage.tables import lake_files

LAKE_SCHEMA = pa.schema(
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
        *((column.name, column.arrow) for column in ANNOTATION_COLUMNS),
    ]
)


@dataclass(frozen=True)
class LakeFile:
    """One immutable Parquet file of the lake; `path` is relative to the lake's folder."""

    path: str
    first_seq: int
    last_seq: int
    rows: int
    bytes: int
    sha256: str


class Lake:
    """The Parquet files below one folder."""

    def __init__(self, env: Env, folder: Path) -> None:
        self._env = env
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, rows: list[dict[str, Any]], first_seq: int, last_seq: int) -> LakeFile:
        """Write rows of `LAKE_SCHEMA` durably; the file is not part of the lake before `commit`."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.Table.from_pylist(rows, schema=LAKE_SCHEMA), sink, compression="zstd", write_page_index=True
        )
        data = sink.getvalue().to_pybytes()
        digest = hashlib.sha256(data).hexdigest()
        name = f"rows-{first_seq:012d}-{last_seq:012d}-{digest[:16]}.parquet"
        self._env.disk.write_durably(self.folder / name, data)
        return LakeFile(name, first_seq, last_seq, len(rows), len(data), digest)

    def commit(self, connection: sa.Connection, file: LakeFile) -> None:
        """List a written file, within the caller's transaction."""
        insert_once(
            connection,
            lake_files,
            path=file.path,
            first_seq=file.first_seq,
            last_seq=file.last_seq,
            rows=file.rows,
            bytes=file.bytes,
            sha256=file.sha256,
            added_at_ms=self._env.clock.now_ms(),
        )

    def files(self, connection: sa.Connection) -> list[Path]:
        """Return the listed files in the order of the log."""
        return listed_files(connection, self.folder)

    def dataset(self, connection: sa.Connection) -> pads.Dataset:
        """Return the lake as a pyarrow dataset (empty, but with its schema, when nothing is listed)."""
        files = self.files(connection)
        if not files:
            return pads.InMemoryDataset(LAKE_SCHEMA.empty_table())
        return pads.dataset([str(file) for file in files], schema=LAKE_SCHEMA, format="parquet")

    def sweep(self, connection: sa.Connection) -> list[str]:
        """Remove files that a crash left unlisted and return their names."""
        listed = {file.name for file in self.files(connection)}
        orphans = sorted(file.name for file in self.folder.iterdir() if file.name not in listed)
        for name in orphans:
            self._env.disk.remove(self.folder / name)
        return orphans


def listed_files(connection: sa.Connection, folder: Path) -> list[Path]:
    """Return the files that a lake's manifest lists, in the order of the log."""
    rows = connection.execute(sa.select(lake_files.c.path).order_by(lake_files.c.first_seq))
    return [folder / row.path for row in rows]
