"""A sale's money reaches the owners of the rows sold, exact to the unit, once."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards_cases import add_sale, open_house, payout

from rewards.ledger import balances, entries
from rewards.ledger_checks import verify_ledger
from rewards.royalties import read_shares, run_royalties, split
from storage.house import House
from storage.outages import FilesAwayError
from storage.published import PublishedFiles
from storage.state import get_meta, set_meta
from storage.tables.contributions import sales
from windrow_protocol.errors import WindrowError

weights = st.dictionaries(st.text(max_size=8), st.integers(0, 2**70), min_size=1, max_size=40).filter(
    lambda table: any(table.values())
)


@given(st.integers(0, 2**200), weights)
@settings(max_examples=60, deadline=None)
def test_a_split_is_exact_and_within_one_unit_of_the_ideal(amount: int, table: dict[str, int]) -> None:
    parts = split(amount, table)
    whole = sum(table.values())
    assert sum(parts.values()) == amount
    assert parts.keys() == table.keys()
    for owner, weight in table.items():
        assert abs(parts[owner] * whole - amount * weight) < whole
        assert weight or not parts[owner]


@given(st.integers(0, 2**64), weights, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_split_does_not_depend_on_the_order_of_owners(
    amount: int, table: dict[str, int], chance: object
) -> None:
    owners = list(table)
    chance.shuffle(owners)  # type: ignore[attr-defined]
    assert split(amount, {owner: table[owner] for owner in owners}) == split(amount, table)


@given(st.permutations(["0xAa", "0xB0", "0xb1", "0xC2", "0xd3"]), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_leftover_units_go_by_id_where_remainders_are_equal(owners: list[str], left: int) -> None:
    parts = split(5 + left, dict.fromkeys(owners, 7))
    assert [owner for owner, part in sorted(parts.items(), key=lambda one: one[0].lower()) if part == 2] == [
        "0xAa",
        "0xB0",
        "0xb1",
        "0xC2",
        "0xd3",
    ][:left]


@given(st.integers(0, 2**64), weights)
@settings(max_examples=40, deadline=None)
def test_owning_more_never_pays_less(amount: int, table: dict[str, int]) -> None:
    parts = split(amount, table)
    ranked = sorted(table, key=lambda owner: table[owner])
    for poorer, richer in pairwise(ranked):
        assert parts[poorer] <= parts[richer] or table[poorer] == table[richer]


@pytest.mark.parametrize("table", [{}, {"a": 0}, {"a": -1, "b": 2}])
def test_a_split_without_weight_is_refused(table: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="split"):
        split(5, table)


def write_shares(house: House, shares: list[tuple[str | None, int]], version: str = "1.0.0") -> Path:
    path = house.home / "exports" / "web_text" / version / "shares.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "payout_address": pa.array([owner for owner, _ in shares], pa.string()),
        "tokens": pa.array([tokens for _, tokens in shares], pa.int64()),
        "rows": pa.array([1] * len(shares), pa.int64()),
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_a_sale_goes_through_clearing_to_its_owners(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [(payout(1), 200), (payout(2).lower(), 100), (None, 100)])
    with house.state.write() as connection:
        add_sale(connection, 1, price=1_003, royalties=703)
    assert run_royalties(house) == 6
    with house.state.read() as connection:
        folded = balances(connection)
        assert verify_ledger(connection) == []
    assert folded == {
        "buyers": -1_003,
        "sales": 0,
        "royalties": 0,
        "treasury": 300 + 176,
        f"posted:{payout(1)}": 351,
        f"posted:{payout(2)}": 176,
    }
    assert run_royalties(house) == 0


def test_what_a_sale_burned_is_nobody_s(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [(payout(1), 1)])
    with house.state.write() as connection:
        add_sale(connection, 1, price=1_000, royalties=700, burned=150)
        short = add_sale(connection, 2, price=1_000, royalties=700, burned=150)
        connection.execute(sa.update(sales).where(sales.c.sale_id == short).values(burned=149))
    assert run_royalties(house) == 5, "the second one's parts are not its price"
    with house.state.read() as connection:
        assert verify_ledger(connection) == []
        assert balances(connection) == {
            "buyers": -1_000,
            "sales": 0,
            "royalties": 0,
            "treasury": 150,
            "burned": 150,
            f"posted:{payout(1)}": 700,
        }


def test_a_second_sale_of_the_same_export_pays_again_and_only_once(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [(payout(1), 1)])
    for number in (1, 2):
        with house.state.write() as connection:
            add_sale(connection, number, price=10, royalties=7)
        assert run_royalties(house) == 4
        assert run_royalties(house) == 0
    with house.state.read() as connection:
        assert balances(connection)[f"posted:{payout(1)}"] == 14


def test_only_the_version_that_was_sold_is_paid(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [(payout(1), 5)], "1.0.0")
    write_shares(house, [(payout(2), 5)], "1.0.1")
    with house.state.write() as connection:
        add_sale(connection, 1, price=10, royalties=7, version="1.0.1")
    run_royalties(house)
    with house.state.read() as connection:
        assert f"posted:{payout(1)}" not in balances(connection)


def test_rows_that_belong_to_nobody_earn_for_the_treasury(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [])
    with house.state.write() as connection:
        add_sale(connection, 1, price=10, royalties=7)
    run_royalties(house)
    with house.state.read() as connection:
        assert balances(connection)["treasury"] == 10
        assert "royalty_unowned" in {entry.reason for entry in entries(connection)}


def test_a_sale_without_shares_waits_and_holds_up_no_other(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [(payout(1), 1)], "1.0.1")
    with house.state.write() as connection:
        add_sale(connection, 1, price=10, royalties=7, version="1.0.0")
        add_sale(connection, 2, price=10, royalties=7, version="1.0.1")
    assert run_royalties(house) == 4
    write_shares(house, [(payout(1), 1)], "1.0.0")
    assert run_royalties(house) == 4
    with house.state.read() as connection:
        assert balances(connection)[f"posted:{payout(1)}"] == 14


def test_broken_shares_are_named(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    path = write_shares(house, [(payout(1), -5)])
    files = PublishedFiles(house.env.disk, path.parent)
    with pytest.raises(WindrowError, match="export_corrupt"):
        read_shares(files)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(WindrowError, match="export_corrupt"):
        read_shares(files)
    path.unlink()
    with pytest.raises(WindrowError, match="not_found"):
        read_shares(files)
    write_shares(house, [("0x12", 5)])
    with pytest.raises(WindrowError, match="bad_payout_address"):
        read_shares(files)


class FarAway:
    """A disk whose files lie at a server that is long in answering that it cannot; somebody else writes until then."""

    def __init__(self, disk: Any, house: House) -> None:
        self._disk, self._house = disk, house
        self.written = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def read(self, path: Path) -> bytes:
        other = Thread(target=self._write, daemon=True)
        other.start()
        other.join(10)
        raise FilesAwayError(f"{path.name}: the server does not answer")

    def _write(self) -> None:
        with self._house.state.write() as connection:
            set_meta(connection, "written/meanwhile", "yes")
        self.written = True


def test_shares_that_are_far_away_hold_up_nobody_who_writes(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    write_shares(house, [(payout(1), 1)])
    with house.state.write() as connection:
        add_sale(connection, 1, price=10, royalties=7)
    far = FarAway(house.env.disk, house)
    with pytest.raises(FilesAwayError):
        run_royalties(replace(house, env=replace(house.env, disk=far)))
    assert far.written, "what was written meanwhile had to wait for the server"
    with house.state.read() as connection:
        assert get_meta(connection, "written/meanwhile") == "yes"
        assert not list(entries(connection)), "nothing of the sale was posted"
    assert run_royalties(house) == 4, "it is posted when the files are back"
