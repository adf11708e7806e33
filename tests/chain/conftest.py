"""What the chain's tests share: the contracts in a laboratory, and a devnet in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chain_lab import House
from chain_nodes import CHAIN_ID, OWNER, Devnet
from chain_steps import (
    terms,
)
from distributor_claims import AMOUNTS

from chain.client import ChainClient
from windrow_protocol.merkle import MerkleTree


@pytest.fixture(scope="session")
def built_house() -> House:
    return House.build()


@pytest.fixture
def house(built_house: House) -> Iterator[House]:
    """The contracts as they are just after creation; what a test does is undone."""
    with built_house.lab.undone():
        yield built_house


@pytest.fixture
def tree(house: House) -> MerkleTree:
    """A funded, accepted tree of five accounts."""
    found = MerkleTree.from_amounts(AMOUNTS)
    house.fund(found.total)
    house.install(found.root, found.total)
    return found


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A devnet in a process of its own, shared by tests that do not kill it."""
    with Devnet(tmp_path_factory.mktemp("devnet")) as running:
        yield running


@pytest.fixture(scope="module")
def client(devnet: Devnet) -> ChainClient:
    made = ChainClient.connect(devnet.url, CHAIN_ID)
    made.deploy(OWNER, terms("client tests"))
    return made


@pytest.fixture
def fresh(devnet: Devnet, request: pytest.FixtureRequest) -> ChainClient:
    """Contracts of a test's own on the shared devnet."""
    made = ChainClient.connect(devnet.url, CHAIN_ID)
    made.deploy(OWNER, terms(request.node.name))
    return made
