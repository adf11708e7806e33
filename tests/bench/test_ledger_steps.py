"""The ledger equals, to the wei, a second implementation of its rules; a changed rule is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa

import bench.ledger_model.second_ledger as second_ledger
from bench.ledger import run
from bench.ledger_model.life import run_life
from rewards import ledger, royalties


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


EACH = {"work", "sale", "royalties", "epoch", "claim", "again", "other amount", "died"}


def test_whatever_happens_in_whatever_order_two_ledgers_agree_to_the_wei() -> None:
    """What Hypothesis draws also follows from what else is imported: it lives on until everything has happened."""
    made: Counter[str] = Counter()
    for chance in range(40):
        made += run_life(examples=6, steps=60, chance=chance)
        if made["entries"] > 1_000 and made.keys() >= EACH:
            return
    raise AssertionError(f"too little happened: {made}")


def _to_the_first(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """A split that gives what is left over to whoever comes first."""
    whole = sum(weights.values())
    parts = {owner: amount * weight // whole for owner, weight in weights.items()}
    parts[min(parts)] += amount - sum(parts.values())
    return parts


@pytest.mark.parametrize("fault", ["split", "retry"])
def test_a_fault_in_the_paying_code_is_noticed(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "split":
        monkeypatch.setattr(royalties, "split", _to_the_first)
    else:  # a second posting of the same is taken for a new one
        monkeypatch.setattr(ledger, "_amounts_of", lambda _connection, _ids: {})
    with pytest.raises((AssertionError, sa.exc.IntegrityError)):
        _live_on()


def _live_on() -> None:
    for chance in range(40):
        run_life(examples=6, steps=60, chance=chance, shortest=False)
