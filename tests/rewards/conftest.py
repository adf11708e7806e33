"""A real chain for the rewards room: the embedded devnet on loopback, on a clock that the tests move."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rewards_cases import MovableClock, Settled, open_house

from chain.client import ChainClient
from chain.deploy import DeployTerms
from chain.devnet import serve
from chain.keys import key_from_hex
from chain.relayer import Relayer
from rewards.epochs.closing import Signers

CHAIN_ID = 31_337
OWNER, MINTER, RELAYER = (key_from_hex(f"{number:064x}") for number in (1, 2, 3))
TIMELOCK_S = 90


@pytest.fixture(scope="session")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def devnet_url(tmp_path_factory: pytest.TempPathFactory, clock: MovableClock) -> Iterator[str]:
    """The devnet's own server in a thread, since its clock has to be ours."""
    ready: list[str] = []
    listening = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def on_ready(line: str) -> None:
        ready.append(line.split()[2])
        listening.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        balances: dict[str, int] = {key.address: 10**24 for key in (OWNER, MINTER, RELAYER)}
        serving = serve(
            tmp_path_factory.mktemp("devnet"),
            0,
            CHAIN_ID,
            balances_wei=balances,
            stop=stop,
            on_ready=on_ready,
            clock_s=lambda: clock.now_ms() / 1000,
        )
        loop.run_until_complete(serving)
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert listening.wait(30), "the devnet did not start"
    yield ready[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


@pytest.fixture
def settled(devnet_url: str, clock: MovableClock, tmp_path: Path, request: pytest.FixtureRequest) -> Settled:
    """A house with contracts of its own on the devnet."""
    chain = ChainClient.connect(devnet_url, CHAIN_ID)
    network = f"test {request.node.nodeid}"
    treasury = "0x" + "99" * 20
    chain.deploy(
        OWNER,
        DeployTerms(network=network, treasury=treasury, timelock_s=TIMELOCK_S, minter=MINTER.address),
    )
    house = open_house(tmp_path / "home", clock)
    return Settled(house, chain, Signers(owner=OWNER, minter=MINTER), Relayer(chain, RELAYER), clock)
