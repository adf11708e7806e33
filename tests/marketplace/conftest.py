"""A whole market on loopback: a published export, the embedded devnet, doors on a real socket, a buyer with WIND."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from market_world import (
    BURN_BPS,
    BUYER,
    CHAIN_ID,
    OPERATOR,
    ROYALTY_BPS,
    STRANGER,
    TIMELOCK_S,
    TREASURY,
    Bought,
    Market,
    ServerThread,
    doors_of,
)
from published_world import RECIPES, open_world

from aggregator.publish import publish
from chain.client import ChainClient
from chain.deploy import DeployTerms
from marketplace.payment import list_on_chain
from storage.env import Server

if TYPE_CHECKING:
    from two_assets_world import Shop


@pytest.fixture(scope="session")
def rpc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The devnet in a process of its own."""
    funds = [f"--fund={key.address}:{10**21}" for key in (OPERATOR, BUYER, STRANGER)]
    devnet = subprocess.Popen(
        [
            *(sys.executable, "-m", "chain.devnet", "--home", str(tmp_path_factory.mktemp("devnet"))),
            *("--port", "0", "--chain-id", str(CHAIN_ID), "--die-with-parent", *funds),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert devnet.stdout is not None
    line = devnet.stdout.readline()
    assert line.startswith("devnet ready "), line
    yield line.split()[2]
    devnet.terminate()
    devnet.wait(20)


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerThread]:
    thread = ServerThread()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def market(rpc_url: str, servers: ServerThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A house with one export listed on chain, and a buyer who holds 100 WIND."""
    world = open_world(tmp_path_factory.mktemp("market"))
    chain = ChainClient.connect(rpc_url, CHAIN_ID)
    chain.deploy(OPERATOR, DeployTerms(network="windrow-test", treasury=TREASURY, timelock_s=TIMELOCK_S))
    for key in (BUYER, STRANGER):
        chain.token.mint(OPERATOR, key.address, 100 * 10**18)
    export = publish(world.house, RECIPES, "web_text")
    assert list_on_chain(world.house, chain, OPERATOR, ROYALTY_BPS, BURN_BPS) == [export.export_id]
    server: Server = servers.run(
        world.house.env.network.serve(doors_of(world.house, chain), host="127.0.0.1", port=0)
    )
    yield Market(world.house, chain, rpc_url, server.url, export)
    servers.run(server.close())
    world.close()


@pytest.fixture(scope="session")
def two_assets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A house whose chain takes WIND and USDC, with one export sold for both."""
    from two_assets_world import open_shop

    with open_shop(tmp_path_factory.mktemp("two_assets")) as shop:
        yield shop


@pytest.fixture(scope="session")
def two_assets_url(two_assets: Shop, servers: ServerThread) -> Iterator[str]:
    """Its doors on a real socket."""
    network = two_assets.house.env.network
    server: Server = servers.run(network.serve(two_assets.doors(), host="127.0.0.1", port=0))
    yield server.url
    servers.run(server.close())


@pytest.fixture(scope="session")
def bought(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Bought:
    folder = tmp_path_factory.mktemp("bought") / "web_text"
    client = market.client()
    quote = client.quote("web_text")
    receipt = client.buy(market.rpc_url, BUYER, quote, folder, price_wei_max=quote.price_wei)
    market.close_epoch()
    client.fetch_proofs(folder)
    return Bought(folder, receipt)
