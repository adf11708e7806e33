"""Starts what is measured, each a process of its own: the house by its real command, the bare reference, the load.

Rules: whoever is started here is stopped here, by its process. Processor time is that of the process alone, read from
the kernel; the house's devnet is a child of its own and not counted.

Does not: fill homes. Usage: `with house(settings, log) as server: say = load(server, case, clients=8)`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.ingest_load.homes import Case
from windrow.settings import HouseSettings

ROOT = Path(__file__).resolve().parent.parent.parent
_READY_WAIT_S = 120.0
_IDLE_CPU_S = 0.1  # of a second
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str

    def writer(self) -> int:
        """Return the process that writes: behind gates a child of the one that was started."""
        return next(
            (pid for pid, said in self._children() if "windrow.gates writer" in said), self.process.pid
        )

    def gates(self) -> list[int]:
        """Return the gates' processes."""
        return [pid for pid, said in self._children() if "windrow.gates gate" in said]

    def _children(self) -> Iterator[tuple[int, str]]:
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child), Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")

    def cpu_s(self) -> float:
        """Return the processor seconds that its processes have used."""
        return sum(map(cpu_s, (self.writer(), *self.gates())))

    def rss_mb(self) -> int:
        """Return what the one that writes holds in memory now."""
        lines = Path(f"/proc/{self.writer()}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))

    def kill(self) -> None:
        """Kill all of them, as a machine dies."""
        pids = [self.writer(), *self.gates()] if self.process.poll() is None else []
        self.process.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def cpu_s(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


@contextlib.contextmanager
def house(settings: HouseSettings, log: Path) -> Iterator[Server]:
    """Run `windrow up` over a home; it is killed at the end, as a machine dies, so that what is left was durable."""
    named = {
        "home": settings.home,
        "network": settings.network,
        "port": free_port(),
        "devnet_port": free_port(),
    }
    named |= {"validators": ",".join(settings.validators), "trust_rules": settings.trust_rules}
    named |= {"gates": settings.gates, "database_url": settings.database_url}
    environment = {f"WINDROW_{name.upper()}": str(value) for name, value in named.items()}
    command = [sys.executable, "-m", "windrow.cli", "up", "--die-with-parent"]
    with _running(command, log, environment, r"windrow ready (http://\S+)") as server:
        _wait_until_idle(server)
        yield server


def _wait_until_idle(server: Server) -> None:
    """Wait until nothing but its polling is left: a house compiles for a while after it is ready."""
    before_s, used_s = 0.0, _IDLE_CPU_S + 1
    while used_s > _IDLE_CPU_S:
        before_s = server.cpu_s()
        time.sleep(1.0)
        used_s = server.cpu_s() - before_s


@contextlib.contextmanager
def reference(folder: Path, receipts: str) -> Iterator[Server]:
    """Run the bare reference over a fresh folder."""
    command = [sys.executable, "-m", "bench.ingest_load.reference", str(folder), "--receipts", receipts]
    with _running(command, folder.with_suffix(".log"), {}, r"Running on (http://[\d.:]+)") as server:
        yield server


@contextlib.contextmanager
def _running(command: list[str], log: Path, environment: dict[str, str], ready: str) -> Iterator[Server]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDROW_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**kept, **environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        )
    server = Server(process, "")
    try:
        server = Server(process, _said(process, log, ready))
        yield server
    finally:
        server.kill()
        assert process.stdin is not None
        process.stdin.close()


def _said(process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    deadline = time.monotonic() + _READY_WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise SystemExit(f"{' '.join(process.args)} did not start:\n{log.read_text()}")  # type: ignore[arg-type]


def load(server: Server, case: Case, **options: float | str) -> dict[str, Any]:
    """Run the load program on one case against a server and return what it says."""
    options["watch"] = ",".join(map(str, (server.writer(), *server.gates())))
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [
        sys.executable,
        "-m",
        "bench.ingest_load.clients",
        server.url,
        json.dumps(asdict(case)),
        *flags,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, check=True
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def open_files_wanted(count: int) -> None:
    """Let this process and its children open so many files. Raises SystemExit when the machine does not."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < count:
        raise SystemExit(f"{count} connections want `ulimit -Hn` of so many, not {most}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
