"""Asking a host's robots.txt before anything else, with the mend that Scrapy 2.19 lacks.

Rules: one fetch per host and 24 hours, shared by everybody who waits for it, kept in a small file so that a new
child does not ask again. A robots.txt that cannot be had (5xx, no answer, no connection) disallows everything
and is asked
for again after `ROBOTS_RETRY_S`. When the lease that paid for the fetch fails by its own fault (expired, caps reached),
the next waiter fetches under its own lease. Redirects are followed up to five times (RFC 9309, 2.3.1.2).

Does not: parse rules (`windrow_protocol.robots_rules`) or send requests itself: it is given a `fetch`.

Usage::

    gate = RobotsGate(RobotsCache(home / "robots.sqlite3"), fetch, now_ms)
    found = await gate.rules_for("http://a.example/page", work)
    found.rules.allows(ROBOTS_TOKEN, url)
"""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from contributor_node.crawling.wire import Work
from windrow_protocol.limits import ROBOTS_BYTES_MAX, ROBOTS_CACHE_S, ROBOTS_HOSTS_MAX, ROBOTS_RETRY_S
from windrow_protocol.robots_rules import RobotsRules, RobotsState
from windrow_protocol.user_agent import BOT

ROBOTS_TOKEN = BOT
OF_ONE_LEASE = frozenset(
    ["not_leased", "lease_expired", "budget_exhausted", "owner_denied", "line_log_unwritable"]
)


class RobotsAnswer(NamedTuple):
    """The final answer to GET /robots.txt: status (None when nothing came), body, and why nothing came."""

    status: int | None
    body: bytes
    refusal: str = ""


class RobotsFound(NamedTuple):
    """A host's rules, and the code of the refusal when none could be fetched."""

    rules: RobotsRules
    refusal: str = ""


Fetch = Callable[[str, Work], Awaitable[RobotsAnswer]]
"""Fetch one robots.txt under a lease, redirects included."""


@dataclass(slots=True)
class _Held:
    """A host's rules in memory, or the fetch that is under way for them."""

    task: asyncio.Task[RobotsFound]
    until_ms: int = 0


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, as robots.txt is valid for exactly these (RFC 9309, 2.3)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


class RobotsCache:
    """Answers kept for `ROBOTS_CACHE_S` in one SQLite file. A damaged file is only a cache: it is begun anew."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        self._db.execute("PRAGMA journal_mode = WAL")
        # nothing waits for the disk; what a power cut takes is asked again
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS robots "
            "(origin TEXT PRIMARY KEY, fetched_at_ms INTEGER NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL)"
        )

    def get(self, origin: str, now_ms: int) -> tuple[RobotsAnswer, int] | None:
        """Return an answer that is still valid and the time in ms until when, or None."""
        row = self._db.execute(
            "SELECT fetched_at_ms, status, body FROM robots WHERE origin = ?", (origin,)
        ).fetchone()
        if row is None:
            return None
        fetched_at_ms, status, body = row
        until_ms = fetched_at_ms + ROBOTS_CACHE_S * 1000
        if not fetched_at_ms <= now_ms < until_ms:
            return None
        return RobotsAnswer(status, zlib.decompress(body)), until_ms

    def put(self, origin: str, answer: RobotsAnswer, now_ms: int) -> None:
        """Keep an answer, and drop what is too old or too much."""
        self._db.execute("BEGIN")
        self._db.execute(
            "INSERT OR REPLACE INTO robots VALUES (?, ?, ?, ?)",
            (origin, now_ms, answer.status, zlib.compress(answer.body[: ROBOTS_BYTES_MAX + 1])),
        )
        self._db.execute("DELETE FROM robots WHERE fetched_at_ms < ?", (now_ms - ROBOTS_CACHE_S * 1000,))
        self._db.execute(
            "DELETE FROM robots WHERE origin IN "
            "(SELECT origin FROM robots ORDER BY fetched_at_ms DESC LIMIT -1 OFFSET ?)",
            (ROBOTS_HOSTS_MAX,),
        )
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class RobotsGate:
    """Everybody who wants to fetch waits here for the host's rules."""

    def __init__(self, cache: RobotsCache, fetch: Fetch, now_ms: Callable[[], int]) -> None:
        self._cache, self._fetch, self._now_ms = cache, fetch, now_ms
        self._held: dict[str, _Held] = {}

    async def rules_for(self, url: str, work: Work) -> RobotsFound:
        """Return the rules of the URL's host, fetching them under this lease if nobody has.

        A `refusal` says that nothing could be fetched; the rules then disallow everything.
        """
        origin = origin_of(url)
        while True:
            held = self._held.get(origin)
            if held is None or (held.task.done() and self._now_ms() >= held.until_ms):
                return await self._begin(origin, work)
            found = await asyncio.shield(held.task)
            if found.refusal not in OF_ONE_LEASE:
                return found
            if self._held.get(origin) is held:
                del self._held[origin]  # its lease failed, not the host: the next one tries under its own

    async def _begin(self, origin: str, work: Work) -> RobotsFound:
        if len(self._held) >= ROBOTS_HOSTS_MAX:
            self._held = {name: held for name, held in self._held.items() if not held.task.done()}
        held = _Held(asyncio.create_task(self._load(origin, work)))
        self._held[origin] = held
        return await asyncio.shield(held.task)

    async def _load(self, origin: str, work: Work) -> RobotsFound:
        kept = self._cache.get(origin, self._now_ms())
        if kept is not None:
            answer, until_ms = kept
        else:
            answer = await self._fetch(f"{origin}/robots.txt", work)
            until_ms = self._now_ms() + ROBOTS_RETRY_S * 1000
        rules = RobotsRules.parse(answer.body, answer.status)
        if kept is None and rules.state is not RobotsState.UNREACHABLE:
            self._cache.put(origin, answer, self._now_ms())
            until_ms = self._now_ms() + ROBOTS_CACHE_S * 1000
        self._held[origin].until_ms = until_ms
        return RobotsFound(rules, answer.refusal)
