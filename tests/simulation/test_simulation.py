"""The whole aggregator, rewards included, through storms and crashes: 200 seeds, and what must hold in each of them."""

from __future__ import annotations

import pytest
from simulation.runs import Setting, run

SEEDS = 200
BLOCK = 20


@pytest.mark.parametrize("first", range(1, SEEDS + 1, BLOCK))
def test_nothing_acknowledged_is_lost_and_nothing_is_paid_twice(first: int) -> None:
    results = [run(Setting.drawn(seed)) for seed in range(first, first + BLOCK)]
    assert [(result.seed, result.problems) for result in results if result.problems] == []
    assert sum(result.crashes for result in results) > BLOCK, "a simulation without crashes shows nothing"
    assert sum(result.submitted for result in results) > BLOCK


def test_a_seed_repeats_itself() -> None:
    first, again = run(Setting(7)), run(Setting(7))
    assert first == again
    assert first.fingerprint
