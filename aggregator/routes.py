"""The aggregator's doors: what nodes and bridges may ask over HTTP.

Rules: every request but the public ones is signed; a door checks, calls one function of the room and answers. The same
table describes itself at GET /openapi.json.

Does not: hold logic of its own. Usage: `env.network.serve(Doors(house, …).routes(), host=…, port=…)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.assignment.leases import issue_leases
from aggregator.ingest import Ingest
from aggregator.openapi import describe
from aggregator.personal import Personal
from aggregator.prefixes import address_prefix
from aggregator.requests import Caller, authenticate, role_of, spend
from aggregator.shared_commit import SharedCommit
from storage.env import Request, Response, Route, json_response
from storage.house import House
from storage.state import insert_once
from storage.tables import nodes
from windrow_protocol import limits
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import BATCH_WIRE_BYTES_MAX, PERSONAL_BYTES_MAX
from windrow_protocol.merkle import checksum_address
from windrow_protocol.messages import (
    LeaseRequest,
    PersonalContribution,
    Registration,
    Submission,
    decode_json,
)

Chain = Callable[[], Mapping[str, Any]]


class Doors:
    """The aggregator's routes over one house."""

    def __init__(
        self,
        house: House,
        ingest: Ingest,
        personal: Personal,
        *,
        validators: Collection[str] = (),
        lease_life_ms: int = limits.LEASE_LIFE_MS,
        chain_facts: Chain = dict,
    ) -> None:
        self._house = house
        self._shared_commit = SharedCommit(ingest)
        self._personal = personal
        self._validators = frozenset(validators)
        self._lease_life_ms = lease_life_ms
        self._chain_facts = chain_facts

    def routes(self) -> list[Route]:
        """Return the table of doors."""
        return [
            Route("GET", "/v1/network", self.network, "The network's name, keys, contracts and limits"),
            Route("POST", "/v1/nodes", self.register, "Register a node", "register", message=Registration),
            Route("POST", "/v1/leases", self.leases, "Ask for leases", "lease_request", message=LeaseRequest),
            Route(
                "POST",
                "/v1/submissions",
                self.submissions,
                "Submit a zstd NDJSON batch of contributions and reports",
                "submit",
                BATCH_WIRE_BYTES_MAX,
                Submission,
                "application/zstd",
            ),
            Route(
                "POST",
                "/v1/personal",
                self.personal,
                "Give opted-in personal data",
                "personal",
                PERSONAL_BYTES_MAX,
                PersonalContribution,
            ),
        ]

    async def network(self, _request: Request) -> Response:
        """Answer with what a node needs to know before it registers."""
        bounds = {
            name.lower(): getattr(limits, name)
            for name in (
                "BATCH_WIRE_BYTES_MAX",
                "BATCH_DECODED_BYTES_MAX",
                "BATCH_RECORDS_MAX",
                "TEXT_BYTES_MAX",
            )
        }
        return json_response(
            {
                "network": self._house.network,
                "protocol": 1,
                "coordinator_id": self._house.coordinator_id,
                "trust": "single-operator trust",
                "server_time_ms": self._house.now_ms(),
                "limits": {**bounds, "leases_per_request_max": limits.LEASES_PER_REQUEST_MAX},
                "chain": dict(self._chain_facts()),
            }
        )

    async def register(self, request: Request) -> Response:
        """Register a node under its payout address; the same again is the same."""
        caller = authenticate(self._house, request, "register")
        wish = decode_json(request.body, Registration)
        payout = checksum_address(wish.payout_address)
        role = "validator" if caller.node_id in self._validators else "contributor"
        with self._house.state.write() as connection:
            spend(connection, caller)
            insert_once(
                connection,
                nodes,
                node_id=caller.node_id,
                role=role,
                payout_address=payout,
                agent=wish.agent,
                region=wish.region,
                prefix=address_prefix(request.peer),
                registered_at_ms=self._house.now_ms(),
            )
            known = sa.select(nodes.c.payout_address, nodes.c.role).where(nodes.c.node_id == caller.node_id)
            row = connection.execute(known).one()
            if row.payout_address != payout:
                raise WindrowError("payout_fixed", row.payout_address)
        return json_response({"node_id": caller.node_id, "role": row.role, "payout_address": payout})

    async def leases(self, request: Request) -> Response:
        """Answer with signed leases, perhaps none for now."""
        caller = authenticate(self._house, request, "lease_request")
        wish = decode_json(request.body, LeaseRequest)
        with self._house.state.write() as connection:
            role = role_of(connection, caller.node_id)
            spend(connection, caller)
            tokens = issue_leases(self._house, connection, caller.node_id, role, wish, self._lease_life_ms)
        return json_response({"leases": tokens, "server_time_ms": self._house.now_ms()})

    async def submissions(self, request: Request) -> Response:
        """Answer each record of a batch with its receipt or its reason."""
        caller = self._known_caller(request, "submit")
        results = await self._shared_commit.accept(caller, request.body)
        return json_response({"results": results, "server_time_ms": self._house.now_ms()})

    async def personal(self, request: Request) -> Response:
        """Answer a donation with its receipt."""
        caller = self._known_caller(request, "personal")
        return json_response(self._personal.accept(caller, request.body))

    def _known_caller(self, request: Request, purpose: str) -> Caller:
        caller = authenticate(self._house, request, purpose)
        with self._house.state.read() as connection:
            role_of(connection, caller.node_id)
        return caller


def openapi_route(routes: list[Route]) -> Route:
    """Return the door that describes all doors."""
    body = msgspec.json.encode(describe(routes))

    async def answer(_request: Request) -> Response:
        return Response(body=body)

    return Route("GET", "/openapi.json", answer, "This description")
