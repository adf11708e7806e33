"""The ledger conserves money under any order, any retry and any interruption, and notices what was changed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from state_database import state_url

from rewards.ledger import (
    FIRST_HEAD,
    SOURCES,
    Transfer,
    balance_of,
    balances,
    cumulative,
    entries,
    last_entry,
    post,
)
from rewards.ledger_checks import verify_ledger
from storage.state import State
from storage.tables.contributions import ledger
from windrow_protocol.errors import WindrowError

ALICE, BOB = "0x" + "11" * 20, "0x" + "22" * 20
NODE = "pending:" + "a" * 64


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(state_url(tmp_path))
    yield opened
    opened.close()


def transfer(
    debit: str, credit: str, amount: int, cause: str, rule: str = "fetch", asset: str = "WIND"
) -> Transfer:
    return Transfer(debit, credit, amount, cause, rule, "fetch_fee", created_at_ms=1, asset=asset)


ACCOUNTS = ["emission", f"posted:{ALICE}", f"posted:{BOB}", "posted:0x" + "33" * 20]
transfers = st.lists(
    st.builds(
        transfer,
        st.just("emission"),
        st.sampled_from(ACCOUNTS[1:]),
        st.integers(0, 2**200),
        st.integers(0, 10**6).map(lambda n: f"c{n}"),
        st.sampled_from(["fetch", "novelty"]),
        st.sampled_from(["WIND", "USDC"]),
    ),
    max_size=30,
    unique_by=lambda t: t.entry_id,
)


@given(transfers, st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_any_order_and_any_retry_give_the_same_balances(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[Transfer], seed: int, batch: int
) -> None:
    chance = random.Random(seed)
    sent = wanted + [chance.choice(wanted) for _ in range(len(wanted))] if wanted else []
    chance.shuffle(sent)
    state = State.open(state_url(tmp_path_factory.mktemp("ledger")))
    posted = 0
    for start in range(0, len(sent), batch):
        with state.write() as connection:
            posted += post(connection, sent[start : start + batch])
    with state.read() as connection:
        for asset in ("WIND", "USDC"):
            expected: dict[str, int] = {}
            for one in (one for one in wanted if one.asset == asset):
                expected[one.debit] = expected.get(one.debit, 0) - one.amount
                expected[one.credit] = expected.get(one.credit, 0) + one.amount
            assert balances(connection, asset) == expected
            assert sum(expected.values()) == 0
            for account, amount in expected.items():
                assert balance_of(connection, account, asset) == amount
        assert posted == len(wanted) == last_entry(connection)[0]
        assert verify_ledger(connection) == []
    state.close()


def test_a_million_times_a_million_wind_is_exact(state: State) -> None:
    amount = 10**24 + 1  # what SQLite's own arithmetic rounds away
    with state.write() as connection:
        post(connection, [transfer("emission", f"posted:{ALICE}", amount, f"c{i}") for i in range(100)])
    with state.read() as connection:
        assert balances(connection)[f"posted:{ALICE}"] == 100 * amount
        assert cumulative(balances(connection)) == {ALICE: 100 * amount}


def test_assets_rules_and_causes_are_kept_apart(state: State) -> None:
    """Same cause, another asset or another rule: another entry, and each balance is its own."""
    wanted = [
        transfer("emission", NODE, 1, "c1"),
        transfer("emission", NODE, 2, "c1", asset="USDC"),
        transfer("emission", NODE, 4, "c1", rule="novelty"),
        transfer("emission", NODE, 8, "c2"),
    ]
    with state.write() as connection:
        assert post(connection, wanted) == 4
        assert balances(connection, "WIND")[NODE] == 13
        assert balances(connection, "USDC")[NODE] == 2


def test_the_same_cause_with_another_amount_is_refused(state: State) -> None:
    with state.write() as connection:
        post(connection, [transfer("emission", NODE, 5, "c1")])
    with pytest.raises(WindrowError, match="unbalanced"), state.write() as connection:
        post(connection, [transfer("emission", NODE, 6, "c1")])
    with state.read() as connection:
        assert balance_of(connection, NODE) == 5


@pytest.mark.parametrize(
    "bad",
    [
        transfer("emission", "posted:nobody", 1, "c1"),
        transfer("emission", "pending:abc", 1, "c1"),
        transfer("emission", "savings", 1, "c1"),
        transfer("emission", "emission", 1, "c1"),
        transfer("emission", NODE, -1, "c1"),
        transfer("emission", NODE, 2**256, "c1"),
        transfer("emission", NODE, 1, "c1\nc2"),
        transfer("emission", NODE, 1, ""),
    ],
)
def test_malformed_transfers_are_refused(state: State, bad: Transfer) -> None:
    with pytest.raises(ValueError, match=r"account|transfer|ASCII"), state.write() as connection:
        post(connection, [bad])
    with state.read() as connection:
        assert last_entry(connection) == (0, FIRST_HEAD)


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def killed_before_the_commit() -> None:
        with state.write() as connection:
            post(connection, [transfer("emission", NODE, 5, "c1")])
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        killed_before_the_commit()
    with state.write() as connection:
        assert post(connection, [transfer("emission", NODE, 5, "c1")]) == 1


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"amount": 7}, "heads_follow"),
        ({"reason": "novelty"}, "heads_follow"),
        ({"credit": "treasury"}, "heads_follow"),
        ({"entry_seq": 9}, "heads_follow"),
    ],
)
def test_a_changed_row_is_noticed(state: State, change: dict[str, object], check: str) -> None:
    with state.write() as connection:
        post(connection, [transfer("emission", NODE, 5, f"c{i}") for i in range(3)])
        connection.execute(sa.update(ledger).where(ledger.c.entry_seq == 2).values(**change))
    with state.read() as connection:
        assert check in {problem.check for problem in verify_ledger(connection)}


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (transfer(NODE, f"posted:{ALICE}", 6, "c2"), "nothing_overdrawn"),
        (transfer("buyers", "sales", 6, "s1"), "clearing_is_empty"),
        (transfer("emission", f"claimed:{ALICE}", 1, "c3"), "claims_are_payouts"),
        (transfer("emission", "treasury", 1, "c4"), "moves_are_steps"),
        (transfer(f"posted:{ALICE}", "fines", 1, "c5"), "moves_are_steps"),
        (transfer("emission", NODE, 1, "c6"), "stakes_follow"),
    ],
)
def test_wrong_bookings_are_noticed(state: State, wrong: Transfer, check: str) -> None:
    with state.write() as connection:
        post(connection, [transfer("emission", f"posted:{ALICE}", 5, "c1")])
    with state.read() as connection:
        assert verify_ledger(connection) == []
    with state.write() as connection:
        post(connection, [wrong])
    with state.read() as connection:
        assert check in {problem.check for problem in verify_ledger(connection)}


def test_published_lines_carry_every_field_and_exact_amounts(state: State) -> None:
    with state.write() as connection:
        post(connection, [transfer("emission", NODE, 10**30 + 1, "c1")])
    with state.read() as connection:
        (entry,) = entries(connection)
    assert '"amount":"1000000000000000000000000000001"' in entry.ndjson()
    assert entry.ndjson().count("\n") == 1
    assert entry.head_after(FIRST_HEAD) == entry.head
    assert "emission" in SOURCES
