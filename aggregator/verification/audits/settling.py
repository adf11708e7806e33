"""Settles draws: what no validator drew is told so, and for what one drew a truth is wanted.

Rules: an entry is settled when no draw of it is waited for any more (`draws.drawn_upto`). Each operator that drew it is
asked for a truth of its own, up to three; where one drew it double, another operator is asked too. What nobody drew
gets the verdict `unaudited`, which is neither pass nor fail; a refusal that nobody drew gets no verdict at all. Where
audits are switched off nothing is waited for.

Does not: draw, or decide what was drawn (`audits`).

Usage: `settled = settle_draws(house, batch=200)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from aggregator.verification.audits.truth_requests import ask, ask_another, operator_of
from aggregator.verification.audits.verdict_log import Ruling, Subject, write_verdicts
from aggregator.verification.drawing.audit_epochs import verdict_epoch
from aggregator.verification.drawing.audit_steps import advance_all
from aggregator.verification.drawing.draws import drawn_upto
from aggregator.verification.standings.standing_rows import doubtful_hosts
from storage.house import House
from storage.tables.contributions import leases, nodes
from storage.tables.trust import audits, draws
from windrow_protocol.limits import TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Outcome
from windrow_protocol.urls import host_key


def settle_draws(house: House, batch: int = 200) -> int:
    """Settle up to `batch` entries whose draws are known and return how many there were."""
    with house.state.read() as connection:
        entries = _settleable(house, connection, batch)
        drawn = _draws_of(connection, [entry.lease_id for entry in entries])
    if not entries:
        return 0
    with house.state.write() as connection:
        undrawn = [entry for entry in entries if entry.lease_id not in drawn]
        advance_all(connection, [entry.contribution_id for entry in undrawn], "drawing", "not_drawn")
        _leave_unaudited(house, connection, [entry for entry in undrawn if entry.outcome == Outcome.FETCHED])
        for entry in entries:
            if entry.lease_id in drawn:
                _want_truths(house, connection, entry, drawn[entry.lease_id])
    return len(entries)


def _settleable(house: House, connection: sa.Connection, batch: int) -> list[Any]:
    waiting = sa.select(audits.c.epoch_id).where(audits.c.state == "drawing").distinct()
    now = house.now_ms()
    known = [
        sa.and_(
            audits.c.epoch_id == epoch_id, audits.c.seq <= drawn_upto(connection, house.rules, epoch_id, now)
        )
        for epoch_id in connection.execute(waiting).scalars()
    ]
    statement = (
        sa.select(audits, leases.c.url)
        .join(leases, leases.c.lease_id == audits.c.lease_id)
        .where(audits.c.state == "drawing", sa.or_(audits.c.rate_ppm == 0, *known))
        .order_by(audits.c.seq)
        .limit(batch)
    )
    return list(connection.execute(statement))


def _draws_of(connection: sa.Connection, lease_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Return who drew each lease, with their operator and whether they drew it double, in a fixed order."""
    statement = (
        sa.select(draws.c.lease_id, draws.c.doubled, nodes.c.node_id, nodes.c.operator)
        .join(nodes, nodes.c.node_id == draws.c.validator_id)
        .where(draws.c.lease_id.in_(lease_ids))
        .order_by(draws.c.drawn_at_ms, draws.c.validator_id)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.lease_id, []).append(row)
    return found


def _want_truths(house: House, connection: sa.Connection, entry: Any, drawn: Sequence[Any]) -> None:
    advance_all(connection, [entry.contribution_id], "drawing", "drawn")
    for operator in list(dict.fromkeys(operator_of(row) for row in drawn))[:TRUTHS_PER_AUDIT_MAX]:
        ask(house, connection, entry.contribution_id, operator)
    if any(row.doubled for row in drawn):
        ask_another(house, connection, entry.contribution_id)


def _leave_unaudited(house: House, connection: sa.Connection, entries: Sequence[Any]) -> None:
    hosts = {entry.lease_id: host_key(entry.url) for entry in entries}
    doubtful: set[str] = set()
    if house.rules.on("hard_hosts"):  # of a disputed one only what was looked at is paid by the byte
        doubtful = doubtful.union(*doubtful_hosts(connection, set(hosts.values())))
    epochs = {each: verdict_epoch(connection, each) for each in {entry.epoch_id for entry in entries}}
    write_verdicts(
        house,
        connection,
        [
            (
                Subject(entry.contribution_id, entry.node_id, entry.seq),
                Ruling("unaudited", "hard_host" if hosts[entry.lease_id] in doubtful else "not_drawn"),
                epochs[entry.epoch_id],
            )
            for entry in entries
        ],
    )
