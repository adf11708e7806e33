"""The doors of personal data: give, take back, be told what is held, and the public list of removals.

Rules: all but the list are signed by the node whose data it is.

Does not: decide anything (see `personal` and `withdrawals`). Usage: `PersonalDoors(personal, known_caller).routes()`.
"""

from __future__ import annotations

from collections.abc import Callable

from aggregator.personal import Personal
from aggregator.requests import Caller
from storage.env import Request, Response, Route, json_response
from windrow_protocol.limits import PERSONAL_BYTES_MAX
from windrow_protocol.personal_messages import PersonalContribution, PersonalExport, PersonalWithdrawal

KnownCaller = Callable[[Request, str], Caller]


class PersonalDoors:
    """The routes over one `Personal`; `known_caller` says who signed a request for a purpose."""

    def __init__(self, personal: Personal, known_caller: KnownCaller) -> None:
        self._personal, self._known_caller = personal, known_caller

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

    async def removals(self, _request: Request) -> Response:
        """Answer with the list of removals."""
        return json_response(self._personal.withdrawals.removals())
