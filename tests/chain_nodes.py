"""Real EVM nodes in processes of their own, for tests: Windrow's devnet and npm's anvil.

Rules: loopback only, ports chosen free, everything ended by process id when the test is over.

Does not: fake anything.

Usage::

    with Devnet(folder, funded=[key.address]) as devnet: devnet.url
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.compile import CompilerMissingError, node_modules

ROOT = Path(__file__).resolve().parent.parent
CHAIN_ID = 31_337
COIN = 10**18
READY_S_MAX = 60


def key(number: int) -> LocalAccount:
    """A key that tests use for one role."""
    made: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
    return made


OWNER, BUYER, RELAYER, POOR = (key(0xC0FFEE + n) for n in range(4))
FUNDED = [OWNER.address, BUYER.address, RELAYER.address]


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rpc(url: str, method: str, *params: Any) -> Any:
    """One JSON-RPC call without any library between."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = post(url, body)
    if "error" in answer:
        raise AssertionError(answer["error"])
    return answer["result"]


def post(url: str, body: bytes, **headers: str) -> Any:
    """POST raw bytes and read the JSON answer, whatever its status."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


class Devnet:
    """`python -m chain.devnet` over one folder; it can be killed and started again on the same port."""

    def __init__(
        self, home: Path, *, funded: list[str] | None = None, chain_id: int = CHAIN_ID, port: int = 0
    ) -> None:
        self.home = home
        self.chain_id = chain_id
        self.port = port
        self.funded = FUNDED if funded is None else funded
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """How it is started."""
        fund = [part for one in self.funded for part in ("--fund", f"{one}:{1_000 * COIN}")]
        where = ["--home", str(self.home), "--port", str(self.port), "--chain-id", str(self.chain_id)]
        return [sys.executable, "-m", "chain.devnet", *where, *fund, "--die-with-parent"]

    def start(self) -> Self:
        """Start it and wait for its ready line."""
        self.process = subprocess.Popen(
            self.command(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        words = line.split()
        assert words[:2] == ["devnet", "ready"], line
        assert words[3:] == ["chain", str(self.chain_id)]
        self.port = int(words[2].rsplit(":", 1)[1])
        return self

    def end(self, how: signal.Signals) -> int:
        """Send it a signal and wait; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(READY_S_MAX)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)


class Anvil:
    """npm's anvil with funded keys; skips the test, saying why, where it cannot be had."""

    def __init__(self, chain_id: int = CHAIN_ID) -> None:
        self.chain_id = chain_id
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [_anvil(), "--port", str(self.port), "--chain-id", str(self.chain_id), "--silent"], cwd="/"
        )
        deadline_s = time.monotonic() + READY_S_MAX
        while not self._answers():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        for address in FUNDED:
            rpc(self.url, "anvil_setBalance", address, hex(1_000 * COIN))
        return self

    def _answers(self) -> bool:
        try:
            return bool(rpc(self.url, "eth_chainId"))
        except OSError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def _anvil() -> str:
    found = shutil.which("anvil")
    if found is not None:
        return found
    try:
        modules = node_modules(Path(__file__).parent / "chain" / "anvil")
    except CompilerMissingError as error:
        pytest.skip(f"anvil is not here: {error}")
    binaries = [path for path in modules.glob("@foundry-rs/anvil-*/bin/anvil*") if path.is_file()]
    if not binaries:
        pytest.skip("npm has no anvil for this machine")
    return str(binaries[0])
