"""From the lake to the rows of an export, each with its provenance beside it.

Rules: `build.sql` runs in DuckDB over the registered lake and the list of what may be sold, and nothing else: no file,
no network, no extension. Rows that the recipe's filters drop come with the names of those, and are counted and left.
The publisher adds what SQL cannot know: the salted pseudonym, the redaction, and the signed
receipt and verdict. A row without both signatures stops everything; a text that cannot be redacted (a page may be made
so on purpose) is left out and counted. Rows come in the order the recipe gives, in bounded batches.

Does not: write files, judge documents, or sign.

Usage: `for batch in build_rows(engine, recipe, evidence, pseudonym, redact): ...`
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import duckdb
import msgspec
import pyarrow as pa
import sqlalchemy as sa

from aggregator.publish.filters import DROPPED_BY, curated_view
from aggregator.publish.recipe import PUBLISHER_COLUMNS, Check, Recipe
from extension_bridge.redaction import Redacted
from storage.runner import LocalRunner, Runner
from storage.tables.contributions import contributions, nodes, submissions, verdicts
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import row_sha256

BATCH_ROWS: Final = 256
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,62}")

PROVENANCE_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("contribution_id", pa.string()),
        ("node_id", pa.string()),
        ("lease_id", pa.string()),
        ("payout_address", pa.string()),
        ("row_sha256", pa.string()),
        ("text_sha256", pa.string()),
        ("redactions", pa.string()),
        ("receipt", pa.string()),
        ("verdict", pa.string()),
    ]
)

Redact = Callable[[str], Redacted]


@dataclass(frozen=True)
class Evidence:
    """What is signed about one contribution, and who is paid for it: nobody for a truth that took another's place."""

    contribution_id: str
    node_id: str
    lease_id: str
    payout_address: str
    receipt: str
    verdict: str


@dataclass(frozen=True)
class RowBatch:
    """Some rows to sell and, in the same order, their provenance without `shard` and `row`."""

    rows: list[dict[str, Any]]
    provenance: list[dict[str, Any]]
    left_out: int
    dropped: list[list[str]]  # of rows that filters dropped: which ones


