"""Network-wide pacing: when a host may be asked next, whoever asks it.

    slot      = max(now, end of the pause, last slot + interval)
    interval  = max(the operator's minimum, the crawl-delay nodes report) · 2^(failures in a row), bounded

    reported                                     what follows
    429 or 503 with Retry-After                  no slot before its end, for anybody
    blocked, server_error, timeout               one more failure
    fetched, unchanged, not_found, a refusal     no failure any more
    a longer crawl-delay                         it holds from now on
    a shorter one, or none                       believed when `CRAWL_DELAY_DOUBTS_MAX` reports in a row say so

Rules: a slot belongs to one lease; two slots of a host are never closer than the interval was when the later one was
given. No slot lies beyond `horizon_ms`: until there is a nearer one the host waits. What a stranger reports can only
slow a host down within bounds, and an expired lease says nothing about the host.

Does not: choose URLs (`placement`), or replace the node's own pace, which holds besides.

Usage::

    taken = next_slot(pace, least_ms=2_000, now_ms=now, horizon_ms=200_000)     # (slot, pace) or None
    pace = after_report(pace, Heard(Outcome.BLOCKED, http_status=429, retry_after_ms=60_000), now)

Source: RFC 9110, 10.2.3 (Retry-After); docs/protocol.md, "Lease".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import sqlalchemy as sa

from storage.prepared import Prepared
from storage.state import put_rows
from storage.tables.trust import host_paces
from windrow_protocol.addresses import address_verdict, parse_host_literal
from windrow_protocol.limits import (
    CRAWL_DELAY_DOUBTS_MAX,
    CRAWL_DELAY_S_MAX,
    HOST_BACKOFF_S_MAX,
    HOST_PACE_OWNER_S_MIN,
    HOST_PACE_S_MIN,
    HOST_PAUSE_S_MAX,
    HOST_WITHHELD_UNTIL_MS,
)
from windrow_protocol.messages import Outcome
from windrow_protocol.urls import DEFAULT_PORTS, site_of, split_http_url

_DOUBLINGS_MAX: Final = 16
_RETRY_AFTER_STATUS: Final = frozenset({429, 503})
_FAILURES: Final = frozenset({Outcome.BLOCKED, Outcome.SERVER_ERROR, Outcome.TIMEOUT})
# Outcomes that say nothing about the host: the node, not the host, is why there was no answer.
_SILENT: Final = frozenset({Outcome.EXPIRED, Outcome.BUDGET_EXHAUSTED, Outcome.UNSAFE_ADDRESS})
# For these robots.txt must have been read, so that no crawl-delay in the report means that there is none.
_READ_ROBOTS: Final = frozenset(
    {Outcome.FETCHED, Outcome.OPTOUT_DENIED, Outcome.NOT_FOUND, Outcome.UNCHANGED}
)

_PAUSED = Prepared(
    sa.select(host_paces.c.host, host_paces.c.paused_until_ms).where(
        host_paces.c.host.in_(sa.bindparam("hosts", expanding=True)),
        host_paces.c.paused_until_ms > sa.bindparam("now_ms"),
    )
)


@dataclass(frozen=True, slots=True)
class PaceRules:
    """The operator's minimum between two requests to one host, in milliseconds."""

    public_ms: int = int(HOST_PACE_S_MIN * 1000)
    private_ms: int = int(HOST_PACE_OWNER_S_MIN * 1000)  # only nodes that list such a host can reach it

    def least_ms(self, url: str) -> int:
        """Return the minimum for a URL's host. Raises WindrowError `bad_url`."""
        literal = parse_host_literal(split_http_url(url).host)
        is_private = literal is not None and not address_verdict(literal).allowed
        return self.private_ms if is_private else self.public_ms


class HostPace(NamedTuple):
    """What the network knows about one host. `doubts` counts reports in a row of a shorter crawl-delay."""

    last_slot_ms: int = 0
    crawl_delay_ms: int = 0
    doubts: int = 0
    failures: int = 0
    paused_until_ms: int = 0


_NEW: Final = HostPace()
_PACES = Prepared(
    sa.select(host_paces.c.host, *(host_paces.c[name] for name in HostPace._fields)).where(
        host_paces.c.host.in_(sa.bindparam("hosts", expanding=True))
    )
)


class Heard(NamedTuple):
    """What one answer to a lease says about its host."""

    outcome: Outcome
    http_status: int = 0
    crawl_delay_ms: int = 0
    retry_after_ms: int = 0


def pace_key(url: str) -> str:
    """Return the name a URL's host is paced under: its ports 80 and 443 are one host. Raises WindrowError `bad_url`."""
    parts = split_http_url(url)
    host = parts.host.rstrip(".")
    port = int(parts.port or DEFAULT_PORTS[parts.scheme])
    return host if port in DEFAULT_PORTS.values() else f"{host}:{port}"


def interval_ms(pace: HostPace, least_ms: int) -> int:
    """Return how far apart two slots of a host are now."""
    plain = max(least_ms, pace.crawl_delay_ms)
    backed_off = plain << min(pace.failures, _DOUBLINGS_MAX)
    return min(backed_off, max(plain, HOST_BACKOFF_S_MAX * 1000))


