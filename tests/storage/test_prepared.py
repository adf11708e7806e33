"""A prepared statement does what SQLAlchemy's own way does: the same rows, types, errors and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from state_database import state_url

from storage import prepared as prepared_module
from storage.prepared import Prepared
from storage.state import State, insert_once
from storage.tables.contributions import Uint256, nonces

metadata = sa.MetaData()
things = sa.Table(
    "things",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("amount", Uint256, nullable=False),
    sa.Column("is_large", sa.Boolean, nullable=False, default=False),
    sa.Column("note", sa.Text, nullable=False, default="none"),
    sa.Column("count", sa.Integer),
)
_BY_NAME = (
    sa.select(things).where(things.c.name.in_(sa.bindparam("names", expanding=True))).order_by(things.c.name)
)
_LARGE = (
    sa.select(things.c.name, (things.c.amount == 0).label("is_none"))
    .where(things.c.is_large)
    .order_by("name")
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    state = State.open(state_url(tmp_path), metadata)
    with state.write() as opened:
        yield opened
    state.close()


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
rows_of_things = st.lists(
    st.fixed_dictionaries(
        {
            "name": names,
            "amount": st.integers(0, 2**256 - 1),
            "is_large": st.booleans(),
            "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    max_size=6,
    unique_by=lambda row: row["name"],
)


@given(rows_of_things, st.lists(names, max_size=4))
def test_rows_are_those_that_sqlalchemy_finds(rows: list[dict[str, Any]], others: list[str]) -> None:
    engine = sa.create_engine("sqlite://")
    by_name, insert, large = Prepared(_BY_NAME), Prepared(sa.insert(things)), Prepared(_LARGE)
    with engine.begin() as connection:
        metadata.create_all(connection)
        assert insert.run(connection, rows) == len(rows)
        for asked in (others, [row["name"] for row in rows], []):
            theirs = connection.execute(_BY_NAME, {"names": asked}).all()
            ours = by_name.rows(connection, names=asked)
            assert [tuple(row) for row in ours] == [tuple(row) for row in theirs]
            assert [row._asdict() for row in ours] == [dict(row._mapping) for row in theirs]
        assert large.rows(connection) == [tuple(row) for row in connection.execute(_LARGE).all()]
        assert all(
            row.note == "none" for row in by_name.rows(connection, names=[row["name"] for row in rows])
        )
    engine.dispose()


def test_a_list_that_is_always_the_same_needs_no_value(connection: sa.Connection) -> None:
    Prepared(sa.insert(things)).run(connection, [{"name": name, "amount": 1} for name in "abcd"])
    wanted = sa.select(things.c.name).where(things.c.name.in_(["a", "c", "x"]), things.c.amount == 1)
    both = Prepared(
        wanted.where(things.c.name.in_(sa.bindparam("names", expanding=True))).order_by(things.c.name)
    )
    assert [row.name for row in Prepared(wanted.order_by(things.c.name)).rows(connection)] == ["a", "c"]
    assert [row.name for row in both.rows(connection, names=["c", "d"])] == ["c"]


def test_what_is_changed_is_counted(connection: sa.Connection) -> None:
    rows = [{"name": name, "amount": 1, "is_large": False} for name in "abc"]
    Prepared(sa.insert(things)).run(connection, rows)
    grown = sa.update(things).where(things.c.name == sa.bindparam("of_name"))
    grow = Prepared(grown.values(amount=sa.bindparam("wei"), note=sa.bindparam("why")))
    assert grow.run(connection, [{"of_name": name, "wei": 10**30, "why": "it grew"} for name in "abz"]) == 2
    assert grow.run(connection, [{"of_name": "z", "wei": 1, "why": ""}]) == 0
    assert grow.run(connection, []) == 0
    amounts = Prepared(sa.select(things.c.amount).where(things.c.name == sa.bindparam("of_name")))
    assert [amounts.value(connection, of_name=name) for name in "acz"] == [10**30, 1, None]
    gone = Prepared(sa.delete(things).where(things.c.name == sa.bindparam("of_name")))
    assert gone.run(connection, [{"of_name": "a"}]) == 1


def test_values_are_never_part_of_the_text(connection: sa.Connection) -> None:
    hostile = "x'); DROP TABLE things; --"
    Prepared(sa.insert(things)).run(connection, [{"name": hostile, "amount": 1}])
    assert [row.name for row in Prepared(_BY_NAME).rows(connection, names=[hostile, "?", ":names"])] == [
        hostile
    ]


def test_the_drivers_errors_are_sqlalchemys(connection: sa.Connection) -> None:
    insert = Prepared(sa.insert(things))
    insert.run(connection, [{"name": "a", "amount": 1}])
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)unique"):
        insert.run(connection, [{"name": "a", "amount": 1}])
    with pytest.raises(KeyError):
        insert.run(connection, [{"name": "b", "amount": 1}, {"name": "c"}])


def test_it_begins_a_transaction_where_none_was(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'things.db'}")
    with engine.begin() as connection:
        metadata.create_all(connection)
    with engine.connect() as connection:
        Prepared(sa.insert(things)).run(connection, [{"name": "a", "amount": 1}])
        assert connection.in_transaction()
    with engine.connect() as connection:
        assert Prepared(_BY_NAME).rows(connection, names=["a"]) == [], "it was not committed"
    engine.dispose()


def test_texts_that_are_kept_are_bounded(connection: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_module, "_TEXTS_MAX", 3)
    by_name = Prepared(_BY_NAME)
    for count in (1, 2, 3, 4, 5, 1):
        assert by_name.rows(connection, names=["a"] * count) == []
        assert len(by_name._texts) <= 3


def test_a_default_that_is_computed_must_be_given() -> None:
    table = sa.Table(
        "made", sa.MetaData(), sa.Column("a", sa.Text), sa.Column("b", sa.Text, default=lambda: "?")
    )
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection, pytest.raises(AssertionError, match="computed"):
        Prepared(sa.insert(table)).run(connection, [{"a": "1"}])
    engine.dispose()


def test_postgresql_takes_values_by_name() -> None:
    compiled = prepared_module._compiled(_BY_NAME, postgresql.psycopg.dialect(), {"names": ["a", "b"]})
    assert not compiled.positional
    bound = compiled.bound({"names": ["a", "b"]})
    assert sorted(bound.values()) == ["a", "b"]
    assert all(f"%({name})s" in compiled.sql for name in bound)


def test_a_nonce_is_inserted_once(tmp_path: Path) -> None:
    state = State.open(state_url(tmp_path))
    row = {"node_id": "n", "nonce": "1", "expires_at_ms": 5}
    with state.write() as connection:
        assert [insert_once(connection, nonces, **row) for _ in range(3)] == [True, False, False]
    state.close()
