"""A home is one network's, has one database and one set of contracts: other settings change nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from chain_nodes import free_port
from msgspec import structs
from running_house import windrow

from storage.state import State, get_cursor, sqlite_url
from storage.tables.contributions import meta
from windrow.chain_link import open_chain
from windrow.home import open_home
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


def _contribute(settings: HouseSettings) -> None:
    with open_home(settings) as home:
        home.contributions.append(b"a record")
        home.contributions.sync()
        with home.house.state.write() as connection:
            home.contributions.commit(connection)


@pytest.mark.parametrize("began_before", [False, True])
def test_a_home_with_another_database_is_refused_before_anything_of_it_is_cut_off(
    tmp_path: Path, began_before: bool
) -> None:
    homes = [HouseSettings(home=str(tmp_path / name)) for name in ("one", "other")]
    for settings in homes:
        _contribute(settings)
    segment = tmp_path / "one" / "segments" / "contributions-000000.zst"
    kept = segment.read_bytes()
    assert kept
    if began_before:  # by a version that did not write this down
        _forget_id(tmp_path / "one")
    for address in (sqlite_url(tmp_path / "new.db"), sqlite_url(tmp_path / "other" / "state.db")):
        with (
            pytest.raises(WindrowError) as caught,
            open_home(structs.replace(homes[0], database_url=address)),
        ):
            pass
        assert caught.value.code == "other_database"
        assert segment.read_bytes() == kept
    with open_home(homes[0]) as home:
        assert (tmp_path / "one" / "state_id").exists()
        with home.house.state.read() as connection:
            assert get_cursor(connection, "segments/contributions/bytes") == len(kept)


def test_a_kill_between_the_first_append_and_its_commit_is_no_other_database(tmp_path: Path) -> None:
    settings = HouseSettings(home=str(tmp_path / "home"))
    with open_home(settings) as home:
        home.contributions.append(b"never acknowledged")
        home.contributions.sync()
    with open_home(settings) as home:
        assert (tmp_path / "home" / "segments" / "contributions-000000.zst").stat().st_size == 0
        home.contributions.append(b"a record")


def _forget_id(home: Path) -> None:
    (home / "state_id").unlink()
    state = State.open(sqlite_url(home / "state.db"))
    with state.write() as connection:
        connection.execute(sa.delete(meta).where(meta.c.key == "state_id"))
    state.close()


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
