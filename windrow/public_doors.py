"""The house's public doors: which there are, and how they are served, on its own address or to its gates.

Does not: define doors; the rooms and the pages do. Usage::

    async with PublicDoors(settings, home, chain, operations).on_address(metrics) as url:
        ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from aggregator.assignment.pacing import PaceRules
from aggregator.audit_routes import AuditDoors
from aggregator.ingest import Ingest
from aggregator.routes import Doors, openapi_route
from aggregator.trust_routes import TrustDoors
from marketplace import routes as market_routes
from rewards import routes as reward_routes
from rewards.personal.statement import person_statement
from storage.env import Request, Response, Route
from storage.forwarded import behind_proxies, proxies_of
from windrow.chain_link import ChainLink
from windrow.console.site import console_routes
from windrow.front_page import front_page_routes
from windrow.gates.writer_doors import writer_doors
from windrow.home import OpenHome
from windrow.metrics import HouseMetrics
from windrow.operations import Operations
from windrow.publishers_page import publisher_routes, publishers_url_of
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError


@dataclass(frozen=True)
class PublicDoors:
    """The public doors of one open home."""

    settings: HouseSettings
    home: OpenHome
    chain: ChainLink
    operations: Operations

    @cached_property
    def aggregator(self) -> Doors:
        """The aggregator's doors."""
        return Doors(
            self.home.house,
            Ingest(self.home.house, self.home.contributions),
            self.operations.personal,
            validators=self.settings.validators,
            lease_life_ms=self.settings.lease_life_ms,
            pace=PaceRules(private_ms=round(self.settings.pace_private_s * 1000)),
            chain_facts=self.chain.facts,
            pay_of=partial(person_statement, self.home.house),
            publishers_url=publishers_url_of(self.settings),
        )

    def routes(self) -> list[Route]:
        """Return every public door: those of the rooms, the pages, their description, and a last one."""
        house, chain = self.home.house, self.chain
        routes = [
            *self.aggregator.routes(),
            *AuditDoors(house).routes(),
            *TrustDoors(house).routes(),
            *reward_routes.routes(house, chain.connected, chain.claims_relayer),
            *market_routes.routes(house, chain.client, chain.operator),
            *front_page_routes(self.settings, self.operations, house.env.clock),
            *publisher_routes(self.settings, house),
            *console_routes(self.settings, house, chain.operator.address),
        ]
        return [*routes, openapi_route(routes), Route("*", "/{path:.*}", _no_such_door, "Anything else")]

    @asynccontextmanager
    async def on_address(self, metrics: HouseMetrics) -> AsyncIterator[str]:
        """Serve them on the house's own address until the block ends, and say where."""
        counted = metrics.counted(behind_proxies(self.routes(), proxies_of(self.settings.trusted_proxies)))
        network = self.home.house.env.network
        public = await network.serve(counted, host=self.settings.host, port=self.settings.port)
        try:
            yield public.url
        finally:
            await public.close()

    @asynccontextmanager
    async def to_gates(self, metrics: HouseMetrics) -> AsyncIterator[str]:
        """Serve them to the house's gates until the block ends, and say where others find these."""
        network, home = self.home.house.env.network, Path(self.settings.home)
        async with writer_doors(network, self.aggregator, self.routes(), metrics.counted, home):
            yield f"http://{self.settings.host}:{self.settings.port}"


async def _no_such_door(request: Request) -> Response:
    raise WindrowError("not_found", f"no door {request.method} {request.path}"[:200])
