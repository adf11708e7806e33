"""Puts token, distributor (which creates its reserve) and market on a chain, once.

Rules: each contract is created through the CREATE2 factory, so its address follows from its code, its arguments and the
network's name. Deploying again, by anyone and after any crash, finds what is there and sends only what is missing.

Does not: keep the result; the caller writes the `Deployment` into its configuration.

Usage::

    deployment = deploy(w3, sender, key, DeployTerms(network="windrow-demo", treasury=address, timelock_s=2))
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from web3 import Web3

from chain.abi import ContractName, artifact, creation_code
from chain.assets import WIND, Asset
from chain.create2 import FACTORY_ADDRESS, FACTORY_CODE, create2_address
from chain.sender import Outgoing, Sender
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class DeployTerms:
    """What is fixed when the contracts are created.

    `owner` and `minter` default to the deploying key. Other terms give other addresses.
    """

    network: str
    treasury: str
    timelock_s: int
    owner: str | None = None
    minter: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts lie. `block` is the one events are read from."""

    token: str
    distributor: str
    market: str
    chain_id: int
    block: int


class Creation(NamedTuple):
    """A contract as it would be created: its code with its arguments, and the address that follows."""

    name: ContractName
    code: bytes
    address: str


def creations_of(deployer: str, terms: DeployTerms, asset: Asset = WIND) -> tuple[Creation, ...]:
    """Return token, distributor and market as these terms would have them, in the order of their creation.

    Where the asset is there already, as any but the network's own is, the token is none of them.
    """
    owner = Web3.to_checksum_address(terms.owner or deployer)
    minter = Web3.to_checksum_address(terms.minter or deployer)
    treasury = Web3.to_checksum_address(terms.treasury)

    def creation(name: ContractName, *arguments: Any) -> Creation:
        code = creation_code(name, *arguments)
        return Creation(name, code, create2_address(_salt(terms), code))

    own = [] if asset.address else [creation("WindToken", owner, minter)]
    token = Web3.to_checksum_address(asset.address or own[0].address)
    distributor = creation("RewardDistributor", token, terms.timelock_s, owner)
    market = creation("DatasetMarket", token, distributor.address, treasury, owner)
    return (*own, distributor, market)


def _salt(terms: DeployTerms) -> bytes:
    return hashlib.sha256(f"windrow contracts of {terms.network}".encode()).digest()


def deploy(
    w3: Web3, sender: Sender, key: LocalAccount, terms: DeployTerms, asset: Asset = WIND
) -> Deployment:
    """Create what is missing and return where everything lies.

    Raises WindrowError `chain_rejected` when the chain has no CREATE2 factory or refuses, `chain_pending`.
    """
    if bytes(w3.eth.get_code(Web3.to_checksum_address(FACTORY_ADDRESS))) != FACTORY_CODE:
        raise WindrowError("chain_rejected", f"this chain has no CREATE2 factory at {FACTORY_ADDRESS}")
    sender.wait_idle(key.address)
    creations = creations_of(key.address, terms, asset)
    for creation in creations:
        if not w3.eth.get_code(Web3.to_checksum_address(creation.address)):
            sender.send(key, Outgoing(FACTORY_ADDRESS, _salt(terms) + creation.code))
    first, *_, market = creations
    distributor = creations[-2].address
    token = asset.address or first.address
    contract: Any = w3.eth.contract(
        address=Web3.to_checksum_address(first.address), abi=artifact(first.name).abi
    )
    block = int(contract.functions.createdInBlock().call())
    return Deployment(token, distributor, market.address, w3.eth.chain_id, block)
