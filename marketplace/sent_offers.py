"""Offers that were sent to a market's contract and are not settled there: written down before they are sent.

Rules: between its sending and its settlement an offer stands in no row that says it is listed, and buyers can take it
all the same. So a version that is retired in that time is closed by what is noted here; a note goes once the chain has
settled that the offer stands, or that it is closed.

Does not: send, or ask the chain. Usage: `note_offer(connection, chain.market_key(), export_id)` before the sending.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from storage.state import set_meta
from storage.tables.contributions import exports, meta

_NOTED: Final = "market/offered"


def note_offer(connection: sa.Connection, market: str, export_id: str) -> None:
    """Note that an export is about to be offered on a market (`ChainClient.market_key`); again is the same as once."""
    set_meta(connection, _key(market, export_id), "sent")


def forget_offer(connection: sa.Connection, market: str, export_id: str) -> None:
    """The chain has settled what became of an offer."""
    connection.execute(sa.delete(meta).where(meta.c.key == _key(market, export_id)))


def retired_offers(connection: sa.Connection, market: str) -> set[str]:
    """Return the ids of retired exports whose offer was sent to a market and is not settled there."""
    noted = sa.exists().where(meta.c.key == sa.literal(_key(market, "")) + exports.c.export_id)
    wanted = sa.select(exports.c.export_id).where(exports.c.retired != "", noted)
    return set(connection.execute(wanted).scalars())


def _key(market: str, export_id: str) -> str:
    return f"{_NOTED}/{market}/{export_id}"
