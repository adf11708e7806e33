"""The frontier: every URL the network knows, and what may happen to it next.

Rules: one row for each canonical URL; its life is the table `STEPS` and nothing else. A transient failure opens the URL
again for another node, up to `LEASE_ATTEMPTS_MAX`; a refusal by the site is final for this crawl.

Does not: choose pages for nodes (`placement`), sign leases, or fetch.

Usage::

    added, known = add_urls(connection, [("https://example.org/", "http")], now_ms)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import sqlalchemy as sa

from aggregator.assignment.pacing import pace_key
from aggregator.assignment.placement import host_place
from aggregator.assignment.withheld import WithheldHosts, withheld_hosts
from storage.prepared import Prepared
from storage.state import insert_once
from storage.tables.contributions import frontier, frontier_hosts
from windrow_protocol.limits import LEASE_ATTEMPTS_MAX
from windrow_protocol.messages import Outcome
from windrow_protocol.urls import canonical_url, host_key, url_sha256

# (state, event) → next state; "retry" becomes "given_up" once the attempts are used up.
STEPS: dict[tuple[str, str], str] = {
    ("open", "lease"): "leased",
    ("leased", "answered"): "done",
    ("leased", "retry"): "open",
    ("leased", "exhausted"): "given_up",
    ("leased", "shell"): "open",  # for a browser now
    ("done", "not_accepted"): "open",
    ("done", "exhausted"): "given_up",
    ("open", "withhold"): "withheld",  # its publisher asked for that
    ("leased", "withhold"): "withheld",  # what is answered yet opens it no more
    ("withheld", "release"): "open",
}
STATES: Final = frozenset({"open", *STEPS.values()})
_MOVES: Final = {
    event: [(state, following) for (state, name), following in STEPS.items() if name == event]
    for _, event in STEPS
}

_MOVE = Prepared(
    sa.update(frontier)
    .where(frontier.c.url_id == sa.bindparam("of_url"), frontier.c.state == sa.bindparam("before"))
    .values(state=sa.bindparam("after"), attempts=frontier.c.attempts + sa.bindparam("added"))
)
_ATTEMPTS = Prepared(
    sa.select(frontier.c.url_id, frontier.c.attempts).where(
        frontier.c.url_id.in_(sa.bindparam("urls", expanding=True))
    )
)
TRANSIENT: Final = frozenset(
    {Outcome.TIMEOUT, Outcome.SERVER_ERROR, Outcome.BUDGET_EXHAUSTED, Outcome.EXPIRED}
)


def add_urls(connection: sa.Connection, urls: Iterable[tuple[str, str]], now_ms: int) -> tuple[int, int]:
    """Add (URL, render) pairs and return how many were new and how many known already.

    Raises WindrowError `bad_url` before anything is added when one of them cannot be used.
    """
    rows = [(canonical_url(url), render) for url, render in urls]
    added, withheld = 0, withheld_hosts(connection)
    for host in {host_key(url) for url, _ in rows}:
        insert_once(connection, frontier_hosts, host_key=host, place=host_place(host))
    for url, render in rows:
        added += insert_once(
            connection,
            frontier,
            url_id=url_sha256(url),
            url=url,
            host_key=host_key(url),
            render=render,
            state="withheld" if withheld.covers(url) else "open",
            attempts=0,
            added_at_ms=now_ms,
            note="",
        )
    return added, len(rows) - added


def event_for(outcome: Outcome, attempts: int) -> str:
    """Return the event that a lease's outcome means for its URL."""
    if outcome not in TRANSIENT:
        return "answered"
    return "retry" if attempts < LEASE_ATTEMPTS_MAX else "exhausted"


def advance(connection: sa.Connection, url_id: str, event: str) -> None:
    """Move one URL along `STEPS`; an event that its state does not know changes nothing."""
    advance_all(connection, [(url_id, event)])


def advance_all(connection: sa.Connection, events: Iterable[tuple[str, str]]) -> None:
    """Move URLs along `STEPS`, one event after the other."""
    moves = [
        {"of_url": url_id, "before": state, "after": following, "added": int(event == "lease")}
        for url_id, event in events
        for state, following in _MOVES.get(event, ())
    ]
    _MOVE.run(connection, moves)


def attempts_of(connection: sa.Connection, url_ids: Collection[str]) -> dict[str, int]:
    """Return how often each URL was leased."""
    rows = _ATTEMPTS.rows(connection, urls=list(url_ids)) if url_ids else ()
    return {row.url_id: row.attempts for row in rows}


def withhold_pages(connection: sa.Connection, withheld: WithheldHosts) -> tuple[int, set[str]]:
    """Withhold the pages that orders cover and that may yet be fetched; return how many, and the hosts as paced."""
    return _move_hosts(connection, "withhold", _hosts_of(connection, withheld))


def release_pages(
    connection: sa.Connection, released: WithheldHosts, still: WithheldHosts
) -> tuple[int, set[str]]:
    """Open the pages that orders covered and no other does; return how many, and the hosts as they are paced."""
    free = [key for key in _hosts_of(connection, released) if not still.covers(f"{key}/")]
    return _move_hosts(connection, "release", free)


def _hosts_of(connection: sa.Connection, withheld: WithheldHosts) -> list[str]:
    """Return the keys of the frontier's hosts that orders cover."""
    known = sa.select(frontier_hosts.c.host_key).where(withheld.named_in(frontier_hosts.c.host_key))
    return [key for key in connection.execute(known).scalars() if withheld.covers(f"{key}/")]


def _move_hosts(connection: sa.Connection, event: str, host_keys: Sequence[str]) -> tuple[int, set[str]]:
    """Move every page of some hosts along `STEPS`."""
    steps = {state: following for (state, name), following in STEPS.items() if name == event}
    moved = 0
    for key in host_keys:
        for before, after in steps.items():
            of_host = (frontier.c.host_key == key) & (frontier.c.state == before)
            moved += connection.execute(sa.update(frontier).where(of_host).values(state=after)).rowcount
    return moved, {pace_key(f"{key}/") for key in host_keys}


def reopen(connection: sa.Connection, url_id: str) -> None:
    """Give a page whose contribution was not accepted to another node, unless its attempts are used up."""
    attempts = attempts_of(connection, [url_id]).get(url_id, 0)
    advance(connection, url_id, "not_accepted" if attempts < LEASE_ATTEMPTS_MAX else "exhausted")
