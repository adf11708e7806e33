"""The doors by which a browser comes into the console and leaves it.

Rules: a wallet in the browser signs what the console gives, and so does `windrow operator login`, which gets a link for
another browser instead of a cookie. A link shows a button first: what only looks at links uses none up.

Does not: decide what a good signature is (`sign_ins`). Usage: `routes = SignInDoors(entry, …).routes()`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TypeVar

import msgspec
import structlog

from storage.env import Request, Response, Route, json_response
from windrow.console.asking import Asking
from windrow.console.entry import Entry, Visit, html_response, redirect
from windrow.console.gate import set_cookie
from windrow.console.rendering import ASSETS, asset, render
from windrow.console.roles import People
from windrow.console.sessions import Session, Sessions
from windrow.console.sign_ins import SignIns
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSOLE_SESSION_LIFE_MS, SIGN_IN_CHARS_MAX

log = structlog.get_logger(__name__)
_BODY_BYTES_MAX = 4 * SIGN_IN_CHARS_MAX
Message = TypeVar("Message")


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which account wants to sign in."""

    address: str


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed text; `link` asks for a link for another browser instead of a cookie."""

    message: str
    signature: str
    link: bool = False


class SignInDoors:
    """Signing in and out."""

    def __init__(
        self,
        entry: Entry,
        sign_ins: SignIns,
        sessions: Sessions,
        people: People,
        asking: Asking,
        network: str,
    ) -> None:
        self._entry, self._sign_ins, self._sessions = entry, sign_ins, sessions
        self._people, self._asking, self._network = people, asking, network

    def routes(self) -> list[Route]:
        """Return these doors."""
        to_all, bound = self._entry.open_to_all, _BODY_BYTES_MAX
        return [
            Route("GET", "/console/login", to_all(self._login), "Sign in to the console"),
            Route("GET", "/console/page/{name}", to_all(self._asset), "The console's scripts and styles"),
            Route(
                "POST",
                "/console/challenge",
                to_all(self._challenge),
                "What an account signs to sign in",
                body_bytes_max=bound,
            ),
            Route(
                "POST",
                "/console/sign-in",
                to_all(self._sign_in),
                "A signed sign-in (EIP-4361)",
                body_bytes_max=bound,
            ),
            Route("GET", "/console/enter/{word}", to_all(self._door), "A one-use link"),
            Route("POST", "/console/enter/{word}", to_all(self._enter), "Use a one-use link"),
            Route("POST", "/console/sign-out", self._entry.page("ask_saved", self._sign_out), "Sign out"),
        ]

    async def _login(self, _request: Request, origin: str) -> Response:
        return html_response(render("login.html", network=self._network, origin=origin))

    async def _asset(self, request: Request, _origin: str) -> Response:
        name = request.params["name"]
        return Response(body=asset(name), content_type=ASSETS[name])

    async def _challenge(self, request: Request, origin: str) -> Response:
        return json_response({"message": self._sign_ins.challenge(origin, decoded(request, Ask).address)})

    async def _sign_in(self, request: Request, origin: str) -> Response:
        signed = decoded(request, Signed)
        address = await asyncio.to_thread(self._sign_ins.accept, origin, signed.message, signed.signature)
        role = self._people.role_of(address)
        if signed.link:
            log.info("console_link_made", address=address)
            return json_response({"link": f"{origin}/console/enter/{self._sign_ins.link(origin, address)}"})
        session = await self._begun(address)
        return Response(
            body=msgspec.json.encode({"address": address, "role": role}),
            headers=set_cookie(origin, session.cookie, CONSOLE_SESSION_LIFE_MS // 1000),
        )

    async def _door(self, _request: Request, _origin: str) -> Response:
        return html_response(render("enter.html", network=self._network))

    async def _enter(self, request: Request, origin: str) -> Response:
        address = self._sign_ins.enter(origin, request.params["word"])
        self._people.role_of(address)
        session = await self._begun(address)
        given = set_cookie(origin, session.cookie, CONSOLE_SESSION_LIFE_MS // 1000)
        made = redirect("/console")
        return replace(made, headers={**made.headers, **given})

    async def _begun(self, address: str) -> Session:
        session = await asyncio.to_thread(self._sessions.begin, address)
        log.info("console_signed_in", address=address, session=session.session_id)
        return session

    async def _sign_out(self, visit: Visit) -> Response:
        self._asking.stop(visit.session.session_id)
        await asyncio.to_thread(self._sessions.end, visit.session.session_id, "signed_out")
        made = redirect("/console/login")
        return replace(made, headers={**made.headers, **set_cookie(visit.origin, "", 0)})


def decoded(request: Request, kind: type[Message]) -> Message:
    """Return a request's JSON as a message. Raises WindrowError `wrong_schema` or `not_json`."""
    try:
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.ValidationError as error:
        raise WindrowError("wrong_schema", str(error)[:200]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WindrowError("not_json", str(error)[:200]) from error
