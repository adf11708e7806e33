"""The rows of an export about people: finished like all rows, and proven without naming anybody.

Rules: the recipe's SQL sees the view of `donated`, or the private counts of `private_counts`, and nothing else. What is
proven of a row is its digest, under the manifest's signature; who gave it, and which month is paid, is handed back as
values and kept in the house. An export is adopted only while nothing of it was taken back: whatever is withdrawn while
it is built stops it.

Does not: judge months, sign, or pay.

Usage::

    data = read_people(house, vault.read, salt, terms)
    built, failures = build_people(recipe, data, folder, None)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import sqlalchemy as sa

from aggregator.publish.build_folder import BuiltFolder, Progress, build_data
from aggregator.publish.donated import Donated, Read, Source, read_donated
from aggregator.publish.interests import read_interests
from aggregator.publish.private_counts import monthly_counts
from aggregator.publish.recipe import PeopleTerms, Recipe
from aggregator.publish.rows import BATCH_ROWS, CheckFailure, Redact, RowBatch, open_engine, run_checks
from extension_bridge.redaction import redact
from storage.house import House
from storage.tables.person_months import export_donations, export_months
from storage.tables.personal import withdrawals
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import row_sha256

_FILLED_IN: Final = ("content_sha256", "pii_redactions")
_WITHOUT_NAMES: Final = dict.fromkeys(
    ("contribution_id", "node_id", "lease_id", "payout_address", "receipt", "verdict"), ""
)
_IDS_AT_ONCE: Final = 5_000


@dataclass
class PeopleData:
    """What one build about people reads, and what stands behind the rows that were sold."""

    views: dict[str, pa.Table]
    sources: dict[str, Source]
    everybody: bool  # an aggregate is from every row that was read, not from those of the same id
    sold: dict[str, Source] = field(default_factory=dict)

    def note(self, row_id: str) -> None:
        """Note that a row is sold. Raises WindrowError `checks_failed` for one that is from nowhere."""
        if self.everybody:
            return
        if row_id not in self.sources:
            raise WindrowError("checks_failed", f"row {row_id[:64]} is from no donation")
        self.sold[row_id] = self.sources[row_id]

    def behind(self) -> Mapping[str, Source]:
        """Return what stands behind the export."""
        return self.sources if self.everybody else self.sold


def read_people(house: House, read: Read | None, salt: bytes, terms: PeopleTerms) -> PeopleData:
    """Read what a recipe about people may see. For counts the answer is spent for here.

    Raises WindrowError `nothing_to_publish` where donations cannot be opened, `too_large`.
    """
    if read is None:
        raise WindrowError("nothing_to_publish", "donations cannot be opened here")
    if terms.of == "interests":
        interests = read_interests(house, read, salt)
        return PeopleData({"donated": interests.table}, interests.sources, everybody=False)
    donated = read_donated(house, read, salt)
    if terms.of == "visits":
        return PeopleData({"donated": donated.table}, donated.sources, everybody=False)
    counted = monthly_counts(house, _visited(donated), epsilon_micro=terms.epsilon_micro)
    return PeopleData({"counted": counted}, donated.sources, everybody=True)


def build_people(
    recipe: Recipe, data: PeopleData, folder: Path, progress: Progress | None
) -> tuple[BuiltFolder, list[CheckFailure]]:
    """Fill a folder with an export about people, of nothing but what was read; return it with the checks it fails."""
    people_min = {"people_min": recipe.settings.people.people_min if recipe.settings.people else 0}
    engine = open_engine(recipe, people_min, **data.views)
    built = build_data(folder, recipe, people_batches(engine, recipe, data, redact), progress)
    shards = [str(folder / shard.path) for shard in built.shards]
    rows = pads.dataset(shards, schema=recipe.schema) if shards else recipe.schema.empty_table()
    engine = open_engine(recipe, people_min, export=rows, **data.views)
    return built, run_checks(engine, recipe.checks)


def people_batches(
    engine: duckdb.DuckDBPyConnection, recipe: Recipe, data: PeopleData, redact: Redact
) -> Iterator[RowBatch]:
    """Run the recipe and yield finished rows. Raises WindrowError `bad_recipe` or `checks_failed`."""
    names = recipe.schema.names
    try:
        reader = engine.execute(recipe.build_sql).to_arrow_reader(BATCH_ROWS)
        if sorted(reader.schema.names) != sorted(name for name in names if name not in _FILLED_IN):
            raise WindrowError("bad_recipe", f"build.sql and recipe.toml differ: {reader.schema.names}"[:300])
        for batch in reader:
            rows, proofs = [], []
            for found in batch.to_pylist():
                row = _finished(found, names, redact)
                data.note(row["id"])
                rows.append(row)
                proofs.append(_proof(row))
            yield RowBatch(rows, proofs, 0, [])
    except duckdb.Error as error:
        raise WindrowError("bad_recipe", f"build.sql: {error}"[:500]) from error


def keep_behind(connection: sa.Connection, dataset: str, version: str, data: PeopleData) -> None:
    """Write down, with the export's own row, whose months it sold and what each row is from.

    Raises WindrowError `withdrawn` when something of it was taken back while it was built.
    """
    behind = data.behind()
    ids = sorted({source.contribution_id for source in behind.values()})
    for start in range(0, len(ids), _IDS_AT_ONCE):
        gone = withdrawals.c.contribution_id.in_(ids[start : start + _IDS_AT_ONCE])
        if connection.execute(sa.select(withdrawals.c.contribution_id).where(gone).limit(1)).first():
            raise WindrowError("withdrawn", f"{dataset} {version}: while it was built; publish again")
    named = {"dataset": dataset, "version": version}
    rows = [
        {**named, "row_id": row_id, "contribution_id": source.contribution_id}
        for row_id, source in sorted(data.sold.items())
    ]
    months: defaultdict[str, int] = defaultdict(int)
    for source in behind.values():
        months[source.job_id] += 1
    if rows:
        connection.execute(sa.insert(export_donations), rows)
    connection.execute(
        sa.insert(export_months),
        [{**named, "job_id": job_id, "rows": count} for job_id, count in sorted(months.items())],
    )


def _finished(found: dict[str, Any], names: list[str], redact: Redact) -> dict[str, Any]:
    redacted = redact(found["text"])
    found["text"] = redacted.text
    found["content_sha256"] = text_sha256(redacted.text)
    found["pii_redactions"] = sum(redacted.findings.values())
    return {name: found[name] for name in names}


def _proof(row: dict[str, Any]) -> dict[str, Any]:
    digests = {"row_sha256": row_sha256(row), "text_sha256": row["content_sha256"]}
    return {"id": row["id"], **_WITHOUT_NAMES, **digests, "redactions": "{}"}


def _visited(donated: Donated) -> dict[str, dict[str, set[str]]]:
    """Return who went where, by month."""
    months: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in donated.table.select(["id", "month", "host"]).to_pylist():
        if row["host"]:
            months[row["month"]][donated.sources[row["id"]].person].add(row["host"])
    return {month: dict(people) for month, people in months.items()}
