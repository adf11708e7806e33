"""Two assets in one house on a real chain: the network's own token, and the stablecoin that the official client knows.

Rules: the recipe that is published is the shipped one with a price in USDC stated in it, as an operator states one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chain_lab import hostile_artifact
from chain_nodes import COIN, Anvil, rpc
from market_world import BUYER, OPERATOR, ROYALTY_BPS, STRANGER, TIMELOCK_S, TREASURY
from published_world import RECIPES, PublishedWorld, open_world
from x402.mechanisms.evm.default_assets import DEFAULT_ASSETS

from aggregator.publish import Export, publish
from chain.assets import Asset, read_asset
from chain.client import ChainClient
from chain.deploy import DeployTerms
from chain.keys import load_or_make_key
from chain.relayer import Relayer
from chain.typed_data import Authorization
from marketplace.catalogue import Catalogue
from marketplace.other_assets import list_beside
from marketplace.payment import list_on_chain
from marketplace.routes import routes
from marketplace.x402 import Accepted, ExactPayload, Payment, SignedTransfer, X402Till
from rewards.known_assets import remember
from rewards.routes import routes as reward_routes

BURN_BPS = 1_000  # of a price in WIND
BASE = 8_453  # the network id under which the official client knows this token
(KNOWN,) = DEFAULT_ASSETS[f"eip155:{BASE}"]
USDC = Asset(KNOWN["symbol"], KNOWN["name"], KNOWN["version"], KNOWN["decimals"], KNOWN["asset"])


class Stable:
    """A token of another's at the address and under the name and version of the well-known one."""

    def __init__(self, anvil: Anvil, chain: ChainClient) -> None:
        found = hostile_artifact("Stablecoin")
        made = chain.w3.eth.contract(abi=found["abi"], bytecode=found["bytecode"])
        sent = made.constructor(USDC.name, USDC.version).transact({"from": OPERATOR_UNLOCKED})
        where = chain.w3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        assert where is not None
        code = chain.w3.eth.get_code(where)
        rpc(anvil.url, "anvil_setCode", USDC.address, "0x" + bytes(code).hex())
        self.functions: Any = chain.w3.eth.contract(
            chain.w3.to_checksum_address(USDC.address), abi=found["abi"]
        ).functions

    def mint(self, to: str, units: int) -> None:
        self.functions.mint(to, units).transact({"from": OPERATOR_UNLOCKED})

    def balance_of(self, account: str) -> int:
        return int(self.functions.balanceOf(account).call())


OPERATOR_UNLOCKED = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # anvil signs for it itself


class Shop:
    """One house whose chain takes both assets."""

    def __init__(self, anvil: Anvil, world: PublishedWorld, export: Export) -> None:
        self.anvil, self.house, self.export = anvil, world.house, export
        self.wind = ChainClient.connect(anvil.url, BASE)
        self.stable = Stable(anvil, self.wind)
        terms = DeployTerms(network="two assets", treasury=TREASURY, timelock_s=TIMELOCK_S)
        self.wind.deploy(OPERATOR, terms)
        self.usdc = self.wind.deploy_beside(OPERATOR, terms, read_asset(self.wind.w3, BASE, USDC.address))
        remember(self.house.state, self.usdc.asset.symbol, self.usdc.asset.decimals)
        list_on_chain(self.house, self.wind, OPERATOR, ROYALTY_BPS, BURN_BPS)
        self.listed = list_beside(self.house, self.wind, OPERATOR, ROYALTY_BPS)
        self.offer = Catalogue(self.house).offer_of(export.export_id)
        self.price = self.offer.price_in("USDC") or 0

    async def chain(self) -> ChainClient:
        return self.wind

    def doors(self) -> list[Any]:
        claims = reward_routes(self.house, lambda: self.wind, lambda: Relayer(self.wind, STRANGER))
        return [*routes(self.house, self.chain, OPERATOR), *claims]

    def pay(self, key: Any, name: str, token: str | None, market: str, value: int) -> Any:
        client = self.usdc if token == USDC.address else self.wind
        until_s = self.house.now_ms() // 1000 + 200
        nonce = hashlib.sha256(name.encode()).digest()
        transfer = Authorization(key.address, market, value, 0, until_s, nonce)
        signature = "0x" + client.token.sign_transfer(key, transfer).hex()
        signed = SignedTransfer(key.address, market, str(value), "0", str(until_s), "0x" + nonce.hex())
        payment = Payment(2, ExactPayload(signed, signature), Accepted("exact", f"eip155:{BASE}", token))
        return X402Till(self.house).pay(self.offer, payment, self.wind, OPERATOR)

    def funded(self, path: Path, prices: int = 1) -> Any:
        """A key file with coin for gas and so many prices in each asset."""
        key = load_or_make_key(path)
        rpc(self.anvil.url, "anvil_setBalance", key.address, hex(COIN))
        self.wind.token.mint(OPERATOR, key.address, prices * self.export.price)
        self.stable.mint(key.address, prices * self.price)
        return key


def priced_recipes(folder: Path) -> Path:
    """Copy the shipped recipe of `web_text` and state what it costs in USDC, which no shipped recipe does."""
    shutil.copytree(RECIPES / "web_text", folder / "web_text")
    recipe = folder / "web_text" / "recipe.toml"
    stated = '[price.also.USDC]\nunits_per_million_tokens = "100000"\nminimum_units = "10000"\n\n'
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("[thresholds]", stated + "[thresholds]", 1), encoding="utf-8")
    return folder


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    """Publish an export, start a chain that has both tokens, and list it for both, until the block ends."""
    world = open_world(folder / "home")
    export = publish(world.house, priced_recipes(folder / "recipes"), "web_text")
    with Anvil(BASE) as anvil:
        for key in (OPERATOR, BUYER, STRANGER):
            rpc(anvil.url, "anvil_setBalance", key.address, hex(COIN))
        yield Shop(anvil, world, export)
    world.close()
