"""What a node has promised and what it has not been acknowledged for: kept on disk until a signed receipt comes.

Rules: a lease is written down before it is worked on, a result before it is sent, and both stay until the receipt is
verified and stored; so a killed node goes on where it was and never answers a lease twice in two ways. After a power
cut a result that was never sent may be missing: its lease is then simply worked on again.

Does not: send, sign, or decide what is worked on.

Usage::

    outbox = Outbox(home / "outbox.db")
    fresh = outbox.take(leases); outbox.put(record); outbox.settle([Settled(lease_id, "fetched", receipt)])

Source: SQLite WAL; synchronous=NORMAL for what can be had again, one fsync before a batch is sent and one after.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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


class Settled(NamedTuple):
    """A lease whose receipt is verified."""

    lease_id: str
    outcome: str
    receipt: str


class Refused(NamedTuple):
    """A lease whose result the coordinator will never take, and the code of the reason."""

    lease_id: str
    reason: str


class Outbox:
    """One SQLite file of the node. Every method raises WindrowError `home_unwritable` when the disk fails."""

    def __init__(self, path: Path) -> None:
        """Open it, creating it the first time."""
        self._path = path
        with self._disk():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
            self._outcomes: Counter[str] = Counter(
                dict(self._db.execute("SELECT outcome, count(*) FROM receipts GROUP BY outcome"))
            )

    def take(self, leases: Iterable[Lease]) -> list[Lease]:
        """Write leases down before they are worked on; returns those that were not known."""
        fresh = []
        with self._transaction():
            for lease in leases:
                row = (lease.lease_id, lease.expires_at_ms, msgspec.json.encode(lease))
                if not self._is_answered(lease.lease_id) and self._insert("leases", row):
                    fresh.append(lease)
        return fresh

    def open_leases(self, now_ms: int) -> list[Lease]:
        """Return leases without a result whose time is not over."""
        self.forget_expired(now_ms)
        with self._disk():
            rows = self._db.execute(
                "SELECT body FROM leases WHERE lease_id NOT IN (SELECT lease_id FROM results)"
            )
            return [msgspec.json.decode(body, type=Lease) for (body,) in rows]

    def forget_expired(self, now_ms: int) -> None:
        """Forget leases without a result whose time is over."""
        with self._disk():
            self._db.execute(
                "DELETE FROM leases WHERE expires_at_ms < ? AND lease_id NOT IN (SELECT lease_id FROM results)",
                (now_ms,),
            )

    def put(self, record: Submission) -> bool:
        """Keep a result until it is acknowledged; the first result of a lease is the one that counts."""
        with self._transaction():
            if self._is_answered(record.lease_id):
                return False
            return self._insert("results", (record.lease_id, msgspec.json.encode(record)))

    def unsent(self, count: int, bytes_max: int) -> list[Submission]:
        """Return results to send, oldest first, at most so many and about so many bytes; they are on the disk then."""
        chosen: list[Submission] = []
        total = 0
        with self._disk():
            self._sync()
            for (body,) in self._db.execute("SELECT body FROM results ORDER BY rowid LIMIT ?", (count,)):
                total += len(body)
                if chosen and total > bytes_max:
                    break
                chosen.append(msgspec.json.decode(body, type=Contribution | Report))
        return chosen

    def settle(self, ends: Sequence[Settled | Refused]) -> None:
        """Replace results by their verified receipts or final refusals, in one durable transaction."""
        new: Counter[str] = Counter()
        with self._transaction():
            for end in ends:
                if not isinstance(end, Settled):
                    self._insert("refusals", end)
                elif self._insert("receipts", end):
                    new[end.outcome] += 1
                self._db.execute("DELETE FROM results WHERE lease_id = ?", (end.lease_id,))
                self._db.execute("DELETE FROM leases WHERE lease_id = ?", (end.lease_id,))
        self._outcomes += new
        with self._disk():
            self._sync()

    def unsent_count(self) -> int:
        """Return how many results wait."""
        with self._disk():
            return int(self._db.execute("SELECT count(*) FROM results").fetchone()[0])

    def is_full(self) -> bool:
        """Say whether so much waits for acknowledgement that no new work should be taken."""
        with self._disk():
            (waiting,) = self._db.execute("SELECT coalesce(sum(length(body)), 0) FROM results").fetchone()
        return bool(waiting > OUTBOX_BYTES_MAX)

    def counts(self) -> dict[str, int]:
        """Return how many leases are open, results unsent, results refused, and receipts held by outcome."""
        with self._disk():
            (leases,) = self._db.execute(
                "SELECT count(*) FROM leases WHERE lease_id NOT IN (SELECT lease_id FROM results)"
            ).fetchone()
            (refusals,) = self._db.execute("SELECT count(*) FROM refusals").fetchone()
        counts = {"leases_open": leases, "unsent": self.unsent_count(), "refused": refusals}
        return counts | self._outcomes

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _is_answered(self, lease_id: str) -> bool:
        return any(
            self._db.execute(f"SELECT 1 FROM {table} WHERE lease_id = ?", (lease_id,)).fetchone()
            for table in ("receipts", "refusals")
        )

    def _insert(self, table: str, row: tuple[object, ...]) -> bool:
        places = ", ".join("?" * len(row))
        return bool(self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row).rowcount)

    def _sync(self) -> None:
        """Bring what was committed to the disk: it stands in the write-ahead log, or was checkpointed durably."""
        try:
            descriptor = os.open(f"{self._path}-wal", os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._disk():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise WindrowError("home_unwritable", f"{self._path}: {error}") from error
