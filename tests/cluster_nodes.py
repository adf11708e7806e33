"""A Ray cluster of two nodes for tests, each started by `ray start` as an operator does, on loopback."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_READY_S: Final = 180.0  # a machine may be busy with other tests
_LOOPBACK: Final = "127.0.0.1"


def _start(folder: Path, token: Mapping[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    here = Path(__file__).resolve().parent
    env = {
        **os.environ,
        **token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join((str(here), str(here.parent))),
    }
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(
            [*ray, f"--node-ip-address={_LOOPBACK}", *arguments],
            stdout=said,
            stderr=said,
            env=env,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def _wait(folder: Path, process: subprocess.Popen[bytes], times: int) -> None:
    """Return when that many nodes have said that they run."""
    deadline = time.monotonic() + _READY_S
    while (folder / "said").read_text().count("Ray runtime started.") < times:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "said").read_text()[-2_000:])
        time.sleep(0.1)


@contextmanager
def two_nodes() -> Iterator[tuple[str, dict[str, str]]]:
    """Give the address and the token of a cluster with a head and one more node, a processor each."""
    with tempfile.TemporaryDirectory(prefix="wray-", ignore_cleanup_errors=True) as made:
        folder, started = Path(made), list[subprocess.Popen[bytes]]()
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        address = f"{_LOOPBACK}:{_free_port()}"
        try:
            head = [
                "--head",
                f"--port={address.partition(':')[2]}",
                f"--temp-dir={made}",
                "--include-dashboard=false",
            ]
            started.append(_start(folder, token, *head, '--system-config={"worker_niceness": 0}'))
            _wait(folder, started[-1], 1)
            started.append(_start(folder, token, f"--address={address}"))
            _wait(folder, started[-1], 2)
            yield address, token
        finally:
            for process in reversed(started):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
            for process in started:
                process.wait(60)
                with suppress(ProcessLookupError):  # what a node left behind
                    os.killpg(process.pid, signal.SIGKILL)
