"""A database of an earlier version becomes one of this version, whole or not at all, and says what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage.migrations import MIGRATIONS, migrations
from storage.state import State, get_meta, set_meta, sqlite_url
from storage.tables.contributions import contributions
from storage.tables.lake import erasures, lake_files, lake_snapshots
from storage.tables.personal import never_came, withdrawals
from windrow_protocol.errors import WindrowError


def shape(path: Path) -> dict[str, Any]:
    """Tables with their columns (in any order) and indexes."""
    inspector = sa.inspect(sa.create_engine(sqlite_url(path)))
    return {
        name: (
            sorted(
                (column["name"], str(column["type"]), column["nullable"])
                for column in inspector.get_columns(name)
            ),
            sorted(str(index["name"]) for index in inspector.get_indexes(name)),
        )
        for name in inspector.get_table_names()
    }


def changed(path: Path, *statements: str) -> None:
    engine = sa.create_engine(sqlite_url(path))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def with_a_node(path: Path) -> None:
    state = State.open(sqlite_url(path))
    with state.write() as connection:
        set_meta(connection, "kept", "yes")
        for table, said in ((contributions, {"seq": 4, "text_sha256": "d1"}), (erasures, {"seq": 4})):
            connection.execute(
                sa.insert(table).values({each.name: _some(each) for each in table.columns} | said)
            )
    state.close()


def _some(column: sa.Column[Any]) -> Any:
    return "x" if isinstance(column.type, sa.Text) else 1


AS_BEFORE = (
    "DELETE FROM migrations",
    "CREATE TABLE seen_bands (band INTEGER)",
    "INSERT INTO seen_bands VALUES (7)",
    "INSERT INTO host_standings (host_key, standing, hard, updated_at_ms) VALUES ('example.org', '{}', 1, 5)",
    "ALTER TABLE host_standings DROP COLUMN hard",
    "ALTER TABLE frontier DROP COLUMN note",
    "DROP TABLE novelty_rooms",
    "DROP INDEX pending_pay_of_node",
    "DROP TABLE lake_files",
    "DROP TABLE lake_snapshots",
    "CREATE TABLE lake_files (path TEXT NOT NULL PRIMARY KEY, first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL, "
    "rows BIGINT NOT NULL, bytes BIGINT NOT NULL, sha256 TEXT NOT NULL, added_at_ms BIGINT NOT NULL)",
    "DROP TABLE never_came",
    "INSERT INTO withdrawals VALUES ('p1', 'n1', 'withdrawn', 'word', 'signed', 'done', 5)",
    "DROP INDEX ix_erasures_text_sha256",
    "ALTER TABLE erasures DROP COLUMN text_sha256",
    "INSERT INTO lake_files VALUES ('a.parquet', 1, 9, 9, 900, 'ab', 5), ('b.parquet', 10, 12, 3, 400, 'cd', 7)",
)


def test_an_earlier_database_gets_what_is_missing_and_keeps_what_it_has(tmp_path: Path) -> None:
    fresh, old = tmp_path / "fresh.db", tmp_path / "old.db"
    State.open(sqlite_url(fresh)).close()
    with_a_node(old)
    changed(old, *AS_BEFORE)
    assert shape(old) != shape(fresh)
    state = State.open(sqlite_url(old))
    assert shape(old) == shape(fresh)
    with state.read() as connection:
        assert get_meta(connection, "kept") == "yes"
        hard = connection.execute(sa.text("SELECT hard FROM host_standings")).scalar()
        assert not hard, "the default of a column that is new"
        assert connection.execute(sa.select(erasures.c.text_sha256)).scalars().all() == ["d1"]
        assert connection.execute(sa.select(withdrawals)).all() == []
        assert [tuple(row) for row in connection.execute(sa.select(never_came))] == [
            ("n1", "p1", "word", "signed", 5)
        ]
        snapshots = connection.execute(sa.select(lake_snapshots)).all()
        assert [tuple(row) for row in snapshots] == [(1, "append", 2, 12, 1_300, 7)]
        assert set(connection.execute(sa.select(lake_files.c.added_in)).scalars()) == {1}
        log = connection.execute(sa.select(migrations).order_by(migrations.c.version)).all()
    assert [(row.version, row.what) for row in log] == [(step.version, step.what) for step in MIGRATIONS]
    state.close()
    State.open(sqlite_url(old)).close()
    assert shape(old) == shape(fresh), "and once more changes nothing"


def test_a_new_home_runs_no_step(tmp_path: Path) -> None:
    state = State.open(sqlite_url(tmp_path / "state.db"))
    with state.read() as connection:
        log = connection.execute(sa.select(migrations.c.what)).scalars().all()
    assert [what.startswith("made with it") for what in log] == [True] * len(MIGRATIONS)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with_a_node(path)
    changed(
        path, "INSERT INTO migrations (version, what) VALUES (999, 'from the future')", "DROP TABLE frontier"
    )
    before = shape(path)
    with pytest.raises(WindrowError, match="999") as refusal:
        State.open(sqlite_url(path))
    assert refusal.value.code == "home_newer"
    assert shape(path) == before


def test_what_cannot_be_migrated_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with_a_node(path)
    changed(path, *AS_BEFORE, "ALTER TABLE audits DROP COLUMN content_sha256")
    before = shape(path)
    with pytest.raises(WindrowError, match="content_sha256") as refusal:
        State.open(sqlite_url(path))
    assert refusal.value.code == "home_too_old"
    assert shape(path) == before


def test_steps_are_numbered_without_a_gap() -> None:
    assert [step.version for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
