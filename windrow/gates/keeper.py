"""Keeps a house of several processes: one writer, and gates that share the house's listening socket.

    it holds the socket, so that who connects waits in its queue while any process is replaced
    a process that dies is started again; what it had acknowledged is durable, and a resend gets the same receipt
    SIGUSR1    replaces each gate and then the writer, one after the other, by the code and settings of now
    SIGTERM    ends the gates, then the writer

Rules: children end with it, however it ends. A writer that cannot start at first ends the house with its own words.

Does not: accept, decide or write. Usage: `asyncio.run(keep_house(settings))`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

import structlog

from contributor_node.parent_watch import stop_with_parent
from windrow.gates.gate_metrics import begin_figures, forget_gate
from windrow.ports import require_free
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

log = structlog.get_logger(__name__)
_BACKLOG: Final = 1_024
_AGAIN_S: Final = 0.2  # before a process that died is started again,
_AGAIN_S_MAX: Final = 5.0  # and at most, where it does not come up


async def keep_house(settings: HouseSettings, *, die_with_parent: bool = False) -> None:
    """Run the house until SIGTERM, SIGINT or, when asked, its parent's end. Raises WindrowError `port_taken`."""
    stop, replace = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, replace.set)
    if die_with_parent:
        stop_with_parent(stop)
    await require_free(settings.host, settings.port)
    with _listen(settings) as listening:
        environment = {
            "WINDROW_HOME": settings.home,
            "WINDROW_HOST": settings.host,
            "WINDROW_PORT": str(listening.getsockname()[1]),
            "WINDROW_RPC_URL": settings.rpc_url,
        }
        await _keep(settings.gates, listening, {**os.environ, **environment}, stop, replace)


def _listen(settings: HouseSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise WindrowError("port_taken", f"{settings.host}:{settings.port}: {error.strerror}") from error


async def _keep(
    gates: int,
    listening: socket.socket,
    environment: dict[str, str],
    stop: asyncio.Event,
    replace: asyncio.Event,
) -> None:
    writer = Place("writer", environment)
    places = [Place(f"gate {number + 1}", environment, listening) for number in range(gates)]
    stopped = asyncio.create_task(stop.wait())
    try:
        await writer.begin(must=True)
        begin_figures(Path(environment["WINDROW_HOME"]))  # not before the home is known to be ours
        await asyncio.gather(*(place.begin(must=False) for place in places))
        while not stop.is_set():
            asked = asyncio.create_task(replace.wait())
            await asyncio.wait({stopped, asked}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if replace.is_set():
                replace.clear()
                for place in places:
                    await place.replace(beside=True)
                await writer.replace(beside=False)
                log.info("house_replaced")
    finally:
        stopped.cancel()
        await asyncio.gather(*(place.end() for place in places))
        await writer.end()


class Place:
    """A place for one process, in which another one stands when it dies or is replaced."""

    def __init__(
        self, name: str, environment: dict[str, str], listening: socket.socket | None = None
    ) -> None:
        """Take its name, the environment of its processes and, for a gate, the socket that it accepts on."""
        self._name = name
        self._environment = environment
        self._listening = listening
        self._home = Path(environment["WINDROW_HOME"])
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def begin(self, *, must: bool) -> None:
        """Start the first process; where it `must` come up and does not, raise SystemExit with its code."""
        process = await (self._start() if must else self._start_until_it_stands())
        if process.returncode is not None:
            raise SystemExit(process.returncode or 1)
        self._take(process)

    async def replace(self, *, beside: bool) -> None:
        """Put a new process in the old one's place: before the old one ends where both may run, else after it."""
        old = self._let_go()
        if not beside:
            await self._ended(old)
        self._take(await self._start_until_it_stands())
        if beside:
            await self._ended(old)

    async def end(self) -> None:
        """End the process in order."""
        await self._ended(self._let_go())

    def _take(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._watcher = asyncio.create_task(self._watch(process))

    def _let_go(self) -> asyncio.subprocess.Process | None:
        if self._watcher is not None:
            self._watcher.cancel()
        process, self._process = self._process, None
        return process

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        while True:
            log.warning("process_died", place=self._name, code=await process.wait())
            forget_gate(self._home, process.pid)
            process = self._process = await self._start_until_it_stands()

    async def _start_until_it_stands(self) -> asyncio.subprocess.Process:
        wait_s = _AGAIN_S
        while True:
            process = await self._start()
            if process.returncode is None:
                return process
            log.warning("process_not_started", place=self._name)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _AGAIN_S_MAX)

    async def _start(self) -> asyncio.subprocess.Process:
        """Return a process that has said that it is ready, or one that has ended."""
        said, says = os.pipe()
        shared = [] if self._listening is None else [self._listening.fileno()]
        kind, _, number = self._name.partition(" ")
        of_gate = [str(shared[0]), number] if shared else []
        command = [sys.executable, "-m", "windrow.gates", kind, str(says), *of_gate]
        options: Any = {"stdin": asyncio.subprocess.PIPE, "pass_fds": (says, *shared)}
        try:
            process = await asyncio.create_subprocess_exec(*command, env=self._environment, **options)
        finally:
            os.close(says)
        try:
            if not await asyncio.to_thread(os.read, said, 1):
                await process.wait()
        except asyncio.CancelledError:
            await self._ended(process)
            raise
        finally:
            os.close(said)
        return process

    async def _ended(self, process: asyncio.subprocess.Process | None) -> None:
        """End a process in order and wait for it."""
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        await process.wait()
        forget_gate(self._home, process.pid)
