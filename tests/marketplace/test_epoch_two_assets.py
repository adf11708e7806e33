"""One `epoch close` over sales in two assets: ledger, tree and chain agree in each, and neither pays for the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from chain_nodes import COIN, Anvil, rpc
from market_world import STRANGER
from published_world import AT_ONCE, open_world
from two_assets_world import BASE, USDC, Stable, priced_recipes

from chain.client import ChainClient
from chain.keys import load_or_make_key
from rewards.ledger import balances, cumulative
from storage.tables.contributions import exports
from windrow.ledger_report import recompute_epoch
from windrow.operations import Operations, offline_operations
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree


@dataclass
class Place:
    """A published home, and a chain that has both tokens."""

    settings: HouseSettings
    anvil: Anvil
    stable: Stable


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("epoch")
    world = open_world(folder / "home")
    network = world.house.network
    world.close()
    rules = folder / "rules.toml"
    rules.write_text(f"off = {list(AT_ONCE.off)}\n".replace("'", '"'))
    operator = load_or_make_key(folder / "home" / "keys" / "operator")
    with Anvil(BASE) as anvil:
        for key in (operator, STRANGER):
            rpc(anvil.url, "anvil_setBalance", key.address, hex(COIN))
        stable = Stable(anvil, ChainClient.connect(anvil.url, BASE))
        settings = HouseSettings(
            home=str(folder / "home"),
            network=network,
            rpc_url=anvil.url,
            chain_id=BASE,
            stablecoin=USDC.address,
            settle_depth_blocks=0,
            recipes=str(priced_recipes(folder / "recipes")),
            trust_rules=str(rules),
        )
        yield Place(settings, anvil, stable)


async def test_one_close_settles_what_was_sold_for_either_asset(place: Place) -> None:
    async with offline_operations(place.settings) as operations:
        await operations.publish("web_text")
        wind, usdc = (await operations.on_chain._chain.client()).of_each_asset()
        price, units = await bought_in_both(operations, place)
        closed = await operations.epoch_close()
        assert [each["asset"] for each in closed["epochs"]] == ["WIND", "USDC"]
        assert [each["state"] for each in closed["epochs"]] == ["accepted", "accepted"]
        with pytest.raises(WindrowError) as nothing:
            await operations.epoch_close()
        assert nothing.value.code == "nothing_to_settle"
        for chain, told, sold in zip((wind, usdc), closed["epochs"], (price, units), strict=True):
            with operations._home.house.state.read() as connection:
                leaves = cumulative(balances(connection, told["asset"]))
            tree = MerkleTree.from_amounts({account: wei for account, wei in leaves.items() if wei})
            assert told["root"] == tree.root == chain.distributor.root()
            assert int(told["total_wei"]) == tree.total == chain.distributor.total_allocated() > 0
            royalties = sum(sale.royalties_wei for sale in chain.market.purchases(0))
            assert royalties == sold * 7 // 10
            again = recompute_epoch(Path(place.settings.home) / "epochs" / str(told["epoch_id"]))
            assert (again["ok"], again["root"]) == (True, told["root"])
        # what USDC owes lies there in USDC, made by nobody: all of it came from the sale
        assert usdc.distributor.total_allocated() <= units * 7 // 10
        assert place.stable.balance_of(usdc.distributor.address) == usdc.distributor.total_allocated()
        report = await operations.on_chain.ledger_verify()
        assert report["ok"], report["checks"]
        assert {asset: int(sums["owed"]) for asset, sums in report["assets"].items()} == {
            "WIND": wind.distributor.total_allocated(),
            "USDC": usdc.distributor.total_allocated(),
        }
        taken_away(place, usdc.distributor.address, 7)
        report = await operations.on_chain.ledger_verify()
        (said,) = [check["detail"] for check in report["checks"] if check["state"] == "failed"]
        assert "the distributor lacks 7 of" in said


async def bought_in_both(operations: Operations, place: Place) -> tuple[int, int]:
    """Buy the export once for each asset, from two accounts; returns both prices."""
    with operations._home.house.state.read() as connection:
        export_id = str(connection.execute(sa.select(exports.c.export_id)).scalar_one())
    wind, usdc = (await operations.on_chain._chain.client()).of_each_asset()
    prices = []
    for chain in (wind, usdc):
        listing = chain.market.listing(export_id)
        assert listing is not None
        prices.append(listing.price_wei)
    key = load_or_make_key(Path(place.settings.home).parent / "buyer")
    rpc(place.anvil.url, "anvil_setBalance", key.address, hex(COIN))
    wind.token.mint(operations.on_chain._chain.operator, key.address, prices[0])
    place.stable.mint(STRANGER.address, prices[1])
    wind.market.buy(key, export_id)
    usdc.market.buy(STRANGER, export_id)
    return prices[0], prices[1]


def taken_away(place: Place, account: str, units: int) -> None:
    """Let the stablecoin of an account go elsewhere, as its issuer could."""
    rpc(place.anvil.url, "anvil_setBalance", account, hex(COIN))
    rpc(place.anvil.url, "anvil_impersonateAccount", account)
    sent: Any = place.stable.functions.transfer("0x" + "77" * 20, units)
    sent.transact({"from": account})
