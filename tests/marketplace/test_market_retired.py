"""Who has paid for a version that is retired before all of it has come gets the next one, and pays nothing more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from market_world import CHAIN_ID, OPERATOR, ROYALTY_BPS, STRANGER, TIMELOCK_S, Market, ServerThread, doors_of
from published_world import RECIPES, copied_recipes, open_world

from aggregator.publish import publish
from chain.client import ChainClient
from chain.deploy import DeployTerms
from marketplace.payment import list_on_chain
from storage.env import Server
from storage.tables.contributions import exports
from windrow import purchase as purchase_module
from windrow.purchase import QUOTE_NAME, purchase
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import decode_manifest


@pytest.fixture(scope="module")
def shop(rpc_url: str, servers: ServerThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A market with contracts of its own, whose first version can be retired without hurting other tests."""
    world = open_world(tmp_path_factory.mktemp("retired"))
    chain = ChainClient.connect(rpc_url, CHAIN_ID)
    treasury = "0x" + "98" * 20
    chain.deploy(OPERATOR, DeployTerms(network="windrow-test", treasury=treasury, timelock_s=TIMELOCK_S))
    chain.token.mint(OPERATOR, STRANGER.address, 100 * 10**18)
    export = publish(world.house, RECIPES, "web_text")
    list_on_chain(world.house, chain, OPERATOR, ROYALTY_BPS, 0)
    server: Server = servers.run(
        world.house.env.network.serve(doors_of(world.house, chain), host="127.0.0.1", port=0)
    )
    yield Market(world.house, chain, rpc_url, server.url, export)
    servers.run(server.close())
    world.close()


def test_who_paid_for_a_retired_version_gets_its_successor_for_nothing(shop: Market, tmp_path: Path) -> None:
    client, key_file = shop.client(), tmp_path / "key"
    key_file.write_text(STRANGER.key.hex())
    key_file.chmod(0o600)
    quote, before = client.quote("web_text"), shop.chain.token.balance_of(STRANGER.address)
    out = tmp_path / "out"
    folder = out / "web_text-0.1.0"
    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(purchase_module.MarketClient, "_download", _cut_off)
        with pytest.raises(WindrowError, match="not_running"):
            purchase("web_text", key_file, out, shop.url, shop.rpc_url, None)
    assert (folder / QUOTE_NAME).is_file(), "what was paid for can still be named"
    paid = shop.chain.token.balance_of(STRANGER.address)
    assert paid == before - shop.export.price

    with shop.house.state.write() as connection:
        connection.execute(sa.update(exports).values(retired="done"))
    with pytest.raises(WindrowError) as waiting:  # there is no successor yet
        client.buy(shop.rpc_url, STRANGER, quote, tmp_path / "mine", price_wei_max=0)
    assert waiting.value.code == "version_retired"
    with pytest.raises(WindrowError) as refused:  # and whoever has not paid is told so, by name
        client.quote("web_text", "0.1.0")
    assert refused.value.code == "version_retired"

    recipes = copied_recipes(tmp_path / "recipes", card=("\n", "\n\n"))
    second = publish(shop.house, recipes, "web_text")
    assert second.version != shop.export.version
    said = purchase("web_text/0.1.0", key_file, out, shop.url, shop.rpc_url, lambda question: False)
    assert (said["version"], said["price_wei"]) == (second.version, str(shop.export.price))
    assert shop.chain.token.balance_of(STRANGER.address) == paid, "and nothing more was paid"
    given = out / f"web_text-{second.version}"
    assert decode_manifest((given / "manifest.json").read_bytes()).export_id == second.export_id
    assert not (folder / QUOTE_NAME).exists()
    shutil.rmtree(given)
    receipt = client.buy(shop.rpc_url, STRANGER, quote, tmp_path / "mine", price_wei_max=0)
    assert receipt.export_id == second.export_id
    assert (tmp_path / f"web_text-{second.version}" / "purchase.json").is_file()


def _cut_off(*_: object) -> None:
    raise WindrowError("not_running", "the line broke")
