"""Fills a house's home with what a network that has worked for weeks would have: nodes, stakes, leases, validators.

Rules: the rows are those that the house itself writes for a registration, a lease and a commitment; nothing of what
is measured is written here. `seasoned` nodes have passed probation and have pay at stake, so that one answer in
twenty-five is audited by lot; new ones have all of their answers audited.

Does not: run the house. Usage: `fill(settings, Case(...))` before `windrow up` opens the home.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from aggregator.assignment.placement import host_place
from aggregator.prefixes import address_prefix
from aggregator.verification.standings.exposure import MEAN_DOCUMENT
from bench.ingest_load import people
from bench.ingest_load.pages import HOSTS, url_of
from storage.state import set_meta
from storage.tables.contributions import frontier, frontier_hosts, leases, nodes
from storage.tables.trust import audit_secrets, document_counts, host_paces, node_stakes
from windrow.home import open_home
from windrow.settings import HouseSettings
from windrow_protocol.audit_draw import commitment_of
from windrow_protocol.signing import public_id
from windrow_protocol.urls import host_key, url_sha256

PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
MEAN_WEI = 10**15
_PENDING_DOCUMENTS, _PASSED = 2_000, 1_000
_LEASE_LIFE_MS = 7_200_000
_ROWS = 5_000


@dataclass(frozen=True)
class Case:
    """One case's documents: `batches` of `batch` documents, dealt out to `nodes` nodes from node `first_node`."""

    first: int
    batches: int
    batch: int
    nodes: int
    first_node: int = 0
    seasoned: bool = True

    @property
    def documents(self) -> int:
        """How many documents the case has."""
        return self.batches * self.batch

    def batch_range(self, number: int) -> range:
        """Return the documents of one batch."""
        return range(self.first + number * self.batch, self.first + (number + 1) * self.batch)

    def node_of(self, batch: int) -> int:
        """Return whose a batch is."""
        return self.first_node + batch % self.nodes


def validators() -> list[str]:
    """Return the house's setting `validators`."""
    keys = (people.validator_key(number) for number in range(people.VALIDATORS))
    return [f"{public_id(key)}@operator{number}" for number, key in enumerate(keys)]


def fill(settings: HouseSettings, cases: list[Case], nodes_total: int) -> None:
    """Write nodes and leases of all cases into a home that no house has open."""
    now_ms = time.time_ns() // 1_000_000
    seasoned = {case.first_node + place for case in cases if case.seasoned for place in range(case.nodes)}
    with open_home(settings) as home, home.house.state.write() as connection:
        _insert(connection, nodes, (_node(number, now_ms) for number in range(nodes_total)))
        _insert(connection, nodes, (_validator(number, now_ms) for number in range(people.VALIDATORS)))
        _insert(connection, audit_secrets, (_secret(number, now_ms) for number in range(people.VALIDATORS)))
        _insert(connection, document_counts, (_count(number, now_ms) for number in sorted(seasoned)))
        _insert(connection, node_stakes, (_stake(number) for number in sorted(seasoned)))
        set_meta(connection, MEAN_DOCUMENT, str(MEAN_WEI))
        _insert(connection, frontier_hosts, ({"host_key": h, "place": host_place(h)} for h in _host_keys()))
        _insert(connection, host_paces, (_pace(number, now_ms) for number in range(HOSTS)))
        for case in cases:
            _insert(connection, frontier, (_page(number, now_ms) for number in _documents(case)))
            _insert(connection, leases, _leases(case, now_ms))


def _insert(connection: sa.Connection, table: sa.Table, rows: Iterator[dict[str, Any]]) -> None:
    several: list[dict[str, Any]] = []
    for row in rows:
        several.append(row)
        if len(several) == _ROWS:
            connection.execute(sa.insert(table), several)
            several = []
    if several:
        connection.execute(sa.insert(table), several)


def _documents(case: Case) -> range:
    return range(case.first, case.first + case.documents)


def _node(number: int, now_ms: int) -> dict[str, Any]:
    return {
        "node_id": public_id(people.node_key(number)),
        "role": "contributor",
        "payout_address": PAYOUT,
        "agent": "bench",
        "region": "",
        "prefix": address_prefix(people.address_of(number)),
        "state": "active",
        "registered_at_ms": now_ms,
        "seen_at_ms": now_ms,
    }


def _validator(number: int, now_ms: int) -> dict[str, Any]:
    row = _node(number, now_ms) | {"role": "validator", "operator": f"operator{number}"}
    return row | {"node_id": public_id(people.validator_key(number)), "prefix": f"10.0.{number}.0/24"}


def _secret(number: int, now_ms: int) -> dict[str, Any]:
    return {
        "epoch_id": 1,
        "validator_id": public_id(people.validator_key(number)),
        "commitment": commitment_of(bytes([number]) * 32),
        "from_seq": 0,
        "committed": "{}",
        "committed_at_ms": now_ms,
        "seen_at_ms": now_ms,
    }


def _count(number: int, now_ms: int) -> dict[str, Any]:
    day = now_ms // 86_400_000
    counted = {"documents": _PASSED * 20, "passed": _PASSED, "day": day, "today": 300, "yesterday": 300}
    return {"node_id": public_id(people.node_key(number)), **counted}


def _stake(number: int) -> dict[str, Any]:
    pending = _PENDING_DOCUMENTS * MEAN_WEI
    return {"node_id": public_id(people.node_key(number)), "pending": pending, "bond": 60 * MEAN_WEI}


def _host_keys() -> list[str]:
    return sorted({host_key(url_of(number)) for number in range(HOSTS)})


def _pace(number: int, now_ms: int) -> dict[str, Any]:
    quiet = {"crawl_delay_ms": 0, "doubts": 0, "failures": 0, "paused_until_ms": 0}
    return {"host": f"host{number}.example", "last_slot_ms": now_ms, **quiet}


def _page(number: int, now_ms: int) -> dict[str, Any]:
    url = url_of(number)
    return {
        "url_id": url_sha256(url),
        "url": url,
        "host_key": host_key(url),
        "render": "http",
        "state": "leased",
        "attempts": 1,
        "added_at_ms": now_ms,
    }


def _leases(case: Case, now_ms: int) -> Iterator[dict[str, Any]]:
    for batch in range(case.batches):
        node_id = public_id(people.node_key(case.node_of(batch)))
        prefix = address_prefix(people.address_of(case.node_of(batch)))
        for number in case.batch_range(batch):
            yield {
                "lease_id": people.lease_id_of(number),
                "url_id": url_sha256(url_of(number)),
                "url": url_of(number),
                "node_id": node_id,
                "prefix": prefix,
                "kind": "work",
                "audit_of": None,
                "state": "leased",
                "render": "http",
                "nonce": "0" * 32,
                "issued_at_ms": now_ms - 60_000,
                "not_before_ms": now_ms - 60_000,
                "expires_at_ms": now_ms + _LEASE_LIFE_MS,
            }
