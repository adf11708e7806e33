"""Standings as rows: what is folded of each node, host, domain and of the whole web, in the caller's transaction.

Rules: JSON of the pure values, beside the few columns that others ask for (`frozen`, `suspended`, `hard`).

Does not: fold (`standing`, `hosts`).

Usage: `standing = standing_of(connection, node_id)`, then `keep_standing(connection, node_id, standing, now_ms)`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.verification.standings.hosts import HostEvent, HostStanding, observe_host
from aggregator.verification.standings.standing import Standing, honest_rate_ppm, in_doubt
from storage.prepared import Prepared
from storage.tables.contributions import nodes
from storage.tables.trust import domain_standings, host_standings, region_rates, standings
from windrow_protocol.domains import registrable_domain
from windrow_protocol.trust_rules import TrustRules

WHOLE_WEB: Final = "*"  # the host key under which the mean excess of all truths over each other is kept
_HARD: Final = Prepared(
    sa.select(host_standings.c.host_key, host_standings.c.standing).where(
        host_standings.c.hard, host_standings.c.host_key.in_(sa.bindparam("of_hosts", expanding=True))
    )
)
_ANY_CLOSED: Final = Prepared(sa.select(sa.exists().where(domain_standings.c.closed)))
_CLOSED: Final = Prepared(
    sa.select(domain_standings.c.domain).where(
        domain_standings.c.closed, domain_standings.c.domain.in_(sa.bindparam("of_domains", expanding=True))
    )
)


def standing_of(connection: sa.Connection, node_id: str) -> Standing:
    """Return a node's standing as folded so far."""
    text = sa.select(standings.c.standing).where(standings.c.node_id == node_id)
    found = connection.execute(text).scalar()
    return msgspec.json.decode(found, type=Standing) if found else Standing()


def keep_standing(connection: sa.Connection, node_id: str, standing: Standing, now_ms: int) -> None:
    """Write a node's standing."""
    values = {
        "standing": msgspec.json.encode(standing).decode(),
        "frozen": standing.frozen,
        "suspended": standing.suspended,
        "updated_at_ms": now_ms,
    }
    _upsert(connection, standings, standings.c.node_id, node_id, values)


def host_standing_of(connection: sa.Connection, host_key: str) -> HostStanding:
    """Return a host's standing as folded so far."""
    text = sa.select(host_standings.c.standing).where(host_standings.c.host_key == host_key)
    found = connection.execute(text).scalar()
    return msgspec.json.decode(found, type=HostStanding) if found else HostStanding()


def keep_host_standing(connection: sa.Connection, host_key: str, host: HostStanding, now_ms: int) -> None:
    """Write a host's standing."""
    values = {
        "standing": msgspec.json.encode(host).decode(),
        "hard": host.hard,
        "updated_at_ms": now_ms,
    }
    _upsert(connection, host_standings, host_standings.c.host_key, host_key, values)


def is_hard(connection: sa.Connection, host_key: str) -> bool:
    """Say whether a host is hard to check, so that its pages earn the fee alone."""
    return host_key in doubtful_hosts(connection, [host_key])[0]


def doubtful_hosts(connection: sa.Connection, host_keys: Collection[str]) -> tuple[set[str], set[str]]:
    """Return which of these hosts are hard to check, and which others are disputed by readers alone.

    Hard ones are so by themselves, or because nobody ever read one of a closed domain.
    """
    found = {
        row.host_key: msgspec.json.decode(row.standing, type=HostStanding)
        for row in _HARD.rows(connection, of_hosts=list(host_keys))
    }
    disputed = {key for key, host in found.items() if host.by_readers}
    hard = found.keys() - disputed
    hard |= _closed_hosts(connection, [key for key in host_keys if key not in hard])
    return hard, disputed - hard


def _closed_hosts(connection: sa.Connection, host_keys: Collection[str]) -> set[str]:
    if not _ANY_CLOSED.value(connection):  # of nearly every house
        return set()
    domain_of = {key: registrable_domain(key) for key in host_keys}
    closed = {row.domain for row in _CLOSED.rows(connection, of_domains=list(set(domain_of.values())))}
    doubtful = (key for key, domain in domain_of.items() if domain in closed)
    return {key for key in doubtful if not host_standing_of(connection, key).read}


def fold_domain(connection: sa.Connection, domain: str, event: HostEvent, now_ms: int) -> None:
    """Fold what an audit says of its host into its registrable domain; one that is hard is called closed."""
    text = sa.select(domain_standings.c.standing).where(domain_standings.c.domain == domain)
    found = connection.execute(text).scalar()
    standing, _ = observe_host(
        msgspec.json.decode(found, type=HostStanding) if found else HostStanding(), event
    )
    values = {
        "standing": msgspec.json.encode(standing).decode(),
        "closed": standing.hard,
        "updated_at_ms": now_ms,
    }
    _upsert(connection, domain_standings, domain_standings.c.domain, domain, values)


def honest_ppm_in(connection: sa.Connection, rules: TrustRules, region: str) -> int:
    """Return e0 of a region: what share of mismatches its honest nodes may have."""
    row = connection.execute(sa.select(region_rates).where(region_rates.c.region == region)).one_or_none()
    return honest_rate_ppm(rules, row.mismatches, row.audits) if row else rules.honest_mismatch_min_ppm


def nodes_in_doubt(connection: sa.Connection, rules: TrustRules) -> frozenset[str]:
    """Return the nodes whose documents are kept out of exports for now."""
    rows = connection.execute(
        sa.select(standings.c.node_id, standings.c.standing, nodes.c.region).join(
            nodes, nodes.c.node_id == standings.c.node_id
        )
    ).all()
    honest = {region: honest_ppm_in(connection, rules, region) for region in {row.region for row in rows}}
    return frozenset(
        row.node_id
        for row in rows
        if in_doubt(msgspec.json.decode(row.standing, type=Standing), honest[row.region])
    )


def count_in_region(connection: sa.Connection, region: str, *, audits: int = 0, mismatches: int = 0) -> None:
    """Add to a region's audits and to its mismatches that count; either may be negative."""
    changed = (
        sa.update(region_rates)
        .where(region_rates.c.region == region)
        .values(audits=region_rates.c.audits + audits, mismatches=region_rates.c.mismatches + mismatches)
    )
    if not connection.execute(changed).rowcount:
        connection.execute(
            sa.insert(region_rates).values(region=region, audits=audits, mismatches=mismatches)
        )


def _upsert(
    connection: sa.Connection, table: sa.Table, key: sa.Column[Any], name: str, values: dict[str, Any]
) -> None:
    if not connection.execute(sa.update(table).where(key == name).values(**values)).rowcount:
        connection.execute(sa.insert(table).values({key.name: name, **values}))
