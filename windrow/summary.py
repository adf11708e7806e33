"""Counts what a house has done, from its tables alone: the figures of `windrow demo --json` and of the status page.

Rules: every figure is counted at the time of asking; nothing is remembered beside the logs.

Does not: format, or change anything. Usage: `figures = summarise(connection)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.judgement import CURSOR as JUDGED
from aggregator.verification.audits import without_browser
from aggregator.verification.drawing.audit_steps import UNDECIDED
from rewards.ledger import balances, cumulative
from rewards.ledger_checks import verify_ledger
from storage.state import get_cursor
from storage.tables.contributions import (
    consents,
    contributions,
    duplicates,
    frontier,
    leases,
    nodes,
    submissions,
    verdicts,
)
from storage.tables.trust import audits, egress_challenges
from storage.told import is_told
from windrow_protocol.messages import Outcome

_NAMED = ("robots_denied", "optout_denied", "unsafe_address")


def summarise(connection: sa.Connection) -> dict[str, Any]:
    """Return pages, contributions, duplicates, donations, nodes, egress challenges and what is still under way."""
    return {
        "pages": _pages(connection),
        "contributions": _contributions(connection),
        "dedup": _by(connection, duplicates.c.kind, ("exact", "near", "unique", "hard")),
        "personal": _personal(connection),
        "nodes": _nodes(connection),
        "egress": _by(connection, egress_challenges.c.seen, ("here", "other_family", "elsewhere")),
        "under_way": under_way(connection),
        "log_seq": connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar() or 0,
    }


def public_figures(connection: sa.Connection) -> dict[str, Any]:
    """Return what everybody may see: verdicts, and what follows from them, only of audit epochs that are closed.

    Whoever saw the number of rejections rise would know that a fake was caught, while it can still stop.
    """
    told = is_told(verdicts.c.epoch_id)
    judged = sa.select(verdicts.c.verdict, sa.func.count()).where(told).group_by(verdicts.c.verdict)
    novel = (
        sa.select(duplicates.c.kind, sa.func.count())
        .join(verdicts, verdicts.c.contribution_id == duplicates.c.contribution_id)
        .where(told)
        .group_by(duplicates.c.kind)
    )
    named = ("accepted", "unaudited", "rejected", "no_evidence")
    received = _count(connection, contributions.c.kind == "work", table=contributions)
    return {
        "pages": _pages(connection),
        "contributions": {"received": received, **_tallied(connection, judged, named)},
        "dedup": _tallied(connection, novel, ("exact", "near", "unique")),
        "personal": _personal(connection),
        "log_seq": connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar() or 0,
    }


def _tallied(connection: sa.Connection, grouped: sa.Select[Any], names: tuple[str, ...]) -> dict[str, int]:
    counts = {str(name): int(number) for name, number in connection.execute(grouped)}
    return {name: counts.get(name, 0) for name in names}


def _count(connection: sa.Connection, *where: sa.ColumnElement[bool], table: sa.FromClause) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar() or 0


def _by(connection: sa.Connection, column: sa.Column[str], names: tuple[str, ...]) -> dict[str, int]:
    rows = connection.execute(sa.select(column, sa.func.count()).group_by(column))
    counts = {name: number for name, number in rows}  # noqa: C416 (rows are no pairs for dict())
    return {name: counts.get(name, 0) for name in names}


def _pages(connection: sa.Connection) -> dict[str, int]:
    """Count contributors' leases by outcome; `fetched` and `rendered` are disjoint, and all add up to `leased`."""
    work = leases.c.kind == "work"
    fetched = leases.c.outcome == Outcome.FETCHED.value
    counts = {
        "leased": _count(connection, work, table=leases),
        "fetched": _count(connection, work, fetched, leases.c.render == "http", table=leases),
        "rendered": _count(connection, work, fetched, leases.c.render == "browser", table=leases),
    }
    for name in _NAMED:
        counts[name] = _count(connection, work, leases.c.outcome == name, table=leases)
    others = leases.c.outcome.not_in([Outcome.FETCHED.value, *_NAMED])
    counts["other"] = _count(connection, work, others, table=leases)
    return counts


def _contributions(connection: sa.Connection) -> dict[str, int]:
    """Count texts by what became of them: the accepted include the unaudited, the rejected the replaced."""
    work = contributions.c.kind == "work"
    received = _count(connection, work, table=contributions)
    judged = contributions.join(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
    grouped = sa.select(verdicts.c.verdict, sa.func.count()).select_from(judged).where(work)
    counts = {name: number for name, number in connection.execute(grouped.group_by(verdicts.c.verdict))}  # noqa: C416
    return {
        "received": received,
        "accepted": counts.get("accepted", 0) + counts.get("unaudited", 0),
        "unaudited": counts.get("unaudited", 0),
        "rejected": counts.get("rejected", 0),
        "replaced": _count(connection, verdicts.c.reason == "replaces", table=verdicts),
        "no_evidence": counts.get("no_evidence", 0),
    }


def _personal(connection: sa.Connection) -> dict[str, int]:
    accepted = _count(connection, table=consents)
    return {"received": accepted, "accepted": accepted}


def _nodes(connection: sa.Connection) -> list[dict[str, Any]]:
    tallies: dict[str, dict[str, int]] = {}
    work = contributions.join(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
    grouped = (
        sa.select(verdicts.c.node_id, verdicts.c.verdict, sa.func.count())
        .select_from(work)
        .where(contributions.c.kind == "work")
        .group_by(verdicts.c.node_id, verdicts.c.verdict)
    )
    for node_id, verdict, number in connection.execute(grouped):
        tallies.setdefault(node_id, {})[verdict] = number
    rows = connection.execute(sa.select(nodes).order_by(nodes.c.registered_at_ms))
    return [
        {
            "node_id": row.node_id,
            "role": row.role,
            "payout_address": row.payout_address,
            "accepted": tallies.get(row.node_id, {}).get("accepted", 0),
            "unaudited": tallies.get(row.node_id, {}).get("unaudited", 0),
            "rejected": tallies.get(row.node_id, {}).get("rejected", 0),
            "no_evidence": tallies.get(row.node_id, {}).get("no_evidence", 0),
        }
        for row in rows
    ]


def ledger_totals(connection: sa.Connection) -> dict[str, Any]:
    """Return what was posted (claimed included), is pending and lies as bonds, in wei, and whether all checks hold."""
    folded = balances(connection)
    pending, bond = (
        sum(amount for account, amount in folded.items() if account.startswith(kind))
        for kind in ("pending:", "bond:")
    )
    return {
        "posted_wei": str(sum(cumulative(folded).values())),
        "pending_wei": str(pending),
        "bond_wei": str(bond),
        "balanced": not verify_ledger(connection),
    }


def under_way(connection: sa.Connection) -> dict[str, int]:
    """Count what is not finished: URLs to lease, leases out, audits undecided, contributions not judged yet."""
    to_judge = sa.and_(contributions.c.kind == "work", contributions.c.seq > get_cursor(connection, JUDGED))
    return {
        "frontier_open": _count(connection, frontier.c.state == "open", table=frontier),
        "leases_out": _count(connection, leases.c.state == "leased", table=leases),
        "audits_open": _count(connection, audits.c.state.in_(UNDECIDED), table=audits),
        "audits_for_browsers": without_browser.browserless(connection).waiting,
        "to_judge": _count(connection, to_judge, table=contributions),
    }