def next_slot(pace: HostPace, least_ms: int, now_ms: int, horizon_ms: int) -> tuple[int, HostPace] | None:
    """Take the host's next slot: return its time and the pace after it, or None when it lies beyond the horizon."""
    earliest_ms = pace.last_slot_ms + interval_ms(pace, least_ms) if pace.last_slot_ms else 0
    slot_ms = max(now_ms, pace.paused_until_ms, earliest_ms)
    if slot_ms - now_ms > horizon_ms:
        return None
    return slot_ms, pace._replace(last_slot_ms=slot_ms)


def after_report(pace: HostPace, heard: Heard, now_ms: int) -> HostPace:
    """Return what is known about a host after one more answer from it."""
    if heard.outcome in _SILENT:
        return pace
    pace = _with_crawl_delay(pace, heard)
    if heard.outcome not in _FAILURES:
        return pace._replace(failures=0) if pace.failures else pace
    pace = pace._replace(failures=min(pace.failures + 1, _DOUBLINGS_MAX))
    if heard.http_status not in _RETRY_AFTER_STATUS or not heard.retry_after_ms:
        return pace
    until_ms = now_ms + min(heard.retry_after_ms, HOST_PAUSE_S_MAX * 1000)
    return pace._replace(paused_until_ms=max(pace.paused_until_ms, until_ms))


def _with_crawl_delay(pace: HostPace, heard: Heard) -> HostPace:
    said_ms = min(heard.crawl_delay_ms, CRAWL_DELAY_S_MAX * 1000)
    if said_ms == pace.crawl_delay_ms and not pace.doubts:
        return pace
    if said_ms >= pace.crawl_delay_ms:
        return pace._replace(crawl_delay_ms=said_ms, doubts=0)
    if not said_ms and heard.outcome not in _READ_ROBOTS:
        return pace
    if pace.doubts + 1 < CRAWL_DELAY_DOUBTS_MAX:
        return pace._replace(doubts=pace.doubts + 1)
    return pace._replace(crawl_delay_ms=said_ms, doubts=0)


class Slots:
    """The slots of one request for leases: each host is read once and, where slots were taken, written once."""

    def __init__(self, connection: sa.Connection, rules: PaceRules, now_ms: int) -> None:
        self._connection, self._rules, self._now_ms = connection, rules, now_ms
        self._paces: dict[str, HostPace] = {}
        self._taken: set[str] = set()

    def take(self, url: str, horizon_ms: int) -> int | None:
        """Take the next slot of a URL's host for a lease, or return None when the host must wait."""
        key = pace_key(url)
        if key not in self._paces:
            self._paces |= _paces_of(self._connection, [key])
        taken = next_slot(self._paces[key], self._rules.least_ms(url), self._now_ms, horizon_ms)
        if taken is None:
            return None
        self._taken.add(key)
        slot_ms, self._paces[key] = taken
        return slot_ms

    def keep(self) -> None:
        """Write down what was taken; in the same transaction as the leases."""
        rows = [{"host": key, **_values_of(self._paces[key])} for key in self._taken]
        put_rows(self._connection, host_paces, rows)
        self._taken.clear()


def leave_alone(
    connection: sa.Connection, hosts: Iterable[str], until_ms: int = HOST_WITHHELD_UNTIL_MS
) -> None:
    """Give out no slot of some hosts (named by `pace_key`) before a time; nodes that hold leases there hear of it."""
    before = _paces_of(connection, set(hosts))
    rows = [
        {"host": key, **_values_of(pace._replace(paused_until_ms=until_ms))} for key, pace in before.items()
    ]
    put_rows(connection, host_paces, rows)


def note_reports(connection: sa.Connection, reports: Sequence[tuple[str, Heard]], now_ms: int) -> None:
    """Keep what answers, in their order, say about the hosts of their URLs, which are canonical."""
    heard = [(pace_key(site_of(url)), each) for url, each in reports]
    before = _paces_of(connection, {key for key, _ in heard})
    after = dict(before)
    for key, each in heard:
        after[key] = after_report(after[key], each, now_ms)
    put_rows(
        connection,
        host_paces,
        [{"host": key, **_values_of(pace)} for key, pace in after.items() if pace != before[key]],
    )


def paused_among(connection: sa.Connection, hosts: Collection[str], now_ms: int) -> dict[str, int]:
    """Return which of these hosts, named by `pace_key`, are paused, and until when."""
    rows = _PAUSED.rows(connection, hosts=list(hosts), now_ms=now_ms)
    return {row.host: row.paused_until_ms for row in rows}


def _paces_of(connection: sa.Connection, keys: Collection[str]) -> dict[str, HostPace]:
    known = {row[0]: HostPace(*row[1:]) for row in _PACES.rows(connection, hosts=list(keys))}
    return {key: known.get(key, _NEW) for key in keys}


def _values_of(pace: HostPace) -> dict[str, int]:
    return pace._asdict()
