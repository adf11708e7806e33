"""The supply falls exactly when more is burned than minted, every wei is somewhere, and washing sales always costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.economics import BEGIN, END, tables
from bench.economics_model.supply import (
    BPS,
    SCENARIOS,
    Economy,
    Scenario,
    emission_wei,
    price_parts,
    rates_of,
    simulate,
    wash_loss_wei,
)
from rewards.rates import CURRENT, WIND

PAGE = Path(__file__).resolve().parents[2] / "docs" / "economics.md"
SHARES = st.integers(0, BPS).flatmap(
    lambda royalty: st.tuples(st.just(royalty), st.integers(0, BPS - royalty))
)
ECONOMIES = st.builds(
    lambda shares, halving: Economy(CURRENT, shares[0], halving, shares[1]), SHARES, st.integers(0, 9)
)
ASSUMED = st.builds(
    Scenario,
    pages=st.integers(0, 10**6),
    pages_growth_bps=st.integers(0, 2 * BPS),
    first_seen_ppm=st.integers(0, 10**6),
    unique_bytes=st.integers(0, 10**5),
    audited_ppm=st.integers(0, 10**6),
    sales=st.integers(0, 10**4),
    sales_growth_bps=st.integers(0, 2 * BPS),
    price_wei=st.integers(0, 10**24),
    initial_wei=st.integers(0, 10**24),
)


@given(ECONOMIES, ASSUMED)
def test_supply_falls_exactly_when_more_is_burned_than_minted(economy: Economy, assumed: Scenario) -> None:
    run = list(simulate(economy, assumed, 24))
    before = assumed.initial_wei
    for epoch in run:
        assert (epoch.supply_wei < before) == (epoch.burn_wei > epoch.emission_wei)
        assert epoch.supply_wei == before + epoch.emission_wei - epoch.burn_wei
        assert epoch.supply_wei == epoch.earners_wei + epoch.treasury_wei + epoch.market_wei
        assert min(epoch.earners_wei, epoch.treasury_wei, epoch.market_wei, epoch.burn_wei) >= 0
        before = epoch.supply_wei


@given(ECONOMIES, st.integers(1, 10**24), st.integers(0, 10**9), st.integers(0, 10**9))
def test_buying_one_s_own_rows_costs_all_that_is_not_royalties(
    economy: Economy, price_wei: int, own: int, others: int
) -> None:
    if own + others == 0:
        return
    royalties, burned, fees = price_parts(economy, price_wei)
    assert royalties + burned + fees == price_wei
    loss = wash_loss_wei(economy, price_wei, own, others)
    assert loss >= burned + fees >= 0  # equal for who owns every row
    assert (loss == 0) == (burned + fees == 0 and others == 0)


def test_with_the_shares_in_force_a_wash_always_loses() -> None:
    assert wash_loss_wei(replace(Economy(), burn_bps=0), WIND, 1, 0) >= WIND // 10


@given(st.integers(0, 40), st.integers(1, 9))
def test_a_halving_never_pays_more_than_half(number: int, halving: int) -> None:
    economy, assumed = Economy(halving_epochs=halving), Scenario()
    now, later = (
        emission_wei(rates_of(economy, each), assumed, 1_000) for each in (number, number + halving)
    )
    assert later <= now // 2
    assert rates_of(Economy(halving_epochs=0), number) == CURRENT


@pytest.mark.parametrize("shares", [(7_000, 3_001), (-1, 0), (0, -1), (10_001, 0)])
def test_shares_above_a_price_are_refused(shares: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="shares of one price"):
        price_parts(Economy(royalty_bps=shares[0], burn_bps=shares[1]), 100)


def test_supply_rises_without_buyers_and_falls_with_enough() -> None:
    def falls(name: str) -> list[bool]:
        scenario = SCENARIOS[name]
        run = [scenario.initial_wei, *(each.supply_wei for each in simulate(Economy(), scenario, 24))]
        return [after < before for before, after in pairwise(run)]

    assert not any(falls("no_buyers"))
    assert falls("growing")[-1]


def test_the_page_says_what_the_program_gives() -> None:
    said = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert said == tables()
    for plot in ("economics-supply.svg", "economics-flows.svg"):
        assert f"({plot})" in PAGE.read_text(encoding="utf-8")
        assert (PAGE.parent / plot).is_file()
