"""The arena's house: a real aggregator and a real ledger on a disk, with a clock that the arena moves.

Rules: the doors are the ones that `windrow up` serves for nodes; the chain is left out, because an arena's
figures are read from the ledger. Nothing is switched off but what the plan's rules say.

Does not: play (see `arena`). Usage: `async with house.serving([validator_id, …]): house.add_urls(urls)`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from aggregator.assignment.frontier import add_urls
from aggregator.assignment.pacing import PaceRules
from aggregator.audit_routes import AuditDoors
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.pipeline import Pipeline
from aggregator.routes import Doors
from aggregator.trust_routes import TrustDoors
from aggregator.verification.audits.canaries import canary_routes
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from rewards.accountant import run_accountant
from storage.real_env import real_env
from storage.state import State
from windrow.demo.network import free_port
from windrow.home import OpenHome, open_home
from windrow.settings import HouseSettings
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.trust_rules import TrustRules

PACE_MS = 20  # the arena's clock stands still while nodes fetch, so the web would seem to be hurried

CANARY_NETWORKS = range(70, 76)
# What follows from a network's size is as small as the arena's web.
CANARY_PAGES_A_DAY = 2  # of each control site
DOMAIN_BYTES = 60_000  # of novelty an epoch; an honest host gives a third of that
# A play is to show what many lies earn: who is suspected gets as many leases as it can answer, and not a few a day.
SUSPECTED_LEASES_A_DAY = 1_000


class ArenaClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now_ms = time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        """Return the arena's time in milliseconds since the Unix epoch."""
        return self._now_ms

    def advance(self, wait_ms: int) -> None:
        """Move it."""
        self._now_ms += wait_ms

    async def sleep(self, wait_s: float) -> None:
        """Move it instead of waiting."""
        self.advance(int(wait_s * 1000))


class ArenaHouse:
    """One house of an arena."""

    def __init__(
        self, home: Path, clock: ArenaClock, rules: TrustRules, network: str, known_domains: Iterable[str]
    ) -> None:
        self._home = home
        self._ranked = RankedDomains.parse(known_domains)
        self._clock = clock
        self._rules = msgspec.structs.replace(
            rules,
            canary_pages_a_day=CANARY_PAGES_A_DAY,
            domain_novelty_bytes_max=DOMAIN_BYTES,
            suspected_leases_per_day=SUSPECTED_LEASES_A_DAY,
        )
        self._network = network
        self._open: OpenHome
        self._pipeline: Pipeline
        self.url = ""
        self.control_origins: list[str] = []

    @property
    def state(self) -> State:
        """The house's state, for counting what became of everybody."""
        return self._open.house.state

    @asynccontextmanager
    async def serving(self, validators: Sequence[str]) -> AsyncIterator[None]:
        """Open the home and serve the doors of nodes; each validator is an operator of its own."""
        env = replace(real_env(), clock=self._clock)
        canaries = [(f"127.0.{number}.1", free_port()) for number in CANARY_NETWORKS]
        origins = [f"http://{host}:{port}" for host, port in canaries]
        self.control_origins = origins
        settings = HouseSettings(home=str(self._home), network=self._network, canary_hosts=origins)
        with open_home(settings, env) as opened:
            house = replace(opened.house, rules=self._rules, ranked=self._ranked)
            self._open = replace(opened, house=house)
            self._pipeline = Pipeline(house, opened.contributions, opened.lake)
            doors = Doors(
                house,
                Ingest(house, opened.contributions),
                Personal(house, opened.personal),
                validators=[f"{node_id}@operator-{number}" for number, node_id in enumerate(validators, 1)],
                pace=PaceRules(private_ms=PACE_MS),
            )
            routes = [*doors.routes(), *TrustDoors(house).routes(), *AuditDoors(house).routes()]
            server = await env.network.serve(routes, host="127.0.0.1", port=0)
            pages = [
                await env.network.serve(canary_routes(house, origin), host=host, port=port)
                for origin, (host, port) in zip(origins, canaries, strict=True)
            ]
            self.url = server.url
            try:
                yield
            finally:
                for each in (server, *pages):
                    await each.close()

    def add_urls(self, urls: Iterable[str]) -> None:
        """Put pages into the frontier."""
        with self.state.write() as connection:
            add_urls(connection, [(url, "http") for url in urls], self._clock.now_ms())

    def step(self) -> int:
        """Do what the house's stages do between two requests, the accountant included; 0 when all is done."""
        self._pipeline.housekeeping()
        done = 0
        while more := self._pipeline.step():
            done += more
        house = self._open.house
        close_epochs(house, self._open.contributions, patience_ms=house.rules.draw_wait_ms)
        return done + run_accountant(house)

    def end_epoch(self) -> int | None:
        """End the open audit epoch and return which it was, or None when nothing was committed in it."""
        return end_epoch(self._open.house)
