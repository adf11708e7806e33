"""The coordinator of the simulation: the real rooms, started again after every crash, as `windrow up` starts them.

Every part that a test wants to break is made by `Parts`, so that a bug is planted by handing in another one.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import NoReturn

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from simulation.actors import NETWORK
from simulation.epochs import fold_epoch
from simulation.invariants import recovery_problems

from aggregator.assignment.frontier import add_urls
from aggregator.audit_routes import AuditDoors
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.pipeline import Pipeline
from aggregator.routes import Doors
from aggregator.trust_routes import TrustDoors
from aggregator.verification.drawing.audit_epochs import end_if_due
from aggregator.verification.epochs.audit_closing import close_epochs
from rewards import routes as reward_routes
from rewards.accountant import run_accountant
from storage.house import House
from storage.lake import Lake
from storage.real_env import PosixDisk
from storage.segments import Segments
from storage.simulation.env import Machine, SimulatedState
from storage.simulation.life import Life, SimulatedCrash
from storage.simulation.platter import SimulatedCalls
from storage.state import State, sqlite_url
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import TrustRules

LEASE_LIFE_MS = 30_000
# A day of the protocol takes minutes here. Canaries need a web that makes them, which this one does not.
RULES = TrustRules(
    epoch_ms=90_000,
    probation_documents=1,
    audit_rate_min_ppm=300_000,
    draw_wait_ms=30_000,
    reveal_wait_ms=60_000,
    vest_age_ms=20_000,
    vest_audits=1,
    canary_ppm=0,
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass(frozen=True)
class Parts:
    """What a house is made of; a test replaces one to plant a bug."""

    disk: Callable[[SimulatedCalls], PosixDisk] = PosixDisk
    ingest: Callable[[House, Segments], Ingest] = Ingest
    accountant: Callable[[House], int] = run_accountant


@dataclass
class Rooms:
    """One life's rooms."""

    house: House
    segments: Segments
    lake: Lake
    pipeline: Pipeline
    doors: Doors


@dataclass
class HouseLives:
    """The house through all its lives. `problems` collects what was wrong right after a recovery."""

    machine: Machine
    randomness: Random
    urls: Sequence[str]
    validators: Sequence[str] = ()
    rules: TrustRules = RULES
    parts: Parts = field(default_factory=Parts)
    problems: list[str] = field(default_factory=list)
    rooms: Rooms | None = None

    def __post_init__(self) -> None:
        shutil.copyfile(_empty_database(), self.machine.database)
        self._state: SimulatedState | None = None
        self._seeded = False

    async def live(self) -> None:
        """Start, work until the crash, lose what it loses, and start again, for ever."""
        while True:
            ended = asyncio.get_running_loop().create_future()
            try:
                rooms = self._open(lambda ended=ended: ended.done() or ended.set_result(None))  # type: ignore[misc]
                await self._serve(rooms)
                work = asyncio.ensure_future(self._work(rooms))
                await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                if not ended.done():
                    work.result()
            except SimulatedCrash:
                pass
            await self._end()
            await asyncio.sleep(self.randomness.uniform(0.5, 10))

    def step(self, rooms: Rooms) -> int:
        """Do one round of pipeline and accountant, as `windrow up` does."""
        rooms.pipeline.housekeeping()
        done = rooms.pipeline.step() + self.parts.accountant(rooms.house)
        end_if_due(rooms.house)
        close_epochs(rooms.house, rooms.segments, rooms.house.rules.reveal_wait_ms)
        return done

    async def _work(self, rooms: Rooms) -> None:
        while True:
            if not self.step(rooms):
                if self.randomness.random() < 0.5:
                    fold_epoch(rooms.house)
                await asyncio.sleep(self.randomness.uniform(10, 50))
            await asyncio.sleep(1)

    def _open(self, on_end: Callable[[], object]) -> Rooms:
        life, env = self.machine.start(on_end)
        env = replace(env, disk=self.parts.disk(self.machine.calls))
        state = self._begin_state(life)
        house = House(env, state, self.machine.home, NETWORK, KEY, self.rules)
        with state.read() as connection:
            segments = Segments(env.disk, house.home / "segments", "contributions", connection)
            personal = Segments(env.disk, house.home / "segments", "personal", connection)
        lake = Lake(env, house.home / "lake")
        with state.read() as connection:
            lake.sweep(connection)
        doors = Doors(
            house,
            self.parts.ingest(house, segments),
            Personal(house, personal),
            validators=self.validators,
            lease_life_ms=LEASE_LIFE_MS,
        )
        self.rooms = Rooms(house, segments, lake, Pipeline(house, segments, lake), doors)
        self.problems += recovery_problems(house)
        self._seed_frontier(house)
        return self.rooms

    def _seed_frontier(self, house: House) -> None:
        if self._seeded:
            return
        with house.state.write() as connection:
            add_urls(connection, [(url, "http") for url in self.urls], house.now_ms())
        self._seeded = True

    def _begin_state(self, life: Life) -> SimulatedState:
        if self._state is None:
            self._state = SimulatedState.begin(life, self.machine.database)
        else:
            self._state = self._state.begin_again(life)
        return self._state

    async def _serve(self, rooms: Rooms) -> None:
        routes = [
            *rooms.doors.routes(),
            *AuditDoors(rooms.house).routes(),
            *TrustDoors(rooms.house).routes(),
            *reward_routes.routes(rooms.house, _no_chain, _no_chain),
        ]
        await self.machine.network.serve(routes, host="", port=0)

    async def _end(self) -> None:
        self.rooms = None
        if self.machine.network.server is not None:
            await self.machine.network.server.close()
        await asyncio.sleep(0)  # the dead life's tasks unwind; none of them can still change anything
        if self._state is not None:
            self._state.close()
        self.machine.crash()


def _no_chain() -> NoReturn:
    raise WindrowError("chain_unreachable", "none in this simulation")


@cache
def _empty_database() -> Path:
    """Make the tables once for all seeds; each copies the file."""
    path = Path(tempfile.mkdtemp(prefix="windrow-simulation-")) / "state.db"
    state = State.open(sqlite_url(path))
    with state.write() as connection:
        connection.execute(sa.text("SELECT 1"))
    state.close()
    return path
