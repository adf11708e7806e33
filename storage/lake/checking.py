"""Whether the lake holds what its manifest says, and what it takes: `windrow lake check` and `windrow lake stats`.

Rules: each problem names its file, its cause and what to do. Everything that is listed is read whole: digest, row
count, order, times, and the columns' types. What is not listed is told of too, but is no damage: it is swept at the
next start.

Does not: repair, or hold a transaction while it reads files.

Usage: `for problem in check_lake(state, lake): ...`; `lake_stats(connection)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from storage.lake import Lake
from storage.lake.compaction import digest_of_stream
from storage.lake.manifest import LakeFile, digest_of, files_of, latest_snapshot
from storage.lake.schema import LAKE_SCHEMA, ORDER, TIME
from storage.state import State
from storage.tables.lake import lake_files, lake_references, lake_snapshots

_RESTORE: Final = "put this file back from a backup, or make the lake anew from the segments"
_REMEDIES: Final = {
    "missing": _RESTORE,
    "wrong_digest": _RESTORE,
    "unreadable": _RESTORE,
    "wrong_rows": _RESTORE,
    "wrong_type": "a column's type never changes: this file is of another version of Windrow",
    "unsorted": "nothing: a question about a time reads more than it would have to",
    "wrong_times": _RESTORE,
    "overlap": "two files hold the same places of the log: put both back from a backup",
    "orphan": "nothing: it is removed when the house starts",
    "reference_changed": "nothing, if a document of it was erased; else put its files back from a backup",
    "snapshot_counts": "nothing is lost; tell the project how it came about",
}
_HARMLESS: Final = frozenset({"orphan", "reference_changed", "unsorted"})


class Problem(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    cause: str
    name: str
    detail: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.cause]

    @property
    def is_damage(self) -> bool:
        """Whether data is wrong or gone."""
        return self.cause not in _HARMLESS


def checked(state: State, lake: Lake) -> dict[str, Any]:
    """Check the lake and return what was found, damage first, as plain values."""
    found = sorted(check_lake(state, lake), key=lambda problem: (not problem.is_damage, problem.name))
    with state.read() as connection:
        stats = lake_stats(connection)
    return {
        "ok": not any(problem.is_damage for problem in found),
        "files": stats["files"],
        "rows": stats["rows"],
        "snapshot": stats["snapshot"],
        "problems": [
            {**msgspec.structs.asdict(each), "remedy": each.remedy, "is_damage": each.is_damage}
            for each in found
        ],
    }


def check_lake(state: State, lake: Lake) -> Iterator[Problem]:
    """Yield every problem of the lake, reading all its files."""
    with state.read() as connection:
        columns = [lake_files.c[name] for name in LakeFile.__dataclass_fields__]
        listed = [LakeFile(**row._mapping) for row in connection.execute(sa.select(*columns))]
        live = files_of(connection)
        manifest = [*_references(connection), *_counts(connection)]
    yield from manifest
    for before, after in pairwise(live):
        if after.first_seq <= before.last_seq:
            yield Problem("overlap", after.path, f"it begins before {before.path} ends")
    for file in listed:
        yield from _check_file(lake, file, state)
    known = {file.path for file in listed}
    for name in sorted(lake.env.disk.names(lake.folder)):
        if name not in known and not name.startswith(".") and not _is_listed(state, name):
            yield Problem("orphan", name, "no snapshot has it")


def _is_listed(state: State, name: str) -> bool:
    with state.read() as connection:
        statement = sa.select(lake_files.c.path).where(lake_files.c.path == name)
        return connection.execute(statement).scalar() is not None


def _check_file(lake: Lake, file: LakeFile, state: State) -> Iterator[Problem]:
    try:
        with lake.files_by_name.open_input_file(file.path) as opened:
            digest, size = digest_of_stream(opened)
    except FileNotFoundError:
        if _is_listed(state, file.path):  # and not replaced while this went on
            yield Problem(
                "missing", file.path, f"{file.rows} rows, places {file.first_seq} to {file.last_seq}"
            )
        return
    if digest != file.sha256:
        yield Problem("wrong_digest", file.path, f"{size} bytes, {file.bytes} were written")
        return
    try:
        yield from _check_rows(lake, file)
    except (OSError, pa.ArrowException) as error:
        yield Problem("unreadable", file.path, str(error).splitlines()[0][:200])


def _check_rows(lake: Lake, file: LakeFile) -> Iterator[Problem]:
    with pq.ParquetFile(file.path, filesystem=lake.files_by_name) as opened:
        for field in opened.schema_arrow:
            place = LAKE_SCHEMA.get_field_index(field.name)
            if place >= 0 and LAKE_SCHEMA.field(place).type != field.type:
                yield Problem("wrong_type", file.path, f"{field.name} is {field.type}")
                return
        rows = opened.metadata.num_rows
        keys = opened.read(columns=list(ORDER))
    if rows != file.rows:
        yield Problem("wrong_rows", file.path, f"{rows} rows, {file.rows} are listed")
    if not _is_sorted(keys):
        yield Problem("unsorted", file.path, f"its rows are not in the order of {TIME}")
    times = pc.min_max(keys[TIME]).as_py()
    told = (file.first_ms, file.last_ms)
    if told not in ((times["min"], times["max"]), (None, None)):  # none: listed by an earlier version
        yield Problem("wrong_times", file.path, f"{times['min']} to {times['max']}")


def _is_sorted(keys: pa.Table) -> bool:
    wanted = keys.sort_by([(name, "ascending") for name in ORDER])
    return bool(wanted.equals(keys.combine_chunks()))


def _references(connection: sa.Connection) -> Iterator[Problem]:
    for row in connection.execute(sa.select(lake_references)):
        if digest_of(files_of(connection, row.snapshot_id)) != row.digest:
            detail = f"snapshot {row.snapshot_id} has other files than it had then"
            yield Problem("reference_changed", row.reference, detail)


def _counts(connection: sa.Connection) -> Iterator[Problem]:
    """The newest snapshot's counts; those of earlier ones follow the same statements."""
    newest = latest_snapshot(connection)
    if not newest:
        return
    said = connection.execute(sa.select(lake_snapshots).where(lake_snapshots.c.snapshot_id == newest)).one()
    files = files_of(connection, newest)
    found = (len(files), sum(file.rows for file in files), sum(file.bytes for file in files))
    if found != (said.files, said.rows, said.bytes):
        yield Problem("snapshot_counts", f"snapshot {newest}", f"{found}, and not what it says")


