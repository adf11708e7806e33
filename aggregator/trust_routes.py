"""The doors of trust: what a node may ask about its verdicts, against them, and when it wants to leave.

Rules: all are signed; a node hears of nobody but itself, and of nothing of an audit epoch under way. A node
that has left may still ask and appeal; one whose key its owner revoked may not.

Does not: hold logic of its own. Usage: `env.network.serve(TrustDoors(house).routes(), host=…, port=…)`.
"""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.request_counts import RequestCounts
from aggregator.requests import Caller, authenticate, spend
from aggregator.verification.consequences.appeals import receive_appeal
from aggregator.verification.consequences.departures import receive_departure
from aggregator.verification.consequences.disclosures import disclosed_to
from storage.env import Request, Response, Route, json_response
from storage.house import House
from storage.tables.contributions import nodes
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import REQUESTS_PER_MINUTE_MAX
from windrow_protocol.messages import Appeal, Departure, DisclosureRequest, decode_json


class TrustDoors:
    """The handlers over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._counts = RequestCounts(REQUESTS_PER_MINUTE_MAX)

    def routes(self) -> list[Route]:
        """Return the table of doors."""
        return [
            Route(
                "POST",
                "/v1/disclosures",
                self.disclosures,
                "Ask for your verdicts and their consequences of closed audit epochs",
                "disclosures",
                message=DisclosureRequest,
            ),
            Route(
                "POST",
                "/v1/appeals",
                self.appeals,
                "Ask once to look again at a verdict",
                "appeal",
                message=Appeal,
            ),
            Route(
                "POST",
                "/v1/nodes/leave",
                self.leave,
                "Leave: have pending pay settled and the bond returned",
                "leave",
                message=Departure,
            ),
        ]

    async def disclosures(self, request: Request) -> Response:
        """Answer with what a node may know."""
        caller = self._known_caller(request, "disclosures")
        wish = decode_json(request.body, DisclosureRequest)
        with self._house.state.write() as connection:
            spend(connection, caller)
            answer = disclosed_to(connection, caller.node_id, wish)
        return json_response({**answer, "server_time_ms": self._house.now_ms()})

    async def appeals(self, request: Request) -> Response:
        """Take an appeal and answer with its state."""
        caller = self._known_caller(request, "appeal")
        appeal = decode_json(request.body, Appeal)
        with self._house.state.write() as connection:
            spend(connection, caller)
            state = receive_appeal(self._house, connection, caller.node_id, appeal)
        return json_response({"contribution_id": appeal.contribution_id, "state": state})

    async def leave(self, request: Request) -> Response:
        """Let a node leave and answer with the dates."""
        caller = self._known_caller(request, "leave")
        decode_json(request.body, Departure)
        with self._house.state.write() as connection:
            spend(connection, caller)
            answer = receive_departure(self._house, connection, caller.node_id)
        return json_response(answer)

    def _known_caller(self, request: Request, purpose: str) -> Caller:
        """Return who asks, before anything waits for the one writer: a stranger has not even a turn there."""
        caller = authenticate(self._house, request, purpose)
        self._counts.count(caller.node_id, self._house.now_ms())
        with self._house.state.read() as connection:
            row = sa.select(nodes.c.state).where(nodes.c.node_id == caller.node_id)
            state = connection.execute(row).scalar()
        if state is None:
            raise WindrowError("unknown_node", caller.node_id[:16])
        if state == "revoked":
            raise WindrowError("node_left", state)
        return caller
