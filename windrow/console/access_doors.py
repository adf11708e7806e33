"""The console's page of access: one's own tokens, and for operators who is in.

Rules: roles are granted and taken by command alone (`windrow operator`), so that a stolen session makes no new
operator. A token is shown once.

Does not: keep tokens or sessions. Usage: `routes = AccessDoors(…).routes()`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from storage.env import Response, Route
from windrow.console.entry import Entry, Visit, html_response, redirect
from windrow.console.rendering import render
from windrow.console.roles import ROLES, People
from windrow.console.sessions import Sessions
from windrow.console.tokens import Tokens
from windrow_protocol.errors import WindrowError

_BODY_BYTES_MAX = 4_000


class AccessDoors:
    """Tokens, sessions and people."""

    def __init__(
        self, entry: Entry, people: People, sessions: Sessions, tokens: Tokens, network: str
    ) -> None:
        self._entry, self._people, self._sessions, self._tokens = entry, people, sessions, tokens
        self._network = network

    def routes(self) -> list[Route]:
        """Return these doors."""
        page = self._entry.page
        posts = [
            ("/console/tokens", page("token", self._make), "Make a token"),
            ("/console/tokens/revoke", page("token", self._revoke), "Revoke a token"),
            ("/console/sessions/end", page("people", self._end), "End somebody's session"),
        ]
        return [
            Route("GET", "/console/access", page("token", self._page), "Tokens and who is in"),
            *(
                Route("POST", path, handle, summary, body_bytes_max=_BODY_BYTES_MAX)
                for path, handle, summary in posts
            ),
        ]

    async def _page(self, visit: Visit) -> Response:
        return html_response(await asyncio.to_thread(self._rendered, visit))

    async def _make(self, visit: Visit) -> Response:
        days = visit.fields.get("days", "")
        if not (days.isascii() and days.isdigit() and len(days) < 6):
            raise WindrowError("bad_usage", "a token holds for a number of days")
        label = visit.fields.get("label", "").strip()
        made = await asyncio.to_thread(self._tokens.make, visit.session.address, label, int(days))
        return html_response(await asyncio.to_thread(self._rendered, visit, made))

    async def _revoke(self, visit: Visit) -> Response:
        owner = "" if visit.may("people") else visit.session.address
        await asyncio.to_thread(self._tokens.revoke, visit.fields.get("token_id", ""), owner)
        return redirect("/console/access")

    async def _end(self, visit: Visit) -> Response:
        await asyncio.to_thread(self._sessions.end, visit.fields.get("session_id", ""), "revoked")
        return redirect("/console/access")

    def _rendered(self, visit: Visit, made: dict[str, Any] | None = None) -> str:
        sees_all = visit.may("people")
        return render(
            "access.html",
            visit=visit,
            network=self._network,
            here="access",
            made=made,
            tokens=self._tokens.listed("" if sees_all else visit.session.address),
            sessions=self._sessions.listed() if sees_all else [],
            people=self._people.listed() if sees_all else [],
            roles={role: sorted(rights) for role, rights in ROLES.items()},
        )
