"""The doors of personal data: give, take back, be told what is held and earned, and the public list of removals.

Rules: all but the list are signed by the node whose data it is.

Does not: decide anything (see `personal` and `withdrawals`). Usage: `PersonalDoors(personal, known_caller).routes()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aggregator.personal import Personal
from aggregator.requests import Caller
from storage.env import Request, Response, Route, json_response
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PERSONAL_BYTES_MAX
from windrow_protocol.messages import decode_json
from windrow_protocol.personal.messages import (
    PersonalContribution,
    PersonalExport,
    PersonalPay,
    PersonalWithdrawal,
)

KnownCaller = Callable[[Request, str], Caller]
PayOf = Callable[[str], dict[str, Any]]


class PersonalDoors:
    """The routes over one `Personal`; `known_caller` says who signed a request for a purpose.

    Who composes the house supplies `pay_of`, what a node earned, because that is known in another room.
    """

    def __init__(self, personal: Personal, known_caller: KnownCaller, pay_of: PayOf | None = None) -> None:
        self._personal, self._known_caller, self._pay_of = personal, known_caller, pay_of

    def routes(self) -> list[Route]:
        """Return the table of doors."""
        return [
            Route(
                "POST",
                "/v1/personal",
                self.give,
                "Give opted-in personal data",
                "personal",
                PERSONAL_BYTES_MAX,
                PersonalContribution,
            ),
            Route(
                "POST",
                "/v1/personal/withdrawals",
                self.withdraw,
                "Take a donation back: its key is destroyed",
                "personal_withdrawal",
                message=PersonalWithdrawal,
            ),
            Route(
                "POST",
                "/v1/personal/export",
                self.export,
                "Be told everything held on this node",
                "personal_export",
                message=PersonalExport,
            ),
            Route(
                "POST",
                "/v1/personal/pay",
                self.pay,
                "Be told what one's months of history were judged to be, and earned",
                "personal_pay",
                message=PersonalPay,
            ),
            Route("GET", "/v1/personal/removals", self.removals, "Signed list of donations taken out"),
        ]

    async def give(self, request: Request) -> Response:
        """Answer a donation with its receipt."""
        caller = self._known_caller(request, "personal")
        return json_response(self._personal.accept(caller, request.body))

    async def withdraw(self, request: Request) -> Response:
        """Answer a withdrawal with its receipt."""
        caller = self._known_caller(request, "personal_withdrawal")
        return json_response(self._personal.withdrawals.accept(caller, request.body))

    async def export(self, request: Request) -> Response:
        """Answer with what is held on the caller."""
        caller = self._known_caller(request, "personal_export")
        return json_response(self._personal.withdrawals.export(caller, request.body))

    async def pay(self, request: Request) -> Response:
        """Answer with the caller's months. Raises WindrowError `not_found` in a house that pays nobody."""
        caller = self._known_caller(request, "personal_pay")
        decode_json(request.body, PersonalPay)
        self._personal.spend(caller)
        if self._pay_of is None:
            raise WindrowError("not_found", "nothing is paid here")
        return json_response(await asyncio.to_thread(self._pay_of, caller.node_id))

    async def removals(self, _request: Request) -> Response:
        """Answer with the list of removals."""
        return json_response(self._personal.withdrawals.removals())
