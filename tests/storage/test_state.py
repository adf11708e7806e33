"""The state keeps amounts exact, commits whole transactions, and lets readers only read."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from state_database import state_url
from hypothesis import given
from hypothesis import strategies as st

from storage.state import State, get_cursor, insert_once, set_cursor
from storage.tables import Uint256, nonces

amounts = sa.Table("amounts", sa.MetaData(), sa.Column("amount", Uint256))


@given(st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=20))
def test_amounts_come_back_to_the_wei_and_in_order(values: list[int]) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        amounts.create(connection)
        connection.execute(sa.insert(amounts), [{"amount": value} for value in values])
        found = list(connection.execute(sa.select(amounts.c.amount).order_by(amounts.c.amount)).scalars())
    assert found == sorted(values)


@pytest.mark.parametrize("value", [-1, 2**256])
def test_what_is_no_uint256_is_refused(value: int) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        amounts.create(connection)
        with pytest.raises(sa.exc.StatementError, match="uint256"):
            connection.execute(sa.insert(amounts).values(amount=value))


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    state = State.open(state_url(tmp_path))

    def half_done() -> None:
        with state.write() as connection:
            set_cursor(connection, "reader", 7)
            raise KeyError("a crash between two statements")

    with pytest.raises(KeyError):
        half_done()
    with state.read() as connection:
        assert get_cursor(connection, "reader") == 0


def test_a_row_is_inserted_once(tmp_path: Path) -> None:
    state = State.open(state_url(tmp_path))
    with state.write() as connection:
        row = {"node_id": "n", "nonce": "1", "expires_at_ms": 5}
        assert insert_once(connection, nonces, **row)
        assert not insert_once(connection, nonces, **row)


def test_a_reader_sees_what_is_committed_and_cannot_write(tmp_path: Path) -> None:
    url = state_url(tmp_path)
    state = State.open(url)
    with state.write() as connection:
        set_cursor(connection, "reader", 3)
    reader = State.open_readonly(url)
    with reader.read() as connection:
        assert get_cursor(connection, "reader") == 3
        with pytest.raises(sa.exc.DBAPIError, match="read-?only"):
            set_cursor(connection, "reader", 4)
