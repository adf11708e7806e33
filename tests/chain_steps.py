"""What tests of the chain client do to a chain, in few words: terms, trees, a settlement, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from chain_nodes import OWNER, key

from chain.client import ChainClient
from chain.deploy import DeployTerms
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree

TREASURY = "0x7777777777777777777777777777777777777777"
INPUTS = "0x" + "ab" * 32
MANIFEST = "cd" * 32
SALT = b"\x05" * 32
PRICE_WEI = 1_000_000_000_000_000_003
TIMELOCK_S = 2
SHORT_S = 1
FAR_S = 2**40


def terms(network: str, timelock_s: int = SHORT_S) -> DeployTerms:
    return DeployTerms(network=network, treasury=TREASURY, timelock_s=timelock_s)


def tree_of(*amounts: int) -> MerkleTree:
    return MerkleTree.from_amounts({key(500 + n).address: amount for n, amount in enumerate(amounts)})


def settle(client: ChainClient, tree: MerkleTree) -> None:
    """What an epoch's settlement does."""
    missing = client.distributor.shortfall(tree.total)
    if missing:
        client.token.mint(OWNER, client.distributor.reserve, missing)
    client.distributor.propose_root(OWNER, tree.root, tree.total, INPUTS)
    client.distributor.wait_valid(tree.root)
    client.distributor.accept_root(OWNER, tree.root)


def sends_nothing(client: ChainClient, action: Callable[[], Any]) -> Any:
    """Run something and assert that no transaction came of it."""
    before = client.head()
    result = action()
    assert client.head() == before
    return result


def refused(action: Callable[[], Any]) -> WindrowError:
    with pytest.raises(WindrowError) as caught:
        action()
    return caught.value
