"""One seeded run: a house, its nodes, a storm of faults and crashes, then calm, and what must hold at the end."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from simulation import invariants
from simulation.actors import Actor, Cheat, ValidatorActor
from simulation.house_lives import KEY, RULES, HouseLives, Parts
from simulation.web import SimulatedWeb

from aggregator.verification.drawing.audit_epochs import end_epoch, epochs_in
from storage.simulation.env import Machine
from storage.simulation.life import KillSometimes, Plan, SimulatedCrash
from storage.simulation.network import CALM, SimulatedNetwork, Weather
from storage.simulation.virtual_time import VirtualTimeLoop, virtual_time
from storage.tables.contributions import contributions, leases, submissions, verdicts
from storage.tables.trust import audits
from windrow_protocol.signing import public_id

STORM_S = 60.0
PATIENCE_S = 1_800.0


Kind = TypeVar("Kind", bound=Actor)


@dataclass(frozen=True)
class Setting:
    """What a run is made of. `kills` of None draws up to `crashes_max` crashes from the seed."""

    seed: int
    pages: int = 6
    honest: int = 2
    cheats: int = 1
    validators: int = 2
    kills: Plan | None = None
    crashes_max: int = 5
    storm: bool = True
    draws: bool = False  # else everything is audited, as in an identity's probation
    parts: Parts = field(default_factory=Parts)

    @classmethod
    def drawn(cls, seed: int) -> Setting:
        """Return a setting whose sizes follow from the seed: small ones are quick, and most faults need few pages."""
        draw = Random(f"setting {seed}").randint
        return cls(
            seed,
            pages=draw(1, 7),  # the seventh is refused to everybody
            honest=draw(1, 2),
            cheats=draw(0, 1),
            validators=draw(1, 2),
            crashes_max=draw(1, 5),
            draws=draw(0, 2) == 0,
        )


@dataclass
class Result:
    """What a run gave; `problems` is empty when everything held."""

    seed: int
    problems: list[str]
    crashes: int = 0
    submitted: int = 0
    contributions: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    virtual_s: float = 0.0
    fingerprint: str = ""


def run(setting: Setting) -> Result:
    """Run one seed in a folder of its own and say what it gave."""
    shared = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="windrow-simulation-", dir=shared if shared.is_dir() else None)
    try:
        with virtual_time() as loop:
            return loop.run_until_complete(Run(setting, loop, Path(folder).resolve()).through())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Run:
    """The parts of one run."""

    def __init__(self, setting: Setting, loop: VirtualTimeLoop, folder: Path) -> None:
        self.folder = folder
        home = folder / "house"
        home.mkdir()
        self.setting = setting
        self.loop = loop
        self.randomness = Random(setting.seed)
        self.kills: Plan = setting.kills or KillSometimes(
            Random(self.randomness.random()), self.randomness.uniform(0.01, 0.1), setting.crashes_max
        )
        weather = self._weather() if setting.storm else CALM
        self.network = SimulatedNetwork(Random(self.randomness.random()), weather)
        self.machine = Machine(loop, home, Random(self.randomness.random()), self.network, self.kills)
        self.web = SimulatedWeb(setting.seed, setting.pages)
        self.validators = [
            self._actor(ValidatorActor, f"validator{n}", 100 + n) for n in range(setting.validators)
        ]
        nodes = [self._actor(Actor, f"node{n}", n) for n in range(setting.honest)]
        self.actors = [
            *self.validators,
            *nodes,
            *(self._actor(Cheat, f"cheat{n}", 50 + n) for n in range(setting.cheats)),
        ]
        self.lives = HouseLives(
            self.machine,
            Random(self.randomness.random()),
            self.web.urls(),
            [f"{actor.node_id}@{actor.name}" for actor in self.validators],
            RULES if setting.draws else replace(RULES, probation_documents=60),
            setting.parts,
        )

    async def through(self) -> Result:
        """Storm, calm, rest, checks."""
        tasks = [asyncio.ensure_future(self.lives.live())]
        tasks += [asyncio.ensure_future(actor.live()) for actor in self.actors]
        if self.setting.draws:
            tasks += [
                asyncio.ensure_future(actor.draw(self.folder / actor.name)) for actor in self.validators
            ]
        if self.setting.storm:
            await self._storm()
        rested = await self._rest(tasks[0]) and await self._close()
        self.kills.calm()
        problems = self._failures(tasks)
        for task in tasks[1:]:
            task.cancel()
        result = Result(self.setting.seed, problems, virtual_s=self.loop.time())
        if not rested:
            result.problems.append("the house did not come to rest")
        elif self.lives.rooms is not None:
            self._check(result)
        tasks[0].cancel()
        return result

    def _weather(self) -> Weather:
        draw = self.randomness.uniform
        return Weather(lost=draw(0, 0.15), doubled=draw(0, 0.3), delayed=draw(0, 0.3))

    def _actor(self, kind: type[Kind], name: str, number: int) -> Kind:
        return kind(
            name=name,
            number=number,
            key=Ed25519PrivateKey.from_private_bytes(Random(f"{self.setting.seed} {name}").randbytes(32)),
            network=self.network,
            clock=self.machine.clock,
            web=self.web,
            coordinator_id=public_id(KEY),
            randomness=Random(self.randomness.random()),
        )

    async def _storm(self) -> None:
        """Cut some off for a while, again and again."""
        names = [actor.name for actor in self.actors]
        until = self.loop.time() + STORM_S
        while self.loop.time() < until:
            self.network.cut_off = {name for name in names if self.randomness.random() < 0.2}
            await asyncio.sleep(self.randomness.uniform(5, 40))
        self.network.cut_off = set()
        self.network.weather = CALM
        self.kills.calm()

    async def _rest(self, house: asyncio.Future[None]) -> bool:
        """Wait until nobody has anything to do, and say whether that came; a house that gave up never rests."""
        until = self.loop.time() + PATIENCE_S
        quiet = 0
        while self.loop.time() < until and not house.done():
            await asyncio.sleep(10)
            quiet = quiet + 1 if self._at_rest() else 0
            if quiet >= 2:
                return True
        return False

    async def _close(self) -> bool:
        """End the audit epoch under way, because nothing of it is paid before, and say whether it closed."""
        until = self.loop.time() + PATIENCE_S
        while self.loop.time() < until:
            rooms = self.lives.rooms
            if rooms is not None:
                with suppress(SimulatedCrash):
                    end_epoch(rooms.house)
                    break
            await asyncio.sleep(10)
        while self.loop.time() < until:
            await asyncio.sleep(10)
            if self._at_rest() and not self._epochs_open():
                return True
        return False

    def _epochs_open(self) -> bool:
        rooms = self.lives.rooms
        if rooms is None:
            return True
        with rooms.house.state.read() as connection:
            return bool(epochs_in(connection, "revealing", "sealed"))

    def _at_rest(self) -> bool:
        rooms = self.lives.rooms
        if rooms is None or any(actor.outbox for actor in self.actors):
            return False
        with rooms.house.state.read() as connection:
            held = sa.select(sa.func.count()).where(leases.c.state == "leased")
            waiting = sa.select(sa.func.count()).where(audits.c.state != "decided")
            return not any(connection.execute(each).scalar() for each in (held, waiting))

    def _failures(self, tasks: Sequence[asyncio.Future[None]]) -> list[str]:
        """What no fault may cause: a task that ended, a door that failed, a bad recovery."""
        ended = [task for task in tasks if task.done() and not task.cancelled()]
        return [
            *(f"a task ended: {task.exception()!r}" for task in ended),
            *(f"a door failed: {error!r}" for error in self.network.failures),
            *self.lives.problems,
        ]

    def _check(self, result: Result) -> None:
        rooms = self.lives.rooms
        assert rooms is not None
        # the second accounts for what the first closed
        while self.lives.step(rooms) + self.lives.step(rooms):
            pass
        house = rooms.house
        result.problems += invariants.all_problems(house, rooms.segments, self.actors)
        result.problems += invariants.unpaid_problems(house)
        result.problems += invariants.punished(house, self.actors)
        result.fingerprint = invariants.fingerprint(house)
        result.problems += invariants.replay_problems(house)
        result.crashes = self.machine.lives - 1
        with house.state.read() as connection:
            result.submitted = connection.execute(sa.select(sa.func.count(submissions.c.seq))).scalar() or 0
            result.contributions = (
                connection.execute(sa.select(sa.func.count(contributions.c.seq))).scalar() or 0
            )
            by_kind = sa.select(verdicts.c.verdict, sa.func.count()).group_by(verdicts.c.verdict)
            result.verdicts = {row[0]: row[1] for row in connection.execute(by_kind)}
