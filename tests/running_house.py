"""A real `windrow up` in a process of its own, the commands as a person runs them, and a node that signs by hand."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_house import address_of_its_own

from windrow import cli
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request

NETWORK = "windrow-test"
READY_WAIT_S = 120.0


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.strip().splitlines()[-1])


def windrow(*arguments: object, env: Mapping[str, str] | None = None, stdin: str = "") -> Said:
    """Run the command line's own entry point, as `windrow …` does, with nothing of this machine's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDROW_")}
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {**kept, **(env or {})}, clear=True),
        patch.object(sys, "argv", ["windrow", *map(str, arguments)]),
        patch.object(sys, "stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
    return Said(int(code), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Answered:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningHouse:
    """The house's process, where it is and what it said."""

    home: Path
    url: str
    rpc_url: str
    log: Path
    metrics_url: str

    @property
    def env(self) -> dict[str, str]:
        """The variables a person of this house would have set."""
        return {"WINDROW_HOME": str(self.home), "WINDROW_COORDINATOR": self.url}

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
        to: str = "",
    ) -> Answered:
        """Send one request; a `Content-Length` that is given is sent as it is, whatever the body."""
        netloc = urlsplit(to or self.url).netloc
        connection = http.client.HTTPConnection(netloc, timeout=60, source_address=(source, 0))
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Answered(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@dataclass
class HandNode:
    """A node made of nothing but a key and an address of its own."""

    house: RunningHouse
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    address: str = field(default_factory=address_of_its_own)

    @property
    def node_id(self) -> str:
        return public_id(self.key)

    def signature(self, purpose: str, body: bytes, *, age_ms: int = 0, network: str = NETWORK) -> str:
        now_ms = time.time_ns() // 1_000_000 - age_ms
        nonce = secrets.token_hex(16)
        return sign_request(self.key, network=network, purpose=purpose, body=body, nonce=nonce, now_ms=now_ms)

    def post(self, path: str, purpose: str, body: bytes, **changes: Any) -> Answered:
        headers = {SIGNATURE_HEADER: self.signature(purpose, body, **changes)}
        return self.house.ask("POST", path, body, headers, source=self.address)

    def register(self, payout: str) -> Answered:
        return self.post("/v1/nodes", "register", json.dumps({"payout_address": payout}).encode())


@contextlib.contextmanager
def running_house(folder: Path) -> Iterator[RunningHouse]:
    """Start `windrow up` on free ports and stop it in order at the end."""
    home, log = folder / "house", folder / "house.log"
    settings = {
        "WINDROW_HOME": str(home),
        "WINDROW_NETWORK": NETWORK,
        "WINDROW_PORT": str(free_port()),
        "WINDROW_DEVNET_PORT": str(free_port()),
        "WINDROW_METRICS_PORT": str(free_port()),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDROW_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "windrow.cli", "up"],
            env={**kept, **settings, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=Path(__file__).resolve().parent.parent,
        )
    try:
        words = _ready_line(process, log).split()
        metrics_url = f"http://127.0.0.1:{settings['WINDROW_METRICS_PORT']}"
        yield RunningHouse(home, url=words[2], rpc_url=words[6], log=log, metrics_url=metrics_url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _ready_line(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + READY_WAIT_S
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith("windrow ready "):
                return line
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the house did not start:\n{log.read_text()}")
