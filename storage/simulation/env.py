"""A simulated machine: the `Env` of one life after another, over one platter and one network.

Rules: the disk is the real `PosixDisk` on simulated calls, the state the real SQLite with points before and after each
commit. Everything drawn comes from one seed.

Does not: know what runs on it, or when to start it again.

Usage::

    machine = Machine(loop, home, seed=1, kills=KillAt(17))
    life, env = machine.start()
    state = SimulatedState.begin(life, machine.database)
    ...                          # until a SimulatedCrash
    machine.crash()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from storage.env import Env
from storage.real_env import PosixDisk
from storage.simulation.life import Life, Plan
from storage.simulation.network import SimulatedNetwork
from storage.simulation.platter import Platter, SimulatedCalls
from storage.simulation.virtual_time import SimulatedClock, SimulatedRandomness, VirtualTimeLoop
from storage.state import State, sqlite_url

START_MS = 1_750_000_000_000
_COMPILED: dict[Any, Any] = {}
_COMPILED_FOR: dict[str, sa.Dialect] = {}


class SimulatedState(State):
    """The real state over SQLite, whose commits are points where its process may end."""

    life: Life

    @classmethod
    def begin(cls, life: Life, path: Path, *schemas: sa.MetaData) -> SimulatedState:
        """Open a SQLite file for one life."""
        state = cls.open(sqlite_url(path), *schemas)
        assert isinstance(state, SimulatedState)
        for engine in (state._writer, state._reader):  # a run is short, and compiling statements most of it
            engine.dialect = _COMPILED_FOR.setdefault("sqlite", engine.dialect)
            engine.update_execution_options(compiled_cache=_COMPILED)
        state.life = life
        return state

    def begin_again(self, life: Life) -> SimulatedState:
        """Return the same closed database, open for the next life; no connection outlives `close`."""
        state = type(self)(self._writer, self._reader)
        state.life = life
        return state

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction; a crash before its commit rolls it back, one after it finds it done.

        One that changed nothing is no place for a crash to show anything, so it is no point.
        """
        with super().write() as connection:
            before = _changes(connection)
            yield connection
            changed = _changes(connection) != before
            if changed or not self.life.alive:
                self.life.point("before_commit")
        if changed:
            self.life.point("after_commit")


def _changes(connection: sa.Connection) -> int:
    """Return how many rows this connection ever changed."""
    raw = connection.connection.driver_connection
    assert raw is not None
    return int(raw.total_changes)


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
        self.calls: SimulatedCalls  # of the life that runs or ran last
        self.lives = 0

    @property
    def database(self) -> Path:
        """Where the state lies."""
        return self.home / "state.db"

    def start(self, on_end: Callable[[], object] = lambda: None) -> tuple[Life, Env]:
        """Begin a life, whose end `on_end` is told of, and return it with its port."""
        life = Life(self._kills, on_end)
        self.calls = SimulatedCalls(self.platter, life)
        self.lives += 1
        return life, Env(self.clock, self._tokens, PosixDisk(self.calls), self.network)

    def crash(self) -> None:
        """Lose what the ended life had not made durable."""
        self.calls.end()
        self.platter.crash()
