"""A simulated machine: the `Env` of one life after another, over one platter and one network.

Rules: the disk is the real `PosixDisk` on simulated calls, the state the real SQLite with points before and after each
commit. Everything drawn comes from one seed.

Does not: know what runs on it, or when to start it again.

Usage::

    machine = Machine(loop, home, seed=1, kills=KillAt(17))
    life, env = machine.start()
    state = SimulatedState.begin(life, machine.database, dedup_metadata)
    ...                          # until a SimulatedCrash
    machine.crash()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import sqlalchemy as sa

from storage.env import Env
from storage.real_env import PosixDisk
from storage.simulation.life import Life, Plan
from storage.simulation.network import SimulatedNetwork
from storage.simulation.platter import Platter, SimulatedCalls
from storage.simulation.virtual_time import SimulatedClock, SimulatedRandomness, VirtualTimeLoop
from storage.state import State, sqlite_url

START_MS = 1_750_000_000_000


class SimulatedState(State):
    """The real state over SQLite, whose commits are points where its process may end."""

    life: Life

    @classmethod
    def begin(cls, life: Life, path: Path, *schemas: sa.MetaData) -> SimulatedState:
        """Open a SQLite file for one life."""
        state = cls.open(sqlite_url(path), *schemas)
        assert isinstance(state, SimulatedState)
        state.life = life
        return state

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction; a crash before its commit rolls it back, one after it finds it done."""
        with super().write() as connection:
            yield connection
            self.life.point("before_commit")
        self.life.point("after_commit")


class Machine:
    """One computer with its home folder; it may crash and start as often as it likes."""

    def __init__(
        self, loop: VirtualTimeLoop, home: Path, randomness: Random, network: SimulatedNetwork, kills: Plan
    ) -> None:
        self.home = home
        self.platter = Platter(home, Random(randomness.random()))
        self.clock = SimulatedClock(loop, START_MS)
        self.network = network
        self._tokens = SimulatedRandomness(Random(randomness.random()))
        self._kills = kills
        self._calls: SimulatedCalls | None = None
        self.lives = 0

    @property
    def database(self) -> Path:
        """Where the state lies."""
        return self.home / "state.db"

    def start(self) -> tuple[Life, Env]:
        """Begin a life and return it with its port."""
        life = Life(self._kills)
        self._calls = SimulatedCalls(self.platter, life)
        self.lives += 1
        return life, Env(self.clock, self._tokens, PosixDisk(self._calls), self.network)

    def crash(self) -> None:
        """Lose what the ended life had not made durable."""
        if self._calls is not None:
            self._calls.end()
        self.platter.crash()