def open_engine(
    recipe: Recipe, variables: Mapping[str, int] = MappingProxyType({}), **views: Any
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection that sees only the given Arrow views and variables, thresholds and filters.

    Beside `lake` there is `curated`, the same rows with `dropped_by`. Raises WindrowError `bad_recipe`.
    """
    engine = duckdb.connect()
    engine.execute("SET autoinstall_known_extensions = false")
    engine.execute("SET autoload_known_extensions = false")
    if recipe.settings.people:
        # what does not fit into memory is refused, never laid on the disk
        engine.execute("SET temp_directory = ''")
    engine.execute("SET enable_external_access = false")
    for name, value in {**recipe.settings.thresholds, **variables}.items():
        if not _VARIABLE.fullmatch(name):
            raise WindrowError("bad_recipe", f"recipe.toml: the threshold's name {name!r}")
        engine.execute(f"SET VARIABLE {name} = {_literal(value)}")
    for name, view in views.items():
        engine.register(name, view)
    if "lake" in views:
        engine.execute(curated_view(recipe.settings.filters))
    return engine


def _literal(value: int | float | str | bool) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def pseudonym_for(salt: bytes, payout_address: str) -> str:
    """Return a contributor's name within one dataset; without the salt it leads nowhere."""
    return "w" + hmac.new(salt, payout_address.lower().encode(), hashlib.sha256).hexdigest()[:20]


def read_evidence(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Evidence]:
    """Return the signed evidence of some contributions by id; those without both signatures are absent."""
    statement = (
        sa.select(
            contributions.c.contribution_id,
            contributions.c.node_id,
            contributions.c.lease_id,
            sa.case((contributions.c.kind == "truth", ""), else_=nodes.c.payout_address).label(
                "payout_address"
            ),
            submissions.c.receipt,
            verdicts.c.jws.label("verdict"),
        )
        .join(submissions, submissions.c.seq == contributions.c.seq)
        .join(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
        .join(nodes, nodes.c.node_id == contributions.c.node_id)
        .where(contributions.c.contribution_id.in_(ids))
    )
    rows = connection.execute(statement).mappings()
    return {row["contribution_id"]: Evidence(**row) for row in rows}


def build_rows(
    engine: duckdb.DuckDBPyConnection,
    recipe: Recipe,
    evidence_of: Callable[[Sequence[str]], dict[str, Evidence]],
    salt: bytes,
    redact: Redact,
    runner: Runner | None = None,
) -> Iterator[RowBatch]:
    """Run the recipe and yield finished rows. Raises WindrowError `bad_recipe` or `checks_failed`."""
    finish = partial(finish_rows, recipe.schema, salt, redact)
    try:
        yield from (runner or LocalRunner()).map(finish, _built_rows(engine, recipe, evidence_of))
    except duckdb.Error as error:
        raise WindrowError("bad_recipe", f"build.sql: {error}"[:500]) from error


class BuiltRows(NamedTuple):
    """Some rows as the recipe built them, what is signed about each, and the filters of each row that is dropped."""

    rows: list[dict[str, Any]]
    evidence: dict[str, Evidence]
    dropped: list[list[str]]


def _built_rows(
    engine: duckdb.DuckDBPyConnection,
    recipe: Recipe,
    evidence_of: Callable[[Sequence[str]], dict[str, Evidence]],
) -> Iterator[BuiltRows]:
    built = [name for name in recipe.schema.names if name not in PUBLISHER_COLUMNS]
    reader = engine.execute(recipe.build_sql).to_arrow_reader(BATCH_ROWS)
    filtered = [DROPPED_BY] if recipe.settings.filters else []
    if sorted(reader.schema.names) != sorted([*built, *filtered]):
        different = sorted(set(reader.schema.names) ^ {*built, *filtered})
        raise WindrowError("bad_recipe", f"build.sql and recipe.toml differ in columns: {different}")
    for batch in reader:
        found = batch.to_pylist()
        names = [row.pop(DROPPED_BY) for row in found] if filtered else []
        dropped = [each for each in names if each]
        rows = [row for row, each in zip(found, names, strict=True) if not each] if filtered else found
        yield BuiltRows(rows, evidence_of([row["id"] for row in rows]), dropped)


def finish_rows(schema: pa.Schema, salt: bytes, redact: Redact, built: BuiltRows) -> RowBatch:
    """Return rows as they are sold, and their provenance. Raises WindrowError `checks_failed`."""
    finished, provenance = [], []
    for row in built.rows:
        proof = built.evidence.get(row["id"])
        if proof is None:
            raise WindrowError("checks_failed", f"row {row['id']} has no signed receipt and verdict")
        try:
            redacted = redact(row["text"])
        except WindrowError:
            continue
        text = {
            "text": redacted.text,
            "pii_redactions": sum(redacted.findings.values()),
            "contributor_pseudonym": pseudonym_for(salt, proof.payout_address),
        }
        ordered = {name: (text if name in text else row)[name] for name in schema.names}
        finished.append(ordered)
        provenance.append(_proof_row(proof, ordered, redacted))
    return RowBatch(finished, provenance, len(built.rows) - len(finished), built.dropped)


def _proof_row(proof: Evidence, row: dict[str, Any], redacted: Redacted) -> dict[str, Any]:
    return {
        "id": row["id"],
        **asdict(proof),
        "row_sha256": row_sha256(row),
        "text_sha256": text_sha256(redacted.text),
        "redactions": msgspec.json.encode(dict(redacted.findings), order="sorted").decode(),
    }


@dataclass(frozen=True)
class CheckFailure:
    """A check that returned rows, with the first of them."""

    name: str
    rows: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.name}: {msgspec.json.encode(self.rows).decode()}"


def run_checks(
    engine: duckdb.DuckDBPyConnection, checks: Sequence[Check], *, rows_shown: int = 3
) -> list[CheckFailure]:
    """Run every check and return those that failed. Raises WindrowError `bad_recipe` for SQL that does not run."""
    failures = []
    for check in checks:
        try:
            table = engine.execute(check.sql).to_arrow_table()
        except duckdb.Error as error:
            raise WindrowError("bad_recipe", f"checks.sql, {check.name!r}: {error}"[:500]) from error
        if table.num_rows:
            failures.append(CheckFailure(check.name, table.slice(0, rows_shown).to_pylist()))
    return failures
