"""What every room relies on of a state holds on SQLite and on a real PostgreSQL, and one's rows go into the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres_server import PostgresServer, needs_postgres, new_database, shared_server

from storage import postgresql
from storage.prepared import Prepared
from storage.state import (
    State,
    get_cursor,
    get_meta,
    insert_once,
    move_into,
    put_rows,
    set_cursor,
    set_meta,
    sqlite_url,
)
from storage.tables.contributions import Uint256, cursors, meta
from storage.tables.hosts import host_orders
from windrow_protocol.errors import WindrowError

ENGINES = ["sqlite", pytest.param("postgresql", marks=needs_postgres)]
UINT256_MAX = 2**256 - 1
# Sorted by their bytes; a language would put them in other orders, and every house has to go the same way.
TEXTS = ["", "-", "0", "A", "B", "a", "a-c", "a.example", "ab", "z", "é", "\uffee", "\U0001f33e"]
ORDER = {"host": "h", "event": "takedown", "subdomains": False, "proof": "p", "reason": "r", "at_ms": 1}
_kinds = sa.Table(
    "kinds",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("amount", Uint256),
    sa.Column("whole", sa.BigInteger),
    sa.Column("part", sa.Float),
    sa.Column("flag", sa.Boolean),
    sa.Column("data", sa.LargeBinary),
)
_numbers = iter(range(10_000))


def address(engine: str, folder: Path) -> str:
    """Return the address of a state of its own."""
    return (
        sqlite_url(folder / "state.db") if engine == "sqlite" else new_database(f"contract_{next(_numbers)}")
    )


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return address(request.param, tmp_path)


@pytest.fixture
def state(url: str) -> Iterator[State]:
    opened = State.open(url, _kinds.metadata)
    yield opened
    opened.close()


def refused(code: str, act: Callable[[], object]) -> str:
    with pytest.raises(WindrowError) as caught:
        act()
    assert caught.value.code == code
    return caught.value.detail


def test_every_kind_of_value_comes_back_as_it_was(state: State) -> None:
    rows = [
        {
            "name": "most",
            "amount": UINT256_MAX,
            "whole": 2**63 - 1,
            "part": 0.1,
            "flag": True,
            "data": b"\0\xff",
        },
        {"name": "least", "amount": 0, "whole": -(2**63), "part": -0.0, "flag": False, "data": b""},
        {"name": "none", "amount": None, "whole": None, "part": None, "flag": None, "data": None},
    ]
    with state.write() as connection:
        connection.execute(sa.insert(_kinds), rows)
    by_name = Prepared(sa.select(_kinds).where(_kinds.c.name == sa.bindparam("of")))
    with state.read() as connection:
        plain = [dict(row._mapping) for row in connection.execute(sa.select(_kinds))]
        prepared = [by_name.rows(connection, of=row["name"])[0]._asdict() for row in rows]
    assert sorted(plain, key=lambda row: row["name"]) == sorted(rows, key=lambda row: str(row["name"]))
    assert prepared == rows


def test_texts_are_in_the_order_of_their_bytes_and_amounts_in_that_of_numbers(state: State) -> None:
    amounts = [10**n for n in range(len(TEXTS))]
    rows = [{"name": name, "amount": amount} for name, amount in zip(TEXTS, amounts, strict=True)]
    with state.write() as connection:
        connection.execute(sa.insert(_kinds), rows[::-1])
    with state.read() as connection:
        names = connection.execute(sa.select(_kinds.c.name).order_by(_kinds.c.name)).scalars().all()
        found = connection.execute(sa.select(_kinds.c.amount).order_by(_kinds.c.amount)).scalars().all()
        later = sa.select(_kinds.c.name).where(_kinds.c.name > "a-c").order_by(_kinds.c.name)
        assert connection.execute(later).scalars().all() == TEXTS[TEXTS.index("a-c") + 1 :]
    assert names == sorted(TEXTS) == TEXTS
    assert found == amounts


def test_a_transaction_is_whole_or_not_there(state: State) -> None:
    def half_done() -> None:
        with state.write() as connection:
            set_cursor(connection, "reader", 7)
            insert_once(connection, meta, key="a", value="1")
            raise KeyError("between two statements")

    with pytest.raises(KeyError):
        half_done()
    with state.read() as connection:
        assert get_cursor(connection, "reader") == 0
        assert get_meta(connection, "a") is None


def test_a_row_that_is_there_is_left_or_replaced_and_the_transaction_goes_on(state: State) -> None:
    with state.write() as connection:
        assert insert_once(connection, meta, key="a", value="1")
        assert not insert_once(connection, meta, key="a", value="2")
        put_rows(connection, cursors, [{"name": "x", "position": 1}, {"name": "y", "position": 2}])
        put_rows(connection, cursors, [{"name": "x", "position": 3}])
        changed = Prepared(sa.update(cursors).where(cursors.c.name == sa.bindparam("of")))
        assert changed.run(connection, [{"of": "x", "position": 4}, {"of": "none", "position": 5}]) == 1
    with state.read() as connection:
        assert get_meta(connection, "a") == "1"
        assert (get_cursor(connection, "x"), get_cursor(connection, "y")) == (4, 2)


def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(state: State) -> None:
    with state.write() as connection:
        set_cursor(connection, "reader", 1)
    with state.read() as reading:
        assert get_cursor(reading, "reader") == 1
        with state.write() as writing:
            set_cursor(writing, "reader", 2)
            assert get_cursor(reading, "reader") == 1
        assert get_cursor(reading, "reader") == 1, "it was committed after the first look"
    with state.read() as reading:
        assert get_cursor(reading, "reader") == 2


def test_who_opened_it_to_read_cannot_write(state: State, url: str) -> None:
    reader = State.open_readonly(url)
    with reader.read() as connection, pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
        set_cursor(connection, "reader", 4)
    reader.close()


def test_writers_take_turns(state: State) -> None:
    def count() -> None:
        for _ in range(20):
            with state.write() as connection:
                set_cursor(connection, "turns", get_cursor(connection, "turns") + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with state.read() as connection:
        assert get_cursor(connection, "turns") == 80


def test_it_is_opened_again_without_a_migration(
    state: State, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with state.write() as connection:
        set_meta(connection, "kept", "yes")
    state.close()
    again = State.open(url)
    with again.read() as connection:
        assert get_meta(connection, "kept") == "yes"
    again.close()
    assert caplog.records == []


@pytest.mark.parametrize("into", ENGINES)
def test_a_copy_holds_every_row_and_goes_into_either_engine(state: State, tmp_path: Path, into: str) -> None:
    with state.write() as connection:
        set_meta(connection, "network", "windrow-test")
        put_rows(connection, cursors, [{"name": f"n{number}", "position": number} for number in range(2_100)])
        connection.execute(sa.insert(host_orders).values(ORDER))
    moments = []
    state.copy_to(tmp_path / "copy.db", lambda: moments.append(1))
    (tmp_path / "other").mkdir()
    target = address(into, tmp_path / "other")
    move_into(tmp_path / "copy.db", target)
    assert not (tmp_path / "copy.db").exists()
    moved = State.open(target)
    with moved.write() as connection:
        connection.execute(sa.insert(host_orders).values(ORDER))  # numbered by the database, after the first
        assert connection.execute(sa.select(host_orders.c.order_id).order_by("order_id")).scalars().all() == [
            1,
            2,
        ]
        assert get_meta(connection, "network") == "windrow-test"
        assert connection.execute(sa.select(sa.func.sum(cursors.c.position))).scalar() == sum(range(2_100))
    state.copy_to(tmp_path / "second.db", lambda: moments.append(2))
    assert "rows" in refused("backup_in_way", lambda: move_into(tmp_path / "second.db", target))
    moved.close()
    assert moments == [1, 2]


# --- PostgreSQL alone ------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> PostgresServer:
    return shared_server()


@needs_postgres
def test_one_process_writes_and_another_is_refused(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_PATIENCE", "50ms")
    url = address("postgresql", Path())
    first = State.open(url, only_writer=True)
    refused("home_locked", lambda: State.open(url, only_writer=True))
    reader = State.open_readonly(url)  # commands beside a running house
    with reader.read() as connection:
        assert get_meta(connection, "opened") == "1"
    reader.close()
    first.close()
    State.open(url, only_writer=True).close()


@needs_postgres
def test_a_writer_that_was_replaced_while_it_was_cut_off_writes_no_more(server: PostgresServer) -> None:
    url = address("postgresql", Path())
    old = State.open(url, only_writer=True)
    _cut_off(server, url)
    with old.write() as connection:  # nobody else came: it takes its lock again and goes on
        set_cursor(connection, "reader", 1)
    _cut_off(server, url)
    new = State.open(url, only_writer=True)
    new.close()

    def write() -> None:
        with old.write() as connection:
            set_cursor(connection, "reader", 2)

    assert "meanwhile" in refused("home_locked", write)
    with old.read() as connection:
        assert get_cursor(connection, "reader") == 1
    old.close()


def _cut_off(server: PostgresServer, url: str) -> None:
    database = sa.make_url(url).database
    server.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")


@needs_postgres
def test_a_database_ordered_by_a_language_or_of_another_encoding_is_refused(server: PostgresServer) -> None:
    for name, how in {
        "latin": "ENCODING 'SQL_ASCII'",
        "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
    }.items():
        server.run(f"CREATE DATABASE {name} TEMPLATE template0 {how}")
        assert "--locale=C" in refused("database_failed", lambda name=name: State.open(server.url(name)))  # type: ignore[misc]
        assert server.run(
            "SELECT count(*) FROM information_schema.tables WHERE table_name = 'meta'", name
        ) == [(0,)]


@needs_postgres
def test_commits_last_whatever_the_database_was_told(server: PostgresServer) -> None:
    url = address("postgresql", Path())
    server.run(f"ALTER DATABASE {sa.make_url(url).database} SET synchronous_commit = off")
    state = State.open(url)
    with state.write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    state.close()
