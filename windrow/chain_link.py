"""The house's link to its chain: the embedded devnet as a child process, or whatever chain WINDROW_RPC_URL names.

Rules: the same code drives both. The devnet dies with this process and is started again when it dies first; what it
acknowledged is in its journal. The operator's key owns the contracts, the relayer's key only pays for gas.

Does not: decide what is sent. Usage: `async with open_chain(settings, state) as chain: await chain.client()`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import structlog

from rewards.known_assets import remember
from storage.state import State, get_meta, set_meta
from windrow.ports import require_free
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient
    from chain.deploy import Creation
    from chain.relayer import Relayer

log = structlog.get_logger(__name__)
GAS_COINS_WEI: Final = 10**22
GRANT_WEI: Final = 10_000 * 10**18
READY_WAIT_S: Final = 60.0
RESTART_WAIT_S: Final = 1.0
START_PATIENCE_S: Final = 2.0


class ChainLink:
    """A chain that is there, with the operator's and the relayer's keys."""

    def __init__(
        self, settings: HouseSettings, state: State, operator: LocalAccount, relayer: LocalAccount
    ) -> None:
        self._settings, self._state = settings, state
        self.operator = operator
        self.relayer = relayer
        self.rpc_url = settings.rpc_url
        self.devnet: asyncio.subprocess.Process | None = None
        self._client: ChainClient | None = None
        self._ending = Event()  # threads that wait for the chain are waited for at the end
        self._lock = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None

    async def client(self) -> ChainClient:
        """Return the connected client, with the contracts deployed. Raises WindrowError of the chain."""
        async with self._lock:
            if not self.rpc_url:
                await self.start_devnet()
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    async def start(self) -> None:
        """Start the devnet, or make sure that a configured RPC serves the chain that is meant.

        An RPC that is silent for now is only logged, because nodes can be served without it. Raises WindrowError
        `port_taken`, `wrong_chain`, `bad_config`, or `chain_unreachable` when the devnet does not start.
        """
        if not self._settings.rpc_url:
            await self.start_devnet()
            return
        from chain.rpc import connect

        asked = partial(
            connect,
            self.rpc_url,
            self._settings.chain_id,
            patience_s=START_PATIENCE_S,
            answer_s=START_PATIENCE_S,
        )
        try:
            await asyncio.to_thread(asked)
        except WindrowError as error:
            if error.code != "chain_unreachable":
                raise
            log.warning("chain_silent", error=str(error))

    def connected(self) -> ChainClient:
        """Return the client if it is connected already. Raises WindrowError `chain_unreachable`."""
        if self._client is None:
            raise WindrowError("chain_unreachable", "the house is still connecting to its chain")
        return self._client

    def claims_relayer(self) -> Relayer:
        """Return the relayer over the connected client. Raises WindrowError `chain_unreachable`."""
        from chain.relayer import Relayer

        return Relayer(self.connected(), self.relayer)

    def facts(self) -> dict[str, Any]:
        """Return what the network's page says of the chain; empty before the first connection."""
        if self._client is None:
            return {}
        deployment, (_, *others) = self._client.deployment, self._client.of_each_asset()
        return {
            "chain_id": deployment.chain_id,
            "rpc_url": self.rpc_url,
            "token": deployment.token,
            "distributor": deployment.distributor,
            "market": deployment.market,
            "block": deployment.block,
            "assets": {
                one.asset.symbol: asdict(one.deployment) | {"decimals": one.asset.decimals} for one in others
            },
        }

    def _connect(self) -> ChainClient:
        from chain.assets import read_asset
        from chain.client import ChainClient
        from chain.deploy import DeployTerms, creations_of

        depth_blocks = self._settings.settle_depth_blocks if self._settings.rpc_url else 0
        client = ChainClient.connect(
            self.rpc_url, self._settings.chain_id, depth_blocks=depth_blocks, ending=self._ending
        )
        terms = DeployTerms(
            network=self._settings.network,
            treasury=self.operator.address,
            timelock_s=self._settings.timelock_s,
        )
        self._require_the_same(creations_of(self.operator.address, terms))
        client.deploy(self.operator, terms)
        if self._settings.stablecoin:
            asset = read_asset(client.w3, client.chain_id, self._settings.stablecoin)
            self._require_the_same(creations_of(self.operator.address, terms, asset), f" of {asset.symbol}")
            client.deploy_beside(self.operator, terms, asset)
            remember(self._state, asset.symbol, asset.decimals)
        if not self._settings.rpc_url:
            for address in self._settings.devnet_fund:
                if client.token.balance_of(address) == 0:
                    client.token.mint(self.operator, address, GRANT_WEI)
        return client

    def _require_the_same(self, creations: Sequence[Creation], of_asset: str = "") -> None:
        """Refuse to pay through other contracts than this home's, which know of nothing that was paid before.

        Another market is none of these: what it sells begins anew with the next publish.
        """
        for creation in creations[:-1]:
            remembered = f"{creation.name}{of_asset} on {self._settings.chain_id}"
            with self._state.write() as connection:
                known = get_meta(connection, remembered) or creation.address
                set_meta(connection, remembered, known)
            if known != creation.address:
                raise WindrowError(
                    "other_contracts", f"{creation.name} is at {known}, not {creation.address}"
                )

    async def start_devnet(self) -> None:
        """Start the embedded devnet and keep it running. Raises WindrowError `port_taken` or `chain_unreachable`."""
        await require_free("127.0.0.1", self._settings.devnet_port)
        await self._spawn(self._settings.devnet_port)
        self._watcher = asyncio.create_task(self._keep_running())

    async def _spawn(self, port: int) -> None:
        addresses = [self.operator.address, self.relayer.address, *self._settings.devnet_fund]
        funds = [f"--fund={address}:{GAS_COINS_WEI}" for address in addresses]
        self.devnet = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chain.devnet", "--home", str(Path(self._settings.home) / "devnet")),
            *("--port", str(port), "--chain-id", str(self._settings.chain_id), "--die-with-parent", *funds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.devnet.stdout is not None
        with suppress(TimeoutError):
            line = await asyncio.wait_for(self.devnet.stdout.readline(), READY_WAIT_S)
            if line.startswith(b"devnet ready "):
                self.rpc_url = line.split()[2].decode()
                return
        code = await self._stop_devnet()
        raise WindrowError("port_taken" if code == 2 else "chain_unreachable", f"devnet on port {port}")

    async def _keep_running(self) -> None:
        """Start the devnet again at the same port whenever it dies, however often that takes."""
        port = int(self.rpc_url.rsplit(":", 1)[1])
        while True:
            if self.devnet is not None:
                log.warning("devnet_died", code=await self.devnet.wait())
            try:
                await self._spawn(port)
            except WindrowError as error:
                log.warning("devnet_not_started", error=str(error))
                await asyncio.sleep(RESTART_WAIT_S)

    async def _stop_devnet(self) -> int:
        devnet, self.devnet = self.devnet, None
        if devnet is None:
            return 0
        if devnet.returncode is None:
            devnet.terminate()
        return await devnet.wait()

    async def close(self) -> None:
        """Wait for no answer of the chain any more, and stop the embedded devnet if this link started one."""
        self._ending.set()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._stop_devnet()


@asynccontextmanager
async def open_chain(settings: HouseSettings, state: State) -> AsyncIterator[ChainLink]:
    """Open the link to the chain until the block ends; `state` remembers the contracts that the home pays through.

    Nothing is started before `start`, or before the first `client`. Raises WindrowError of the keys.
    """
    from chain.keys import load_or_make_key

    keys = Path(settings.home) / "keys"
    link = ChainLink(settings, state, load_or_make_key(keys / "operator"), load_or_make_key(keys / "relayer"))
    try:
        yield link
    finally:
        await link.close()
