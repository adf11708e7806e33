"""Puts the console together: its doors, and what commands do about it.

Rules: doors and commands share one database, so a command's word holds at the next request.

Does not: hold logic. Usage: `routes = console_routes(settings, house, chain.operator.address)`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from storage.env import Route
from storage.house import House
from windrow.console.access_doors import AccessDoors
from windrow.console.asking import Asking
from windrow.console.entry import Entry
from windrow.console.gate import Gate
from windrow.console.question_doors import QuestionDoors
from windrow.console.roles import People
from windrow.console.sessions import Sessions
from windrow.console.sign_in_doors import SignInDoors
from windrow.console.sign_ins import SignIns
from windrow.console.tokens import TOKEN_ID, Tokens
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address


def console_routes(settings: HouseSettings, house: House, owner: str) -> list[Route]:
    """Return every door of the console; `owner` is the account that owns the contracts."""
    gate, people = Gate(settings.console_origins), People(house, owner)
    sessions, tokens = Sessions(house), Tokens(house)
    entry = Entry(gate, sessions, people)

    def require_in(asker: str) -> None:
        owner = tokens.owner if asker.startswith(TOKEN_ID) else sessions.owner
        people.require(owner(asker), "ask_saved")

    asking = Asking(settings, require_in)
    sign_ins = SignIns(house, settings.chain_id)
    return [
        *SignInDoors(entry, sign_ins, sessions, people, asking, house.network).routes(),
        *QuestionDoors(house, gate, entry, people, tokens, asking).routes(),
        *AccessDoors(entry, people, sessions, tokens, house.network).routes(),
    ]


class ConsoleOperations:
    """What `windrow operator` has done about the console."""

    def __init__(self, house: House, owner: str) -> None:
        self._owner = checksum_address(owner)
        self._people, self._sessions, self._tokens = People(house, owner), Sessions(house), Tokens(house)

    async def grant(self, address: str, role: str) -> dict[str, str]:
        """Give an account a role."""
        return await asyncio.to_thread(self._people.grant, address, role)

    async def revoke(self, address: str) -> dict[str, Any]:
        """Take an account's role away, and end its sessions and tokens."""
        return await asyncio.to_thread(self._revoke, address)

    def _revoke(self, address: str) -> dict[str, Any]:
        spelled = self._people.revoke(address)
        ended = self._sessions.end_all(spelled), self._tokens.revoke_all(spelled)
        return {"address": spelled, "sessions": ended[0], "tokens": ended[1]}

    async def list(self) -> dict[str, Any]:
        """Return who has a role, who is in, and which tokens hold."""
        return await asyncio.to_thread(
            lambda: {
                "people": self._people.listed(),
                "sessions": self._sessions.listed(),
                "tokens": self._tokens.listed(),
            }
        )

    async def end(self, item_id: str) -> dict[str, str]:
        """End a session or revoke a token. Raises WindrowError `not_found`."""
        try:
            await asyncio.to_thread(self._sessions.end, item_id, "revoked")
        except WindrowError:
            await asyncio.to_thread(self._tokens.revoke, item_id)
        return {"ended": item_id}

    async def token(self, label: str, days: int, address: str = "") -> dict[str, Any]:
        """Make a token for an account, the contracts' owner where none is named."""
        spelled = checksum_address(address) if address else self._owner
        self._people.require(spelled, "token")
        return await asyncio.to_thread(self._tokens.make, spelled, label, days)
