"""The arena: one cheat among honest nodes and three validators, on a real aggregator with a real ledger.

The days of an arena: every node takes leases and answers them in rounds; validators draw, fetch and answer; at the end
of a day the audit epoch ends, secrets are revealed, verdicts disclosed, pay vests. After the last day everybody leaves,
and what each was paid can be read from the ledger.

Rules: everything is spoken over HTTP on loopback; the house has no hint who the cheat is; only its clock is the
arena's, so that weeks pass in a minute. Identities are free, fetches are the cost.

Does not: judge strategies (see `report`). Usage: `async with Arena(ArenaPlan("garbage"), home).played() as house: ...`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from windrow.redteam.archive import take_archive
from windrow.redteam.arena_house import ArenaClock, ArenaHouse
from windrow.redteam.changing_web import ChangingWeb
from windrow.redteam.client import Client
from windrow.redteam.shirking import OwnMirrors, OwnSites
from windrow.redteam.strategies import STRATEGIES
from windrow.redteam.strategy import Kit, Strategy
from windrow.redteam.validator import ArenaValidator
from windrow_protocol.messages import Departure, Submission
from windrow_protocol.trust_rules import DAY_MS, TrustRules

NETWORK: Final = "windrow-redteam"
LEASES_A_ROUND: Final = 10
ROUNDS_A_DAY: Final = 5
HONEST: Final = 2
VALIDATORS: Final = 3
IDLE_ROUNDS_MAX: Final = 3
DAYS_MAX: Final = 12
LEAVING_ROUNDS: Final = 8  # two days: by then every leaving node is settled
BOND_DAYS: Final = 8
PAGES_SPARE: Final = 260


@dataclass(frozen=True)
class ArenaPlan:
    """One strategy against one set of rules.

    `submissions` is what the cheat hands in at least, refused or not, within the days that an arena lasts.
    """

    strategy: str
    submissions: int = 200
    rules: TrustRules = field(default_factory=TrustRules)
    seed: int = 1


@dataclass
class Player:
    """One identity with what it does."""

    client: Client
    strategy: Strategy
    handed_in: int = 0  # records, whether the coordinator took them or not


class Arena:
    """See the module's docstring."""

    def __init__(self, plan: ArenaPlan, home: Path) -> None:
        self._plan = plan
        self._clock = ArenaClock()
        self._home = home
        self._chance = random.Random(f"{plan.seed}/{plan.strategy}")
        self.cheats: list[Player] = []
        self.honest: list[Player] = []
        self.validators: list[ArenaValidator] = []

    @asynccontextmanager
    async def played(self) -> AsyncIterator[ArenaHouse]:
        """Play it to the end; the house is still open in the block, so that its logs can be read."""
        async with AsyncExitStack() as stack:
            web = await stack.enter_async_context(self._web())
            house = ArenaHouse(self._home, self._clock, self._plan.rules, NETWORK, web.known_domains)
            await self._begin(stack, house, web)
            day = 0
            while self._handed_in() < self._plan.submissions and day < DAYS_MAX:
                await self._day(house)
                day += 1
            await self._leave(house)
            yield house

    def _web(self) -> ChangingWeb:
        pages = PAGES_SPARE + self._plan.submissions * (HONEST + 1)
        kind = STRATEGIES[self._plan.strategy]
        own_pages = self._plan.submissions if issubclass(kind, OwnSites) else 0
        return ChangingWeb(
            self._clock.now_ms, pages, self._plan.seed, own_pages, mirrored=issubclass(kind, OwnMirrors)
        )

    async def _begin(self, stack: AsyncExitStack, house: ArenaHouse, web: ChangingWeb) -> None:
        clients = [
            await stack.enter_async_context(Client("", f"127.3.{number}.1", self._clock.now_ms, NETWORK))
            for number in range(1, VALIDATORS + 1)
        ]
        await stack.enter_async_context(house.serving([client.node_id for client in clients]))
        for number, client in enumerate(clients, 1):
            client.move_to(house.url)
            await client.register()
            home = self._home / f"validator-{number}"
            self.validators.append(ArenaValidator(client, house.url, home, self._clock.now_ms))
        kit = await self._kit(stack, house, web)
        kind = STRATEGIES[self._plan.strategy]
        await self._audit(house)  # validators commit before anything is handed in
        house.add_urls(web.urls)
        for number in range(HONEST):
            self.honest.append(await self._join(stack, house, f"127.1.{number + 1}.1", Strategy(kit)))
        for number in range(kind.identities):
            address = f"127.2.{number // 4 + 1}.{number + 1}" if kind.rejoins else f"127.2.{number + 1}.1"
            self.cheats.append(await self._join(stack, house, address, kind(kit)))

    async def _kit(self, stack: AsyncExitStack, house: ArenaHouse, web: ChangingWeb) -> Kit:
        """Let a cheat that replays have copies of each page from some days ago."""
        if not STRATEGIES[self._plan.strategy].replays:
            return Kit({}, self._chance)
        visitor = await stack.enter_async_context(Client("", "127.9.1.1", self._clock.now_ms, NETWORK))
        older, newer = await take_archive(visitor, self._clock, web.urls, house.control_origins)
        return Kit(newer, self._chance, older=older)

    async def _join(
        self, stack: AsyncExitStack, house: ArenaHouse, address: str, strategy: Strategy
    ) -> Player:
        client = await stack.enter_async_context(Client(house.url, address, self._clock.now_ms, NETWORK))
        client.hears = strategy.hears
        await client.register()
        return Player(client, strategy)

    def _handed_in(self) -> int:
        return sum(player.handed_in for player in self.cheats)

    async def _day(self, house: ArenaHouse) -> None:
        for _ in range(ROUNDS_A_DAY):
            for player in (*self.cheats, *self.honest):
                await self._turn(player)
            await self._audit(house)
            self._clock.advance(DAY_MS // 2 // ROUNDS_A_DAY)
        await self._close_epoch(house)
        self._clock.advance(DAY_MS // 2)
        await self._learn()

    async def _turn(self, player: Player) -> None:
        records: list[Submission] = []
        leases = await player.client.leases(LEASES_A_ROUND)
        for lease in leases:
            record = await player.strategy.answer(player.client, lease)
            if record is not None:
                records.append(record)
        records += player.strategy.unasked(player.client, LEASES_A_ROUND - len(leases))
        if records:
            await player.strategy.hand_in(player.client, records)
            player.handed_in += len(records)

    async def _audit(self, house: ArenaHouse) -> None:
        """Let validators and pipeline work until there is nothing left to do."""
        idle = 0
        while idle < IDLE_ROUNDS_MAX:
            done = sum([await validator.round() for validator in self.validators])
            done += await asyncio.to_thread(house.step)
            self._clock.advance(2_000)
            idle = 0 if done else idle + 1

    async def _close_epoch(self, house: ArenaHouse) -> None:
        """End the audit epoch; validators see it, draw what is left and reveal, and the house publishes."""
        house.end_epoch()
        await self._audit(house)

    async def _learn(self) -> None:
        """Let cheats read what was disclosed to them."""
        for player in self.cheats:
            await player.strategy.learn(player.client, await player.client.verdicts())

    async def _leave(self, house: ArenaHouse) -> None:
        """Everybody leaves, what is pending is drawn and settled, bonds come back."""
        for player in (*self.cheats, *self.honest):
            await player.client.ask("/v1/nodes/leave", "leave", Departure())
        for _ in range(LEAVING_ROUNDS):
            await self._audit(house)
            await self._close_epoch(house)
            self._clock.advance(DAY_MS // 4)
        self._clock.advance(BOND_DAYS * DAY_MS)
        await self._close_epoch(house)
