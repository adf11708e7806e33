"""One running house for all tests of the commands and of bad input."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_house import RunningHouse, running_house


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    """A real `windrow up` with its devnet."""
    with running_house(tmp_path_factory.mktemp("running")) as running:
        yield running
