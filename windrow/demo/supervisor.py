"""Keeps the demo's processes running: one log file each, started again when one dies before it is told to.

Rules: whatever is killed comes back with the same command; the ids of the processes stand in `processes.json`, so that
a test (or a curious person) can kill them. Everything started here ends with this process.

Does not: know what the processes do.

Usage::

    async with Supervisor(home) as supervisor:
        await supervisor.start("house", [sys.executable, "-m", "windrow.cli", "up"])
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from windrow_protocol.errors import WindrowError

STOP_WAIT_S = 15.0
RESTARTS_MAX = 20
# What is said while a process that was killed starts again: on a crowded machine that takes half a minute and more.
PASSING_REASONS = ("not_running", "chain_unreachable", "chain_pending")
PATIENCE_TRIES = 300


class Supervisor:
    """The processes of one demo."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._logs = home / "logs"
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self.restarts = 0

    async def __aenter__(self) -> Supervisor:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self._running)):
            await self.stop(name)

    async def start(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str] | None = None,
        *,
        keep: bool = True,
    ) -> None:
        """Start a process; with `keep` it is started again whenever it dies before `stop`."""
        await self._spawn(name, command, environment or {})
        if keep:
            self._watchers[name] = asyncio.create_task(self._watch(name, command, environment or {}))

    async def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops them in order
            )
        self._tell()

    async def _watch(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        for _ in range(RESTARTS_MAX):
            code = await self._running[name].wait()
            self.restarts += 1
            if code == 2:  # a configuration that cannot work will not work the next time either
                return
            await asyncio.sleep(0.2)
            await self._spawn(name, command, environment)

    def _tell(self) -> None:
        pids = {name: process.pid for name, process in self._running.items()}
        path = self._home / "processes.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(pids))
        temporary.replace(path)

    def is_running(self, name: str) -> bool:
        """Say whether a process has not ended."""
        return self._running[name].returncode is None

    async def ended(self, name: str) -> int:
        """Wait until a process that is not kept running ends by itself and return its exit code."""
        return await self._running[name].wait()

    def log_of(self, name: str) -> str:
        """Return the last lines that a process said."""
        try:
            return "\n".join((self._logs / f"{name}.log").read_text(errors="replace").splitlines()[-15:])
        except FileNotFoundError:
            return ""

    async def stop(self, name: str) -> None:
        """End a process in order, or by force when it does not end."""
        watcher = self._watchers.pop(name, None)
        if watcher is not None:
            watcher.cancel()
        process = self._running.pop(name)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_WAIT_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def windrow_command(*arguments: str, tries: int = 3) -> str:
    """Run a `windrow` command as a person would and return its stdout.

    A few tries, since the house may be restarting; many while the command says just that.
    Raises WindrowError `demo_failed` with what the command said.
    """
    said, failed, waited = "", 0, 0
    while failed < tries and waited < PATIENCE_TRIES // 10:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "windrow.cli", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        if process.returncode == 0:
            return out.decode()
        said = (error.decode() or out.decode())[-2000:]
        if said.rstrip().endswith(tuple(f"[{reason}]" for reason in PASSING_REASONS)):
            waited += 1
        else:
            failed += 1
        await asyncio.sleep(1 + failed)
    raise WindrowError("demo_failed", f"`windrow {arguments[0]}`: {said.strip()}")
