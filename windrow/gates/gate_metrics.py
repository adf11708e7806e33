"""What gates tell Prometheus, through the writer: starts, connections, submissions, requests passed on, and their time.

Rules: each gate writes its figures into small files of the home, as `prometheus_client` does for several processes, and
the writer adds them up when it is scraped; no gate listens anywhere for it. What ended gates counted stays counted
until the house is started as a whole.

Does not: name nodes, hosts or people, or say anything of the writer.

Usage: `share_figures(home)` before the first import of `prometheus_client`, then `GateMetrics("1")`; in the writer
`figures_of_gates(home)`.

Source: prometheus_client, "Multiprocess Mode".
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web

from storage.env import Handler, Request, Response
from storage.http_server import RawHandler
from windrow_protocol.errors import WindrowError

_FOLDER: Final = ".gate-figures"  # hidden: no backup has it
_Answer = TypeVar("_Answer", Response, web.StreamResponse)
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def begin_figures(home: Path) -> None:
    """Forget what the gates of an earlier start counted."""
    shutil.rmtree(home / _FOLDER, ignore_errors=True)
    (home / _FOLDER).mkdir(parents=True)


def share_figures(home: Path) -> None:
    """Let this process count for others to read; too late once `prometheus_client` is imported."""
    (home / _FOLDER).mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(home / _FOLDER)


def forget_gate(home: Path, pid: int) -> None:
    """Take a gate that ended out of what is counted as being there now; what it did stays counted."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, str(home / _FOLDER))  # type: ignore[no-untyped-call]


def figures_of_gates(home: Path) -> bytes:
    """Return the figures of all gates in Prometheus' text format, nothing where there are no gates."""
    if not (home / _FOLDER).is_dir():
        return b""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(home / _FOLDER))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class GateMetrics:
    """The figures of one gate."""

    def __init__(self, name: str) -> None:
        """Begin to count as the gate of that name."""
        from prometheus_client import Counter, Gauge, Histogram

        self._name = name
        Counter("windrow_gate_starts", "Processes that stood in a gate's place", ("gate",)).labels(name).inc()
        self._connections = Gauge(
            "windrow_gate_connections", "Open connections", ("gate",), multiprocess_mode="livesum"
        ).labels(name)
        self._answers = Counter(
            "windrow_gate_answers",
            "Requests answered, by what was done with them",
            ("gate", "work", "status"),
        )
        self._seconds = Histogram(
            "windrow_gate_seconds", "Time to an answer", ("gate", "work"), buckets=_SECONDS
        )

    def connected(self, number: int) -> None:
        """Note how many connections are open now."""
        self._connections.set(number)

    def submitted(self, handle: Handler) -> Handler:
        """Return a handler of submissions that is counted."""

        async def counted(request: Request) -> Response:
            return await self._counted("submission", handle(request))

        return counted

    def relayed(self, handle: RawHandler) -> RawHandler:
        """Return what passes requests on, counted."""

        async def counted(request: web.Request) -> web.StreamResponse:
            return await self._counted("relay", handle(request))

        return counted

    async def _counted(self, work: str, answering: Awaitable[_Answer]) -> _Answer:
        began, status = time.perf_counter(), 500
        try:
            answer = await answering
            status = answer.status
            return answer
        except WindrowError as error:
            status = error.reason.http_status
            raise
        finally:
            self._answers.labels(self._name, work, str(status)).inc()
            self._seconds.labels(self._name, work).observe(time.perf_counter() - began)
