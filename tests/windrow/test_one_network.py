"""A home is one network's and pays through one set of contracts: other settings change nothing on it, or on a chain."""

from __future__ import annotations

from pathlib import Path

import pytest
from chain_nodes import free_port
from running_house import windrow

from storage.state import State, sqlite_url
from windrow.chain_link import open_chain
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError


def test_a_home_of_another_network_is_refused(tmp_path: Path) -> None:
    def add(network: str) -> tuple[int, str]:
        environment = {"WINDROW_HOME": str(tmp_path), "WINDROW_NETWORK": network}
        said = windrow("frontier", "add", "http://example.org/", env=environment)
        return said.code, said.out + said.err

    assert add("meadow") == (0, "1 added, 0 known already\n")
    code, said = add("marsh")
    assert code == 2
    assert "meadow, not marsh" in said
    assert add("meadow") == (0, "0 added, 1 known already\n")


async def test_other_contracts_are_not_deployed_and_not_paid_through(tmp_path: Path) -> None:
    state = State.open(sqlite_url(tmp_path / "state.db"))

    def settings(timelock_s: int) -> HouseSettings:
        return HouseSettings(home=str(tmp_path), timelock_s=timelock_s, devnet_port=free_port())

    async with open_chain(settings(2), state) as chain:
        first = await chain.client()
        deployment, head = first.deployment, first.head()
    async with open_chain(settings(3), state) as chain:
        with pytest.raises(WindrowError, match="RewardDistributor") as caught:
            await chain.client()
        assert caught.value.code == "other_contracts"
    async with open_chain(settings(2), state) as chain:
        again = await chain.client()
        assert (again.deployment, again.head()) == (deployment, head)
    state.close()
