"""The ledger equals, to the wei, a second implementation of its rules; a changed rule is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench.ledger_model.second_ledger as second_ledger
from bench.ledger import run


@pytest.mark.parametrize("seed", [1, 2])
def test_two_implementations_agree_to_the_wei(tmp_path: Path, seed: int) -> None:
    found = run(700, nodes=12, seed=seed, home=tmp_path)
    assert found["differences"] == 0, found["first_difference"]
    assert found["conserved"]
    assert found["same_root"]
    assert found["problems"] == 0
    assert {"released", "fined", "came_back", "fetch_fee"} <= found["rows"].keys()


def test_a_second_implementation_that_counts_otherwise_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_ledger, "MILLION", 999_000)
    assert run(300, nodes=6, seed=1, home=tmp_path)["differences"] > 0
