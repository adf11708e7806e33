"""Sequences of random calls do to the contracts what a model in Python says, and a contract with a fault is caught."""

from __future__ import annotations

import pytest
from chain_lab import OWNER, House, Lab

from bench.solidity.sequences import DifferenceError, run_sequence


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_contracts_do_what_the_model_says(seed: int) -> None:
    counts = run_sequence(House.build(), seed=seed, steps=150)
    assert counts.total() == 150
    assert sum(count for outcome, count in counts.items() if outcome.endswith(": done")) > 40
    assert len(counts) > 20


def test_a_sequence_follows_from_its_seed_and_leaves_nothing_behind() -> None:
    house = House.build()
    first, second = (run_sequence(house, seed=7, steps=60) for _ in range(2))
    assert first == second != run_sequence(house, seed=8, steps=60)
    assert house.lab.read(house.market, "saleCount") == 0


def test_contracts_that_do_something_else_are_noticed() -> None:
    """A distributor with another timelock than the model's: the first root is refused or taken at the wrong time."""
    lab = Lab()
    token = lab.create("WindToken", OWNER, OWNER)
    distributor = lab.create("RewardDistributor", token.address, 7, OWNER)
    market = lab.create("DatasetMarket", token.address, distributor.address, OWNER, OWNER)
    with pytest.raises(DifferenceError, match="seed 1, step"):
        run_sequence(House(lab, token, distributor, market), seed=1, steps=200)
