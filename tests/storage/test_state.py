"""Amounts are exact in SQLite too, and what is no amount is refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from storage.tables.contributions import Uint256

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