def lake_stats(connection: sa.Connection) -> dict[str, Any]:
    """Count the lake as it is and what older snapshots still take, in bytes."""
    newest = latest_snapshot(connection)
    live = files_of(connection)
    total = connection.execute(sa.select(sa.func.count(), sa.func.sum(lake_files.c.bytes))).one()
    oldest = connection.execute(sa.select(sa.func.min(lake_snapshots.c.snapshot_id))).scalar() or 0
    kept = connection.execute(sa.select(sa.func.count()).select_from(lake_snapshots)).scalar()
    bytes_live = sum(file.bytes for file in live)
    rows = sum(file.rows for file in live)
    return {
        "snapshot": newest,
        "oldest_snapshot": oldest,
        "snapshots": kept,
        "referred": {
            row.reference: row.snapshot_id for row in connection.execute(sa.select(lake_references))
        },
        "files": len(live),
        "rows": rows,
        "bytes": bytes_live,
        "bytes_per_row": round(bytes_live / rows, 1) if rows else 0.0,
        "smallest_file_bytes": min((file.bytes for file in live), default=0),
        "largest_file_bytes": max((file.bytes for file in live), default=0),
        "bytes_of_older_snapshots": int(total[1] or 0) - bytes_live,
        "first_ms": min((file.first_ms for file in live if file.first_ms is not None), default=None),
        "last_ms": max((file.last_ms for file in live if file.last_ms is not None), default=None),
    }
