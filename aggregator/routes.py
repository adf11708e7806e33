"""The aggregator's doors: what nodes and bridges may ask over HTTP.

Rules: every request but the public ones is signed; a door checks, calls one function of the room and answers. The
same table describes itself at GET /openapi.json.

Does not: hold logic of its own. Usage: `env.network.serve(Doors(house, …).routes(), host=…, port=…)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from aggregator.assignment.pacing import PaceRules
from aggregator.assignment.placement import day_of, day_seed, seed_commitment
from aggregator.delegations import accept_delegation
from aggregator.ingest import Batch, Ingest
from aggregator.lease_requests import Asked, LeaseDesk
from aggregator.openapi import describe
from aggregator.personal import Personal
from aggregator.personal_routes import PayOf, PersonalDoors
from aggregator.prepared_batches import decode_handed_in
from aggregator.request_counts import RequestCounts
from aggregator.requests import Caller, authenticate, spend
from aggregator.roster import known_member, register, trust_of
from aggregator.shared_commit import SharedCommit
from storage.env import Request, Response, Route, json_response
from storage.house import House
from storage.pay_terms import terms_now
from windrow_protocol import limits
from windrow_protocol.limits import BATCH_WIRE_BYTES_MAX
from windrow_protocol.messages import (
    Delegation,
    LeaseRequest,
    Registration,
    Submission,
    decode_json,
)
from windrow_protocol.operators import parse_validators
from windrow_protocol.release import RELEASE

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
        pace: PaceRules = PaceRules(),  # noqa: B008 (frozen)
        chain_facts: Chain = dict,
        pay_of: PayOf | None = None,
        publishers_url: str = "",
    ) -> None:
        """Make the doors; `validators` are `node_id` or `node_id@operator`. Raises WindrowError `bad_config`."""
        self._pay_of = pay_of
        self._publishers_url = publishers_url
        self._house = house
        self._batches = SharedCommit(ingest.accept_together, limits.BATCHES_PER_COMMIT_MAX)
        lease_desk = LeaseDesk(house, lease_life_ms, pace)
        self._lease_requests = SharedCommit(lease_desk.answer_together, limits.LEASE_REQUESTS_PER_COMMIT_MAX)
        self._personal = personal
        self._validators = parse_validators(validators)
        self._counts = RequestCounts(limits.REQUESTS_PER_MINUTE_MAX)
        self._wallet_counts = RequestCounts(limits.DELEGATIONS_PER_MINUTE_MAX)
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
                "/v1/delegations",
                self.delegations,
                "Say which node works for a wallet (signed by the wallet)",
                message=Delegation,
            ),
            *PersonalDoors(self._personal, self._known_caller, self._pay_of).routes(),
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
        day = day_of(self._house.now_ms())
        with self._house.state.read() as connection:
            trust = trust_of(self._house, connection)
            terms = terms_now(connection, self._house).published()
        return json_response(
            {
                "network": self._house.network,
                "protocol": 1,
                "node_version": RELEASE,
                "publishers_url": self._publishers_url,
                "coordinator_id": self._house.coordinator_id,
                "trust": trust,
                "server_time_ms": self._house.now_ms(),
                "limits": {**bounds, "leases_per_request_max": limits.LEASES_PER_REQUEST_MAX},
                "rules": self._house.rules,
                "economics": {**terms, "next": self._next_parameters(terms)},
                "ranked_domains": self._house.ranked and self._house.ranked.as_dict(),
                "assignment": {
                    "day": day,
                    "seed_sha256": seed_commitment(day_seed(self._house, day)),
                    "seed_of_day_before": day_seed(self._house, day - 1).hex(),
                },
                "chain": dict(self._chain_facts()),
            }
        )

    def _next_parameters(self, terms: dict[str, Any]) -> dict[str, Any] | None:
        """Return the economic parameters of the next audit epoch, None where they stay as they are."""
        following = self._house.economics.published()
        return None if following == terms["parameters"] else following

    async def register(self, request: Request) -> Response:
        """Register a node under its payout address; the same again is the same."""
        caller = self._caller(request, "register")
        wish = decode_json(request.body, Registration)
        with self._house.state.write() as connection:
            spend(connection, caller)
            member, admitted = register(
                self._house, connection, caller.node_id, wish, request.peer, self._validators
            )
        return json_response(
            {
                "node_id": caller.node_id,
                "role": member.role,
                "payout_address": member.payout_address,
                "state": member.state,
                "position": admitted.position,
            }
        )

    async def leases(self, request: Request) -> Response:
        """Answer with signed leases, perhaps none for now, and with the hosts that all nodes are to leave alone."""
        caller = self._caller(request, "lease_request")
        wish = decode_json(request.body, LeaseRequest)
        offer = await self._lease_requests.ask(Asked(caller, wish, request.peer))
        return json_response({**offer.as_dict(), "server_time_ms": self._house.now_ms()})

    async def delegations(self, request: Request) -> Response:
        """Do what a wallet allows about one of its nodes."""
        self._wallet_counts.count(request.peer, self._house.now_ms())  # no node signs it
        delegation = decode_json(request.body, Delegation)
        with self._house.state.write() as connection:
            answer = accept_delegation(self._house, connection, delegation)
        return json_response(answer)

    async def submissions(self, request: Request) -> Response:
        """Answer each record of a batch with its receipt or its reason."""
        caller = self._caller(request, "submit")
        return await self._accepted((caller, request.body))

    async def handed_in(self, request: Request) -> Response:
        """Answer a batch that a gate of this house has read, verified and prepared; no stranger reaches this door."""
        handed = decode_handed_in(request.body)
        self._counts.count(handed.node_id, self._house.now_ms())
        return await self._accepted((handed.caller, handed.records))

    async def known(self, request: Request) -> Response:
        """Tell a gate of this house whether a node may hand anything in."""
        with self._house.state.read() as connection:
            known_member(connection, request.body.decode())
        return json_response({})

    async def _accepted(self, batch: Batch) -> Response:
        results = await self._batches.ask(batch)
        return json_response({"results": results, "server_time_ms": self._house.now_ms()})

    def _known_caller(self, request: Request, purpose: str) -> Caller:
        caller = self._caller(request, purpose)
        with self._house.state.read() as connection:
            known_member(connection, caller.node_id)
        return caller

    def _caller(self, request: Request, purpose: str) -> Caller:
        caller = authenticate(self._house, request, purpose)
        self._counts.count(caller.node_id, self._house.now_ms())
        return caller


def openapi_route(routes: list[Route]) -> Route:
    """Return the door that describes all doors."""
    body = msgspec.json.encode(describe(routes))

    async def answer(_request: Request) -> Response:
        return Response(body=body)

    return Route("GET", "/openapi.json", answer, "This description")
