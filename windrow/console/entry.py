"""Lets a request in and wraps its answer: gate, session, role, and a refusal as a page or as JSON.

Rules: the gate comes before anything else. A renewed cookie goes out with whatever is answered, a refusal too. A page
that nobody is signed in for leads to the sign-in; every other refusal names its reason code and has its status.

Does not: know what the pages show. Usage: `Route("GET", "/console", entry.page("ask_saved", show), …)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from storage.env import Handler, Request, Response, json_response
from windrow.console.gate import Gate, cookie_of, form_of, guarded, require_form_token, set_cookie
from windrow.console.rendering import render
from windrow.console.roles import ROLES, People
from windrow.console.sessions import Session, Sessions
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSOLE_SESSION_LIFE_MS

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Visit:
    """A request that was let in: from whom, with what role, and its form."""

    request: Request
    origin: str
    session: Session
    role: str
    fields: dict[str, str]

    def may(self, right: str) -> bool:
        """Say whether the visitor's role has a right."""
        return right in ROLES[self.role]


Answering = Callable[[Visit], Awaitable[Response]]
Welcoming = Callable[[Request, str], Awaitable[Response]]


class Entry:
    """The console's door-keeper."""

    def __init__(self, gate: Gate, sessions: Sessions, people: People) -> None:
        self._gate, self._sessions, self._people = gate, sessions, people

    def open_to_all(self, answer: Welcoming) -> Handler:
        """Return the handler of a door that needs no session."""

        async def handle(request: Request) -> Response:
            try:
                return guarded(await answer(request, self._gate.admit(request)))
            except WindrowError as error:
                return refusal(request, error)

        return handle

    def page(self, right: str, answer: Answering) -> Handler:
        """Return the handler of a page, for accounts with this right."""

        async def handle(request: Request) -> Response:
            try:
                origin = self._gate.admit(request)
                cookie = cookie_of(request, origin)
                session = await asyncio.to_thread(self._sessions.find, cookie, renew=request.method == "GET")
            except WindrowError as error:
                if error.code == "signed_out" and request.method == "GET":
                    return guarded(Response(status=303, headers={"Location": "/console/login"}))
                return refusal(request, error)
            try:
                made = await self._answered(request, origin, session, right, answer)
            except WindrowError as error:
                log.info("console_refused", session=session.session_id, code=error.code)
                made = refusal(request, error)
            if not session.cookie:
                return made
            given = set_cookie(origin, session.cookie, CONSOLE_SESSION_LIFE_MS // 1000)
            return replace(made, headers={**made.headers, **given})

        return handle

    async def _answered(
        self, request: Request, origin: str, session: Session, right: str, answer: Answering
    ) -> Response:
        fields: dict[str, str] = {}
        if request.method == "POST":
            fields = form_of(request)
            require_form_token(fields, session.form_token)
        role = self._people.require(session.address, right)
        return guarded(await answer(Visit(request, origin, session, role, fields)))


def refusal(request: Request, error: WindrowError) -> Response:
    """Return a refusal: a page for who asks for pages, JSON for others."""
    status = error.reason.http_status if error.reason.http_status >= 400 else 400
    if "text/html" not in request.header("Accept"):
        return guarded(json_response(error.as_dict(), status))
    html = render("refusal.html", reason=error.reason, detail=error.detail)
    return guarded(Response(status=status, body=html.encode(), content_type="text/html; charset=utf-8"))


def html_response(html: str, status: int = 200) -> Response:
    """Return a page."""
    return Response(status=status, body=html.encode(), content_type="text/html; charset=utf-8")


def redirect(place: str) -> Response:
    """Return a redirect that turns a POST into a GET."""
    return Response(status=303, headers={"Location": place})
