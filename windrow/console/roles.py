"""Who may do what in the console: roles as a table, and which account has which.

Rules: a role is looked up at every request, so what is taken away is gone at once. The account that owns the network's
contracts is an operator without being granted it: whoever has its key can do all of this anyway.

Does not: know sessions or pages. Usage: `People(house, owner).require(address, "ask")`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.house import House
from storage.tables.console import console_people
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address

# What each right is: `ask` any question, `ask_saved` only saved ones, `save` questions for all, `token` for programs of
# one's own, `people` to see who is in and to end sessions and tokens of others.
ROLES: Final[dict[str, frozenset[str]]] = {
    "operator": frozenset({"ask", "ask_saved", "save", "token", "people"}),
    "analyst": frozenset({"ask", "ask_saved", "save", "token"}),
    "support": frozenset({"ask_saved"}),
}
_people = console_people


class People:
    """The accounts that may sign in."""

    def __init__(self, house: House, owner: str) -> None:
        """`owner` is the address of the key that owns the contracts."""
        self._house, self._owner = house, checksum_address(owner)

    def role_of(self, address: str) -> str:
        """Return an account's role. Raises WindrowError `unknown_operator`."""
        if address == self._owner:
            return "operator"
        with self._house.state.read() as connection:
            role = connection.execute(sa.select(_people.c.role).where(_people.c.address == address)).scalar()
        if role not in ROLES:
            raise WindrowError("unknown_operator", address)
        return str(role)

    def require(self, address: str, right: str) -> str:
        """Return the role by which an account may do something. Raises `unknown_operator` or `role_too_low`."""
        role = self.role_of(address)
        if right not in ROLES[role]:
            raise WindrowError("role_too_low", f"`{role}` may not `{right}`")
        return role

    def grant(self, address: str, role: str) -> dict[str, str]:
        """Give an account a role instead of the one it had. Raises `bad_payout_address` or `bad_config`."""
        spelled = checksum_address(address)
        if role not in ROLES:
            raise WindrowError("bad_config", f"the role `{role}`; there are {', '.join(ROLES)}")
        if spelled == self._owner:
            raise WindrowError("bad_config", f"{spelled} owns the contracts and is an operator always")
        with self._house.state.write() as connection:
            connection.execute(sa.delete(_people).where(_people.c.address == spelled))
            row = {"address": spelled, "role": role, "granted_at_ms": self._house.now_ms()}
            connection.execute(sa.insert(_people).values(**row))
        return {"address": spelled, "role": role}

    def revoke(self, address: str) -> str:
        """Take an account's role away and return its address as it is spelled. Raises `unknown_operator`."""
        spelled = checksum_address(address)
        with self._house.state.write() as connection:
            gone = connection.execute(sa.delete(_people).where(_people.c.address == spelled))
            if not gone.rowcount:
                raise WindrowError("unknown_operator", spelled)
        return spelled

    def listed(self) -> list[dict[str, Any]]:
        """Return every account and its role, the owner first."""
        with self._house.state.read() as connection:
            rows = connection.execute(sa.select(_people).order_by(_people.c.granted_at_ms, _people.c.address))
            granted = [dict(row._mapping) for row in rows]
        return [{"address": self._owner, "role": "operator", "granted_at_ms": 0}, *granted]
