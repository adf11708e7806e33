"""Which page a contribution was: looked up among the receipts that this node keeps.

Rules: read only, over a connection of its own; the newest receipts are searched, up to a bound. A receipt was verified
before it was stored, so its content is read and not verified again.

Does not: ask anyone. Usage: `urls_of(home / "outbox.db", node_id, ["c…", "c…"])`.
"""

from __future__ import annotations

import base64
import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from windrow_protocol.limits import DASHBOARD_RECEIPTS_MAX
from windrow_protocol.messages import contribution_id_for


def urls_of(outbox: Path, node_id: str, contribution_ids: Collection[str]) -> dict[str, str]:
    """Return contribution id → URL, of those whose receipt lies here."""
    wanted, urls = set(contribution_ids), {}
    try:
        with contextlib.closing(sqlite3.connect(f"{outbox.resolve().as_uri()}?mode=ro", uri=True)) as db:
            for lease_id in _newest_leases(db):
                contribution_id = contribution_id_for(lease_id, node_id)
                if contribution_id in wanted:
                    urls[contribution_id] = _url_in(db, lease_id)
                    if len(urls) == len(wanted):
                        break
    except sqlite3.Error:
        return urls  # a page without its address is better than no page
    return urls


def _newest_leases(db: sqlite3.Connection) -> Iterator[str]:
    query = "SELECT lease_id FROM receipts ORDER BY rowid DESC LIMIT ?"
    return (str(lease_id) for (lease_id,) in db.execute(query, (DASHBOARD_RECEIPTS_MAX,)))


def _url_in(db: sqlite3.Connection, lease_id: str) -> str:
    (token,) = db.execute("SELECT receipt FROM receipts WHERE lease_id = ?", (lease_id,)).fetchone()
    payload = str(token).split(".")[1]
    statement: dict[str, Any] = msgspec.json.decode(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return str(statement["content"]["url"])
