"""The token's supply over epochs: what work mints, what sales pay and burn, and who holds what.

Rules: whole wei, no floats. What a page earns is `rewards.rates.price_work`, what validators share is
`rewards.rates.audit_pot_wei`, rates halve as `Economics` says, and royalties go to owners by `rewards.royalties.split`:
the functions that pay for real. The parts of a price are what the market's contract makes of it, which a test compares.
A buyer pays with tokens that exist. Supply is what began plus all emission less all burns, and the balances add up to
it after every epoch. Pure.

Does not: predict demand (a scenario assumes it), or know a price in any currency.

Usage: `for epoch in simulate(Economics(), SCENARIOS["growing"], 24): print(epoch.supply_wei)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rewards.rates import WIND, Novelty, Rates, audit_pot_wei, price_work, rates_of
from rewards.royalties import split
from storage.pay_terms import FIRST, PayTerms
from windrow_protocol.economics import BPS, Economics
from windrow_protocol.trust_rules import PPM

AUDIT_EPOCHS: Final = 30  # of a day each, in an epoch of the simulation


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is assumed of one epoch of 30 days, and how it grows by epoch (`_growth_bps`; 10,000 stays as it is)."""

    pages: int = 500_000  # accepted or unaudited
    pages_growth_bps: int = 10_500
    first_seen_ppm: int = 600_000  # of the pages
    unique_bytes: int = 4_000  # of such a page
    audited_ppm: int = 100_000  # of the pages: truths that a verdict rests on
    sales: int = 20
    sales_growth_bps: int = 10_000
    price_wei: int = 2_000 * WIND
    initial_wei: int = 100_000 * WIND  # held by buyers when it begins


SCENARIOS: Final[dict[str, Scenario]] = {
    "no_buyers": Scenario(sales=0),
    "steady": Scenario(),
    "growing": Scenario(sales_growth_bps=11_200),
}


# What is plotted: the parameters as packaged, and the same growth with rates halved once a year instead.
RUNS: Final[dict[str, tuple[Economics, Scenario]]] = {
    **{name: (Economics(), scenario) for name, scenario in SCENARIOS.items()},
    "growing_halved_yearly": (Economics(halving_epochs=12 * AUDIT_EPOCHS), SCENARIOS["growing"]),
}


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch did; amounts in wei. `demand_met` is false where buyers had not the tokens they wanted to pay."""

    number: int
    emission_wei: int
    sales_wei: int
    royalties_wei: int
    burn_wei: int
    supply_wei: int
    earners_wei: int
    treasury_wei: int
    market_wei: int
    demand_met: bool


def rates_in(economics: Economics, number: int) -> Rates:
    """Return the rates of an epoch of the simulation (from 0)."""
    epoch_id = number * AUDIT_EPOCHS + 1
    return rates_of(PayTerms(FIRST, epoch_id, economics.halvings(epoch_id), economics, ""))


def emission_wei(rates: Rates, scenario: Scenario, pages: int) -> int:
    """Return what an epoch's pages and truths earn together."""
    fresh = pages * scenario.first_seen_ppm // PPM
    novel, copy = (
        sum(line.amount_wei for line in price_work("accepted", "matches_truth", text, rates=rates))
        for text in (Novelty("unique", scenario.unique_bytes), Novelty("near"))
    )
    return fresh * novel + (pages - fresh) * copy + audit_pot_wei(pages * scenario.audited_ppm // PPM, rates)


def price_parts(economics: Economics, price_wei: int) -> tuple[int, int, int]:
    """Return (royalties, burned, for the treasury) of a price; together they are the price."""
    royalties, burned = (price_wei * bps // BPS for bps in (economics.royalty_bps, economics.burn_bps))
    return royalties, burned, price_wei - royalties - burned


def simulate(economics: Economics, scenario: Scenario, epochs: int) -> Iterator[Epoch]:
    """Yield the epochs. Earners hold what they earn until buyers need it, and then sell it to them.

    The treasury spends its fees in the epoch after: its bills are paid to people who sell to buyers too.
    """
    earners, treasury, market = 0, 0, scenario.initial_wei
    for number in range(epochs):
        pages = _grown(scenario.pages, scenario.pages_growth_bps, number)
        minted = emission_wei(rates_in(economics, number), scenario, pages)
        earners, treasury, market = earners + minted, 0, market + treasury
        wanted = _grown(scenario.sales, scenario.sales_growth_bps, number) * scenario.price_wei
        sales = min(wanted, earners + market)
        from_earners = max(0, sales - market)  # what buyers lack they buy of those who earned it
        earners, market = earners - from_earners, market + from_earners - sales
        royalties, burn, fees = price_parts(economics, sales)
        earners, treasury = earners + royalties, fees
        yield Epoch(
            number=number,
            emission_wei=minted,
            sales_wei=sales,
            royalties_wei=royalties,
            burn_wei=burn,
            supply_wei=earners + treasury + market,
            earners_wei=earners,
            treasury_wei=treasury,
            market_wei=market,
            demand_met=sales == wanted,
        )


def wash_loss_wei(economics: Economics, price_wei: int, own_tokens: int, other_tokens: int) -> int:
    """Return what somebody loses who buys an export in which they own `own_tokens`: price less their royalties."""
    royalties, _, _ = price_parts(economics, price_wei)
    back = split(royalties, {"own": own_tokens, "others": other_tokens})["own"]
    return price_wei - back


def _grown(count: int, growth_bps: int, epochs: int) -> int:
    return count * growth_bps**epochs // BPS**epochs
