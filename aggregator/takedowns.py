"""Takedown of a host: its publisher asks, and from then on nobody is sent there and what was kept of it goes.

    takedown   its open pages are withheld, nodes that hold leases of it leave it alone, audits of it end without
               evidence, what is stored of it is erased: at once, or as soon as nothing has to be decided about it
    release    its pages may be leased again; what was erased stays erased

Rules: who asks has shown that the host is theirs: a file that only its publisher could put there holds `token_of` the
host, or the operator says in words how it is known. Orders are a log, kept for ever. Nothing of a withheld host is
published, erased by then or not. Contributors keep what they were paid.

Does not: fetch the proof (`windrow/domain_proof`), or reach what left this house: those who bought it find the ids on
the signed list of removals of every later version.

Usage::

    desk = Takedowns(house, eraser)
    desk.order("example.org", proof="a letter of 2026-11-20", reason="asked", subdomains=True)
    while desk.sweep(): ...
    desk.receipt("example.org")
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

from aggregator.assignment.frontier import release_pages, withhold_pages
from aggregator.assignment.pacing import leave_alone, pace_key
from aggregator.assignment.withheld import WithheldHosts, stored_of, withheld_hosts
from aggregator.erasure import Eraser, erasable_among
from aggregator.verification.audits.truth_requests import give_up
from storage.house import House
from storage.tables.contributions import contributions, leases
from storage.tables.hosts import host_orders
from storage.tables.lake import erasures
from storage.tables.trust import audits, truth_requests
from windrow_protocol.domains import is_public_suffix
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import REASON_CHARS_MAX, TAKEDOWN_SWEEP_MAX

PURPOSE: Final = "takedown"
PROOF_PATH: Final = "/.well-known/windrow-takedown.txt"


def host_named(text: str) -> str:
    """Return a host as orders name it: `www.example.org`, or with a port that is not the usual one.

    Raises WindrowError `bad_url` where it is no host alone.
    """
    if "/" in text or "@" in text:
        raise WindrowError("bad_url", f"{text[:80]!r} is not a host alone, such as www.example.org")
    return pace_key(f"http://{text}/")


def token_of(house: House, host: str) -> str:
    """Return what stands in the file by which a publisher shows that a host is theirs: 32 hex digits."""
    return house.keyed(PURPOSE, host).hex()[:32]


class Takedowns:
    """See the module's docstring."""

    def __init__(self, house: House, eraser: Eraser) -> None:
        self._house, self._eraser = house, eraser

    def order(self, host: str, *, proof: str, reason: str, subdomains: bool = False) -> dict[str, Any]:
        """Leave a host alone from now on, and return what that stops.

        Raises WindrowError `bad_url`, `missing_reason`, `public_suffix`, where the hosts below it are not one owner's,
        or `host_withheld`, if that is so already.
        """
        now_ms = self._house.now_ms()
        with self._house.state.write() as connection:
            host, before = host_named(host), withheld_hosts(connection)
            if subdomains and is_public_suffix(host):
                raise WindrowError("public_suffix", host)
            known = before.orders.get(host)
            if known is not None and known.subdomains >= subdomains:
                raise WindrowError("host_withheld", host)
            self._write(connection, host, "takedown", proof, reason, subdomains)
            ordered = WithheldHosts({host: withheld_hosts(connection).orders[host]})
            pages, hosts = withhold_pages(connection, ordered)
            leave_alone(connection, {host, *hosts})
            ended = end_audits(connection, ordered)
        return {"host": host, "withheld_at_ms": now_ms, "pages": pages, "audits_ended": ended}

    def release(self, host: str, reason: str) -> dict[str, Any]:
        """Let a host be fetched again. Raises WindrowError `bad_url`, `missing_reason` or `not_withheld`."""
        with self._house.state.write() as connection:
            host, before = host_named(host), withheld_hosts(connection)
            if host not in before.orders:
                raise WindrowError("not_withheld", host)
            self._write(connection, host, "release", "", reason, before.orders[host].subdomains)
            still = withheld_hosts(connection)
            pages, hosts = release_pages(connection, WithheldHosts({host: before.orders[host]}), still)
            leave_alone(connection, hosts if still.covers(f"http://{host}/") else {host, *hosts}, until_ms=0)
        return {"host": host, "pages": pages}

    def _write(
        self, connection: sa.Connection, host: str, event: str, proof: str, reason: str, subdomains: bool
    ) -> None:
        if not reason.strip() or (event == "takedown" and not proof.strip()):
            raise WindrowError("missing_reason", f"a {event} of {host}")
        row = {"host": host, "event": event, "subdomains": subdomains, "at_ms": self._house.now_ms()}
        words = {"proof": proof[:REASON_CHARS_MAX], "reason": reason[:REASON_CHARS_MAX]}
        connection.execute(sa.insert(host_orders).values(**row, **words))

    def sweep(self) -> int:
        """Erase a batch of what is stored of withheld hosts and can be erased by now; return how much that was."""
        with self._house.state.read() as connection:
            withheld = withheld_hosts(connection)
            batch = erasable_among(connection, stored_of(connection, withheld), TAKEDOWN_SWEEP_MAX)
        if batch:
            self._eraser.erase_all(batch, "its publisher asked for a takedown")
        return len(batch)

    def receipt(self, host: str) -> str:
        """Return what became of an order, signed by the coordinator (JWS, purpose `takedown`), for the publisher.

        Raises WindrowError `bad_url` or `not_withheld`.
        """
        with self._house.state.read() as connection:
            host, withheld = host_named(host), withheld_hosts(connection)
            order = withheld.orders.get(host)
            if order is None:
                raise WindrowError("not_withheld", host)
            alone = WithheldHosts({host: order})
            waiting = len(list(stored_of(connection, alone)))
            erased = sum(any(map(alone.covers, urls)) for urls in _erased_urls(connection))
        content = {
            "host": host,
            "subdomains": order.subdomains,
            "withheld_at_ms": order.at_ms,
            "proof": order.proof,
            "documents_erased": erased,
            "documents_waiting": waiting,
        }
        return self._house.sign(PURPOSE, host, content)


def end_audits(connection: sa.Connection, withheld: WithheldHosts) -> int:
    """Give up the truths that are wanted of withheld hosts, which nobody will fetch; return how many that are."""
    if not withheld.orders:
        return 0
    statement = (
        sa.select(truth_requests.c.contribution_id, truth_requests.c.ordinal, leases.c.url)
        .join(audits, audits.c.contribution_id == truth_requests.c.contribution_id)
        .join(leases, leases.c.lease_id == audits.c.lease_id)
        .where(truth_requests.c.state == "wanted", withheld.named_in(leases.c.url))
    )
    wanted = [row for row in connection.execute(statement) if withheld.covers(row.url)]
    for row in wanted:
        give_up(connection, row.contribution_id, row.ordinal)
    return len(wanted)


def _erased_urls(connection: sa.Connection) -> Iterable[tuple[str, str]]:
    columns = sa.select(contributions.c.url, contributions.c.final_url)
    statement = columns.join(erasures, erasures.c.seq == contributions.c.seq)
    return (
        (url, final) for url, final in connection.execute(statement.where(contributions.c.audit_of.is_(None)))
    )
