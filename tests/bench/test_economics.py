"""The supply falls exactly when more is burned than minted, every wei is somewhere, and washing sales always costs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.economics import BEGIN, END, tables
from bench.economics_model.supply import (
    AUDIT_EPOCHS,
    RUNS,
    Scenario,
    emission_wei,
    price_parts,
    rates_in,
    simulate,
    wash_loss_wei,
)
from rewards.rates import CURRENT, WIND
from windrow_protocol.economics import BPS, Economics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "economics.md"
SHARES = st.integers(1, BPS - 1).flatmap(
    lambda royalty: st.tuples(st.just(royalty), st.integers(0, BPS - royalty))
)
ECONOMIES = st.builds(
    lambda shares, halving: Economics(royalty_bps=shares[0], burn_bps=shares[1], halving_epochs=halving),
    SHARES,
    st.integers(0, 270),
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
def test_supply_falls_exactly_when_more_is_burned_than_minted(
    economics: Economics, assumed: Scenario
) -> None:
    run = list(simulate(economics, assumed, 24))
    before = assumed.initial_wei
    for epoch in run:
        assert (epoch.supply_wei < before) == (epoch.burn_wei > epoch.emission_wei)
        assert epoch.supply_wei == before + epoch.emission_wei - epoch.burn_wei
        assert epoch.supply_wei == epoch.earners_wei + epoch.treasury_wei + epoch.market_wei
        assert min(epoch.earners_wei, epoch.treasury_wei, epoch.market_wei, epoch.burn_wei) >= 0
        before = epoch.supply_wei


@given(ECONOMIES, st.integers(1, 10**24), st.integers(0, 10**9), st.integers(0, 10**9))
def test_buying_one_s_own_rows_costs_all_that_is_not_royalties(
    economics: Economics, price_wei: int, own: int, others: int
) -> None:
    if own + others == 0:
        return
    royalties, burned, fees = price_parts(economics, price_wei)
    assert royalties + burned + fees == price_wei
    loss = wash_loss_wei(economics, price_wei, own, others)
    assert loss >= burned + fees >= 0  # equal for who owns every row
    assert (loss == 0) == (burned + fees == 0 and others == 0)


def test_with_the_shares_in_force_a_wash_always_loses() -> None:
    assert wash_loss_wei(Economics(burn_bps=0), WIND, 1, 0) >= WIND // 10


@given(st.integers(0, 40), st.integers(1, 9))
def test_a_halving_never_pays_more_than_half(number: int, halving: int) -> None:
    economics, assumed = Economics(halving_epochs=halving * AUDIT_EPOCHS), Scenario()
    now, later = (
        emission_wei(rates_in(economics, each), assumed, 1_000) for each in (number, number + halving)
    )
    assert later <= now // 2
    assert rates_in(Economics(halving_epochs=0), number) == CURRENT


def test_supply_rises_without_buyers_and_falls_with_enough() -> None:
    def falls(name: str) -> list[bool]:
        economics, scenario = RUNS[name]
        run = [scenario.initial_wei, *(each.supply_wei for each in simulate(economics, scenario, 24))]
        return [after < before for before, after in pairwise(run)]

    assert not any(falls("no_buyers"))
    assert not any(falls("growing")), "not within two years by burning alone"
    assert falls("growing_halved_yearly")[-1]


def test_the_page_says_what_the_program_gives() -> None:
    said = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert said == tables()
    for plot in ("economics-supply.svg", "economics-flows.svg"):
        assert f"({plot})" in PAGE.read_text(encoding="utf-8")
        assert (PAGE.parent / plot).is_file()
