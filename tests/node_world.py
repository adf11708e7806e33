"""A real coordinator and real pages on loopback, and the node as the process a contributor starts."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from aiohttp import web
from crawl_sites import Site, html, serve, wall_ms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_data import ROOT
from real_house import NETWORK, PAYOUT, address_of_its_own, open_house, open_segments

from aggregator.assignment.frontier import add_urls
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.routes import Doors
from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.egress.line_log import LineLog
from contributor_node.identity import pin_coordinator
from contributor_node.owner.status import read_status
from storage.env import Handler, Request, Response, Route, Server
from storage.house import House
from storage.tables.contributions import frontier, leases, submissions
from windrow_protocol.trust_rules import TrustRules

WAIT_S = 180  # a bound for what never comes, not a wait


async def until(true: Callable[[], Any], what: str = "what must come") -> None:
    """Wait for something that must come to be; the limit is for a test that fails."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {WAIT_S} s") from None


@dataclass
class Coordinator:
    """A house with its doors, on a port that stays the same when it goes down and comes back."""

    house: House
    doors: Doors
    host: str = "127.0.0.1"
    port: int = 0
    routes: list[Route] = field(default_factory=list)
    server: Server | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def up(self) -> None:
        self.server = await self.house.env.network.serve(
            [replace(route, handle=self._kept(route)) for route in self.routes or self.doors.routes()],
            host=self.host,
            port=self.port,
        )
        self.port = int(self.server.url.rpartition(":")[2])

    async def down(self) -> None:
        if self.server is not None:
            await self.server.close()
            self.server = None

    def swap(self, pattern: str, handle: Handler) -> None:
        """Answer one door otherwise from the next `up` on."""
        self.routes = [
            replace(route, handle=handle) if route.pattern == pattern else route
            for route in self.routes or self.doors.routes()
        ]

    def seed(self, urls: list[str]) -> None:
        with self.house.state.write() as connection:
            add_urls(connection, [(url, "http") for url in urls], self.house.now_ms())

    def submitted(self) -> list[tuple[str, str]]:
        """Return (url, outcome) of everything in the log, in order."""
        with self.house.state.read() as connection:
            rows = connection.execute(
                sa.select(leases.c.url, leases.c.outcome)
                .join(submissions, submissions.c.lease_id == leases.c.lease_id)
                .order_by(submissions.c.seq)
            )
            return [(row.url, row.outcome) for row in rows]

    def states(self) -> set[str]:
        with self.house.state.read() as connection:
            return set(connection.execute(sa.select(frontier.c.state)).scalars())

    def _kept(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            self.asked.append(route.pattern)
            return await route.handle(request)

        return handle


@asynccontextmanager
async def coordinator(
    folder: Path, key: Ed25519PrivateKey | None = None, rules: TrustRules | None = None
) -> AsyncIterator[Coordinator]:
    """Run a coordinator until the block ends."""
    folder.mkdir()
    house = open_house(folder, key=key, rules=rules)
    personal = Personal(house, open_segments(house, "personal"))
    running = Coordinator(house, Doors(house, Ingest(house, open_segments(house)), personal))
    await running.up()
    try:
        yield running
    finally:
        await running.down()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Serve pages that differ from each other, each a moment after it was asked for."""

    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        name = request.path.strip("/")
        lines = "".join(f"<p>Row {n} of the field {name} was raked and left to dry.</p>" for n in range(40))
        return html(f"<main><h1>{name}</h1>{lines}</main>")

    async with serve(page) as running:
        yield running


@dataclass
class NodeProcess:
    """`python -m contributor_node` with a home of its own."""

    home: Path
    flags: list[str]
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def status(self) -> dict[str, Any]:
        return read_status(self.home)

    async def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "contributor_node", "--home", str(self.home), *self.flags),
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=clean_environment(),
            )

    async def kill(self) -> None:
        """End it as a power button does, and wait until its child has seen it."""
        assert self.process is not None
        children = psutil.Process(self.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await until(lambda: not any(child.is_running() for child in children), "the end of the crawl child")

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def receipts(self) -> dict[str, tuple[str, str]]:
        """Return (outcome, receipt) by lease, read from the node's own file."""
        return {
            row[0]: (row[1], row[2]) for row in self._rows("SELECT lease_id, outcome, receipt FROM receipts")
        }

    def count(self, table: str) -> int:
        rows = self._rows(f"SELECT count(*) FROM {table}")
        return int(rows[0][0]) if rows else 0

    def _rows(self, query: str) -> list[Any]:
        path = self.home / "outbox.db"
        if not path.exists():
            return []
        db = sqlite3.connect(path)
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            db.close()


@asynccontextmanager
async def node(home: Path, url: str, *flags: str, sites: tuple[Site, ...] = ()) -> AsyncIterator[NodeProcess]:
    """Run a node until the block ends."""
    allowed = [str(each.endpoint) for each in sites]
    running = NodeProcess(
        home,
        [
            *("--coordinator", url, "--payout", PAYOUT, "--renders", "http", "--poll-s", "0.2"),
            *("--pace-private-s", "0.1", "--source-address", address_of_its_own()),
            *("--on-battery", "--on-metered"),
            *flags,
            *(["--allow-private", *allowed] if allowed else []),
        ],
    )
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def clean_environment() -> dict[str, str]:
    """Return this environment without settings of any node."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WINDROW_")}


def run_node(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a node that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "contributor_node", *flags],
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


async def client_of(
    coordinator: Coordinator, home: Path, key: Ed25519PrivateKey | None = None, **options: Any
) -> CoordinatorClient:
    """Return a registered client in this process."""
    home.mkdir(exist_ok=True)
    log = LineLog(home / "line_log.ndjson", wall_ms)
    options = {"source_address": address_of_its_own(), **options}
    client = CoordinatorClient(coordinator.url, key or Ed25519PrivateKey.generate(), log, wall_ms, **options)
    facts = await client.network()
    client.pin = pin_coordinator(home, coordinator.url, facts.network, facts.coordinator_id)
    await client.register(PAYOUT, "test/1", "")
    return client


__all__ = [
    "NETWORK",
    "PAYOUT",
    "NodeProcess",
    "client_of",
    "coordinator",
    "node",
    "run_node",
    "site",
    "until",
]
