"""What the chain's tests share: the contracts in a laboratory, and a devnet in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chain_lab import House


@pytest.fixture(scope="session")
def built_house() -> House:
    return House.build()


@pytest.fixture
def house(built_house: House) -> Iterator[House]:
    """The contracts as they are just after creation; what a test does is undone."""
    with built_house.lab.undone():
        yield built_house
