"""One connection to the chain and Windrow's contracts on it.

Rules: synchronous, for `asyncio.to_thread`; safe to share between threads. Whatever sends may be called again after a
crash. Amounts are wei, times seconds of chain time, hashes as their modules say. What lies under `depth_blocks` further
blocks is *settled*: only that is written down for good, because a reorganisation may take back what lies above.
Depth 0 is for a chain that is never reorganised, such as the embedded devnet.

Does not: keep keys (each call is given one) or remember anything between runs: the chain does.

Usage::

    client = ChainClient.connect("http://127.0.0.1:8545", chain_id=31337)
    deployment = client.deploy(key, DeployTerms(network="windrow-demo", treasury=address, timelock_s=2))
    client.token.balance_of(address)
"""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from eth_typing import BlockNumber
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.types import BlockIdentifier

from chain.assets import WIND, Asset, read_asset
from chain.bound import BoundContract
from chain.deploy import Deployment, DeployTerms, deploy
from chain.distributor import DistributorOps
from chain.market import MarketOps
from chain.market_orders import OrderOps
from chain.rpc import connect
from chain.sender import Outgoing, Sender, TxDone
from chain.token import TokenOps
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


class ChainClient:
    """The chain as Windrow uses it."""

    def __init__(
        self,
        w3: Web3,
        chain_id: int,
        depth_blocks: int = 0,
        *,
        asset: Asset = WIND,
        sender: Sender | None = None,
    ) -> None:
        self.w3 = w3
        self.chain_id = chain_id
        self.depth_blocks = depth_blocks
        self.asset = asset
        self.sender = sender or Sender(w3)
        self._family: dict[str, ChainClient] = {asset.symbol: self}
        self._bound: tuple[TokenOps, DistributorOps, MarketOps, OrderOps, Deployment] | None = None

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        chain_id: int,
        deployment: Deployment | None = None,
        *,
        patience_s: float = 10.0,
        depth_blocks: int = 0,
        ending: Event | None = None,
    ) -> ChainClient:
        """Connect, make sure the chain is the one meant, and bind the contracts if they are known.

        A node that does not answer is waited for up to `patience_s`, now and at every later request, and no more
        once `ending` is set. Raises WindrowError `bad_config`, `chain_unreachable`, `wrong_chain` (also: no
        contracts at those addresses).
        """
        client = cls(connect(rpc_url, chain_id, patience_s=patience_s, ending=ending), chain_id, depth_blocks)
        if deployment is not None:
            client.bind(deployment)
        return client

    def deploy(self, deployer_key: LocalAccount, terms: DeployTerms) -> Deployment:
        """Put the contracts on the chain if they are not there, and bind them. Raises as `chain.deploy.deploy`."""
        deployment = deploy(self.w3, self.sender, deployer_key, terms, self.asset)
        self.bind(deployment)
        return deployment

    def deploy_beside(self, deployer_key: LocalAccount, terms: DeployTerms, asset: Asset) -> ChainClient:
        """Put the contracts of another asset on the chain if they are not there, and return the client over them.

        `of` finds it again from each of them. Raises as `chain.deploy.deploy`.
        """
        other = self._beside(asset)
        other.deploy(deployer_key, terms)
        return other

    def bind_beside(self, symbol: str, deployment: Deployment) -> ChainClient:
        """Use contracts of another asset that somebody else deployed; its token has to call itself so.

        Raises WindrowError `wrong_asset` or `wrong_chain`.
        """
        asset = read_asset(self.w3, self.chain_id, deployment.token)
        if asset.symbol != symbol:
            raise WindrowError("wrong_asset", f"{asset.address} is {asset.symbol}, not {symbol}"[:120])
        other = self._beside(asset)
        other.bind(deployment)
        return other

    def _beside(self, asset: Asset) -> ChainClient:
        other = ChainClient(self.w3, self.chain_id, self.depth_blocks, asset=asset, sender=self.sender)
        self._family[asset.symbol], other._family = other, self._family
        return other

    def of(self, symbol: str) -> ChainClient:
        """The client over the contracts of an asset. Raises WindrowError `not_found`."""
        if symbol not in self._family:
            raise WindrowError("not_found", f"no contracts for {symbol} are known here"[:120])
        return self._family[symbol]

    def of_each_asset(self) -> tuple[ChainClient, ...]:
        """The clients of all assets, the network's own first."""
        return tuple(self._family.values())

    def bind(self, deployment: Deployment) -> None:
        """Use these contracts. Raises WindrowError `wrong_chain` when they are not on this chain."""
        if deployment.chain_id != self.chain_id:
            raise WindrowError("wrong_chain", f"the contracts are on chain {deployment.chain_id}")
        token = BoundContract(self.w3, self.sender, "WindToken", deployment.token)
        distributor = BoundContract(self.w3, self.sender, "RewardDistributor", deployment.distributor)
        market = BoundContract(self.w3, self.sender, "DatasetMarket", deployment.market)
        for contract in (token, distributor, market):
            contract.check()
        token_ops = TokenOps(token, self.chain_id, self.asset)
        market_ops = MarketOps(market, token_ops, deployment.block)
        self._bound = (
            token_ops,
            DistributorOps(distributor, token, self.time_s),
            market_ops,
            OrderOps(market, token_ops, market_ops, deployment.block),
            deployment,
        )

    @property
    def token(self) -> TokenOps:
        """The token, WIND where no other asset is meant. Raises WindrowError `bad_config` before `bind` or `deploy`."""
        return self._contracts()[0]

    @property
    def distributor(self) -> DistributorOps:
        """The reward distributor. Raises WindrowError `bad_config` before `bind` or `deploy`."""
        return self._contracts()[1]

    @property
    def market(self) -> MarketOps:
        """The dataset market. Raises WindrowError `bad_config` before `bind` or `deploy`."""
        return self._contracts()[2]

    @property
    def orders(self) -> OrderOps:
        """The market's orders under terms. Raises WindrowError `bad_config` before `bind` or `deploy`."""
        return self._contracts()[3]

    @property
    def deployment(self) -> Deployment:
        """Where the contracts lie. Raises WindrowError `bad_config` before `bind` or `deploy`."""
        return self._contracts()[4]

    def market_key(self) -> str:
        """The chain's id and the market's address, lower hex: what a sale is told apart by."""
        return f"{self.chain_id}/{self.deployment.market.lower()}"

    def time_s(self) -> int:
        """Chain time: that of the next block where the node says it, else of the newest."""
        try:
            return int(self.w3.eth.get_block("pending")["timestamp"])
        except (Web3Exception, KeyError):
            return int(self.w3.eth.get_block("latest")["timestamp"])

    def head(self) -> int:
        """The newest block's number."""
        return int(self.w3.eth.block_number)

    def settled_head(self) -> int:
        """The newest block that counts as settled; below 0 while the chain is shorter than the depth."""
        return self.head() - self.depth_blocks

    def settled_state(self) -> BlockIdentifier | None:
        """The block to read settled state at; None while the contracts themselves are not settled."""
        if not self.depth_blocks:
            return "pending"
        number, market = BlockNumber(self.settled_head()), Web3.to_checksum_address(self.deployment.market)
        if number < self.deployment.block or not self.w3.eth.get_code(market, number):
            return None  # the market is created last
        return number

    def settled_time_s(self) -> int:
        """Chain time that no reorganisation takes back; of the next block where the chain has none."""
        if not self.depth_blocks:
            return self.time_s()
        return int(self.w3.eth.get_block(BlockNumber(max(0, self.settled_head())))["timestamp"])

    def coin_of(self, address: str) -> int:
        """An address's balance of the chain's own coin, which pays for gas, in wei."""
        return int(self.w3.eth.get_balance(Web3.to_checksum_address(address)))

    def send_coin(self, key: LocalAccount, to: str, amount_wei: int) -> TxDone:
        """Send the chain's own coin, so that another address can pay for gas."""
        return self.sender.send(key, Outgoing(to, value_wei=amount_wei))

    def _contracts(self) -> tuple[TokenOps, DistributorOps, MarketOps, OrderOps, Deployment]:
        if self._bound is None:
            raise WindrowError(
                "bad_config", "no contracts are configured; deploy them or give their addresses"
            )
        return self._bound
