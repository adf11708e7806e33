"""Runs sequences of random steps against the contracts and their models, and says where they differ.

Rules: a sequence follows from its seed. After every call the outcome is compared, an error by its name; after every
few, and at the end, all balances, all supply and every number the contracts keep. Whatever the model says, the market
never holds less than its orders, and the distributor exactly what is allotted and not paid, and what it was given.

Does not: shrink: a seed and a step's number are enough to look at it again.

Usage: `counts = run_sequence(House.build(), seed=1, steps=200)`.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

from chain_lab import House, RevertedError

from bench.solidity.distributor_steps import DistributorModel
from bench.solidity.market_steps import MarketModel
from bench.solidity.steps import Balances, Step

_COMPARED_EVERY: Final = 25
_PASSING_S: Final = (0, 0, 0, 0, 0, 1, 30, 600, 3_600, 86_400)


class DifferenceError(AssertionError):
    """The contracts did not do what the model says."""


def run_sequence(house: House, *, seed: int, steps: int) -> Counter[str]:
    """Run one sequence and take it back; returns how often each function succeeded or was refused, and why.

    Raises DifferenceError.
    """
    drawn, balances, counts = random.Random(seed), Balances(), Counter[str]()
    market, distributor = (
        MarketModel(house, balances, drawn),
        DistributorModel(house, balances, drawn),
    )
    with house.lab.undone():
        opening = market.opening()
        for number in range(1, steps + 1):
            house.lab.now_s += drawn.choice(_PASSING_S)
            model = drawn.choice((market, market, distributor))
            step = opening.pop() if opening else model.draw(house.lab.now_s)
            named = f"seed {seed}, step {number}: {step.function}{step.arguments} by {step.sender}"
            counts[f"{step.function.partition('(')[0]}: {_taken(house, step, named) or 'done'}"] += 1
            if number % _COMPARED_EVERY == 0 or number == steps:
                _compare(house, market, distributor, named)
    return counts


def _taken(house: House, step: Step, named: str) -> str:
    """Make one call; returns its error's name, empty when there was none."""
    contract = {
        "token": house.token,
        "market": house.market,
        "distributor": house.distributor,
        "reserve": house.reserve_contract,
    }[step.contract]
    try:
        house.lab.send(step.sender, contract, step.function, *step.arguments)
    except RevertedError as error:
        if error.name != step.expected:
            raise DifferenceError(f"{named}: {error.said} instead of {step.expected or 'success'}") from error
        return step.expected
    if step.expected:
        raise DifferenceError(f"{named}: it was let through, not {step.expected}")
    step.effect()
    return ""


def _compare(house: House, market: MarketModel, distributor: DistributorModel, named: str) -> None:
    balances = market.balances
    read = {account: house.balance(account) for account in balances.of}
    facts = [(house.market, market.facts()), (house.distributor, distributor.facts())]
    found = {name: house.lab.read(place, name) for place, wanted in facts for name in wanted}
    expected = {name: value for _, wanted in facts for name, value in wanted.items()}
    if read != balances.of or found != expected:
        raise DifferenceError(f"{named}: {read | found} instead of {balances.of | expected}")
    if house.lab.read(house.token, "totalSupply") != sum(balances.of.values()):
        raise DifferenceError(f"{named}: the supply is not the sum of all balances")
    if house.balance(house.market.address) < found["heldTotal"]:
        raise DifferenceError(f"{named}: the market holds less than its orders")
    if house.balance(house.distributor.address) != distributor.covered():
        raise DifferenceError(f"{named}: the distributor does not hold exactly what it owes and was given")
