"""Fills a temporary folder with an export's Parquet: data, provenance, shares and the free sample.

Rules: rows stream through in bounded batches; the same rows always give the same bytes, named together by
`content_sha256`. Shares count at most `ROW_TOKENS_MAX` tokens a row, so that one huge page cannot take a sale.

Does not: check, sign, name the version, or touch the state.

Usage: `built = build_data(folder, recipe, batches, progress)`.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from aggregator.publish.card import ExportFacts
from aggregator.publish.recipe import Recipe
from aggregator.publish.rows import PROVENANCE_SCHEMA, RowBatch
from aggregator.publish.shards import GroupedFile, ShardWriter, write_parquet
from windrow_protocol.exports import PROVENANCE_NAME, SAMPLE_NAME, SHARES_NAME, ManifestFile
from windrow_protocol.limits import ROW_TOKENS_MAX, SAMPLE_ROWS, SAMPLE_TEXT_CHARS_MAX

Progress = Callable[[str, int], None]
SHARES_SCHEMA = pa.schema([("payout_address", pa.string()), ("tokens", pa.int64()), ("rows", pa.int64())])


@dataclass(frozen=True)
class BuiltFolder:
    """A filled folder. `files` lists data, provenance, shares and sample with their digests."""

    folder: Path
    facts: ExportFacts
    files: tuple[ManifestFile, ...]
    content_sha256: str

    @property
    def shards(self) -> list[ManifestFile]:
        """The files of the training split."""
        return [file for file in self.files if file.path.startswith("data/")]


@dataclass
class _Tally:
    """What is counted while rows pass by."""

    facts: ExportFacts = field(default_factory=ExportFacts)
    tokens: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    rows: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    # a heap, largest digest first
    sample: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)

    def count(self, row: dict[str, Any], proof: dict[str, Any]) -> None:
        facts, payout = self.facts, proof["payout_address"]
        facts.rows += 1
        facts.tokens += row["token_count"]
        facts.text_bytes += len(row["text"].encode())
        facts.redactions += row["pii_redactions"] or 0
        facts.redacted_rows += bool(row["pii_redactions"])
        facts.languages[row["language"]] += 1
        facts.hosts[urlsplit(row.get("url") or "").netloc] += 1
        facts.licences[row.get("license_detected") or ""] += 1
        facts.counts.count(row)
        self.tokens[payout] += min(row["token_count"], ROW_TOKENS_MAX)
        self.rows[payout] += 1
        self._consider(row)

    def _consider(self, row: dict[str, Any]) -> None:
        """Keep the rows whose digest of the id is smallest: a sample nobody chose, the same on every run."""
        if len(row["text"]) > SAMPLE_TEXT_CHARS_MAX:
            return
        rank = -int.from_bytes(hashlib.sha256(row["id"].encode()).digest()[:8], "big")
        heapq.heappush(self.sample, (rank, self.facts.rows, row))
        if len(self.sample) > SAMPLE_ROWS:
            heapq.heappop(self.sample)


def build_data(
    folder: Path, recipe: Recipe, batches: Iterable[RowBatch], progress: Progress | None = None
) -> BuiltFolder:
    """Write all Parquet files of an export below `folder` and return what was counted."""
    schema, tally = recipe.schema, _Tally()
    shards = ShardWriter(folder / "data", schema, recipe.settings.shard_bytes)
    provenance = GroupedFile(folder / PROVENANCE_NAME, PROVENANCE_SCHEMA)
    for batch in batches:
        places = shards.add(pa.Table.from_pylist(batch.rows, schema=schema))
        placed = [
            {**proof, "shard": shard, "row": row}
            for proof, (shard, row) in zip(batch.provenance, places, strict=True)
        ]
        provenance.add(pa.Table.from_pylist(placed, schema=PROVENANCE_SCHEMA))
        for row, proof in zip(batch.rows, batch.provenance, strict=True):
            tally.count(row, proof)
        tally.facts.left_out += batch.left_out
        for names in batch.dropped:
            tally.facts.dropped.count(names)
        if progress is not None:
            progress("rows", tally.facts.rows)
    provenance.close()
    named = shards.finish()
    tally.facts.row_bytes = shards.row_bytes
    return _list_files(folder, schema, tally, named)


def _list_files(folder: Path, schema: pa.Schema, tally: _Tally, named: list[tuple[str, int]]) -> BuiltFolder:
    shares = [
        {"payout_address": payout, "tokens": tally.tokens[payout], "rows": tally.rows[payout]}
        for payout in sorted(tally.rows)
    ]
    sample = [row for _, _, row in sorted(tally.sample, key=lambda kept: kept[1])]
    write_parquet(folder / SHARES_NAME, pa.Table.from_pylist(shares, schema=SHARES_SCHEMA))
    write_parquet(folder / SAMPLE_NAME, pa.Table.from_pylist(sample, schema=schema))
    counted = [(f"data/{name}", rows) for name, rows in named]
    counted += [
        (PROVENANCE_NAME, tally.facts.rows),
        (SHARES_NAME, len(shares)),
        (SAMPLE_NAME, len(sample)),
    ]
    files = tuple(list_file(folder, path, rows) for path, rows in counted)
    tally.facts.data_bytes = sum(file.bytes for file in files if file.path.startswith("data/"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path} {file.sha256}\n".encode())
    return BuiltFolder(folder, tally.facts, files, digest.hexdigest())


def list_file(folder: Path, path: str, rows: int = 0) -> ManifestFile:
    """Return the manifest's entry for a file that was written."""
    with (folder / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ManifestFile(path, (folder / path).stat().st_size, digest, rows)
