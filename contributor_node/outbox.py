"""What a node has promised and what it has not been acknowledged for: kept on disk until a signed receipt comes.

Rules: a lease is written down before it is worked on, a result before it is sent, and both stay until the receipt is
verified and stored; so a killed node goes on where it was and never answers a lease twice in two ways.

Does not: send, sign, or decide what is worked on.

Usage::

    outbox = Outbox(home / "outbox.db")
    outbox.take(leases); outbox.put(record); outbox.settle(lease_id, receipt)

Source: SQLite WAL with synchronous=FULL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import OUTBOX_BYTES_MAX
from windrow_protocol.messages import Contribution, Lease, Report, Submission

_SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (lease_id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS results (lease_id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS receipts (lease_id TEXT PRIMARY KEY, outcome TEXT NOT NULL, receipt TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refusals (lease_id TEXT PRIMARY KEY, reason TEXT NOT NULL);
"""


class Outbox:
    """One SQLite file of the node."""

    def __init__(self, path: Path) -> None:
        """Open it, creating it the first time. Raises WindrowError `home_unwritable`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise WindrowError("home_unwritable", f"{path}: {error}") from error

    def take(self, leases: Iterable[Lease]) -> None:
        """Write leases down before they are worked on."""
        rows = [(lease.lease_id, lease.expires_at_ms, msgspec.json.encode(lease)) for lease in leases]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR IGNORE INTO leases VALUES (?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def open_leases(self, now_ms: int) -> list[Lease]:
        """Return leases without a result whose time is not over, and forget those whose time is."""
        self._db.execute(
            "DELETE FROM leases WHERE expires_at_ms < ? AND lease_id NOT IN (SELECT lease_id FROM results)",
            (now_ms,),
        )
        rows = self._db.execute(
            "SELECT body FROM leases WHERE lease_id NOT IN (SELECT lease_id FROM results)"
        )
        return [msgspec.json.decode(body, type=Lease) for (body,) in rows]

    def put(self, record: Submission) -> bool:
        """Keep a result until it is acknowledged; the first result of a lease is the one that counts."""
        return bool(
            self._db.execute(
                "INSERT OR IGNORE INTO results VALUES (?, ?)", (record.lease_id, msgspec.json.encode(record))
            ).rowcount
        )

    def unsent(self, count: int, bytes_max: int) -> list[Submission]:
        """Return results to send, oldest first, at most so many and about so many bytes."""
        chosen: list[Submission] = []
        total = 0
        for (body,) in self._db.execute("SELECT body FROM results ORDER BY rowid LIMIT ?", (count,)):
            total += len(body)
            if chosen and total > bytes_max:
                break
            chosen.append(msgspec.json.decode(body, type=Contribution | Report))
        return chosen

    def settle(self, lease_id: str, outcome: str, receipt: str) -> None:
        """Replace a result by its verified receipt, in one transaction."""
        self._end(lease_id, "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?)", (lease_id, outcome, receipt))

    def refuse(self, lease_id: str, reason: str) -> None:
        """Replace a result by the reason why the coordinator will never take it."""
        self._end(lease_id, "INSERT OR REPLACE INTO refusals VALUES (?, ?)", (lease_id, reason))

    def _end(self, lease_id: str, insert: str, row: tuple[str, ...]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(insert, row)
        self._db.execute("DELETE FROM results WHERE lease_id = ?", (lease_id,))
        self._db.execute("DELETE FROM leases WHERE lease_id = ?", (lease_id,))
        self._db.execute("COMMIT")

    def is_full(self) -> bool:
        """Say whether so much waits for acknowledgement that no new work should be taken."""
        (waiting,) = self._db.execute("SELECT coalesce(sum(length(body)), 0) FROM results").fetchone()
        return bool(waiting > OUTBOX_BYTES_MAX)

    def counts(self) -> dict[str, int]:
        """Return how many leases are open, results unsent, and receipts held by outcome."""
        (leases,) = self._db.execute("SELECT count(*) FROM leases").fetchone()
        (results,) = self._db.execute("SELECT count(*) FROM results").fetchone()
        (refusals,) = self._db.execute("SELECT count(*) FROM refusals").fetchone()
        outcomes = dict(
            self._db.execute("SELECT outcome, count(*) FROM receipts GROUP BY outcome").fetchall()
        )
        return {"leases_open": leases - results, "unsent": results, "refused": refusals, **outcomes}

    def close(self) -> None:
        """Close the file."""
        self._db.close()
