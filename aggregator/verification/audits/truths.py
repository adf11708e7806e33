"""The truths of an audit, as far as they are truths at all, and what else a comparison needs to know of a page.

Rules: what stands in place of a page (`block_pages`) is no truth, and neither is a text that the same operator's
validators got from unrelated hosts too: then something stands between them and the web. Texts are read from the log.

Does not: compare with the contribution, or ask anybody for more.

Usage: `truths = [a for a in answers_of(connection, segments, contribution_id) if a.is_truth]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from aggregator.ingest import read_text
from aggregator.verification.comparing.comparison import similarity
from storage.segments import Segments
from storage.tables.contributions import contributions, leases, verdicts
from storage.tables.trust import audits, truth_requests
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.limits import MATCH_SIMILARITY_MIN
from windrow_protocol.messages import Outcome, contribution_id_for
from windrow_protocol.urls import host_key

RECENT_TRUTHS: Final = 40  # of an operator, among which the same text from other hosts is looked for
OTHER_HOSTS_MIN: Final = 2  # with the same text, for it to be nobody's page


@dataclass(frozen=True, slots=True)
class Answer:
    """What one validator answered: its outcome and, where it fetched the page, the text. `is_truth`: it is a page."""

    ordinal: int
    operator: str
    outcome: Outcome | None
    contribution_id: str = ""
    node_id: str = ""
    seq: int = 0
    url: str = ""
    text: str = ""
    text_sha256: str = ""
    is_truth: bool = False


def answers_of(
    connection: sa.Connection, segments: Segments, contribution_id: str, first_ordinal: int = 1
) -> list[Answer]:
    """Return what validators answered about a contribution, in the order in which they were asked.

    A request whose lease ran out has outcome `expired`; one that is still open is not in the list.
    """
    statement = (
        sa.select(truth_requests, leases.c.outcome, contributions)
        .join(leases, leases.c.lease_id == truth_requests.c.lease_id)
        .outerjoin(
            contributions,
            sa.and_(
                contributions.c.audit_of == contribution_id,
                contributions.c.lease_id == truth_requests.c.lease_id,
            ),
        )
        .where(
            truth_requests.c.contribution_id == contribution_id,
            truth_requests.c.ordinal >= first_ordinal,
            truth_requests.c.state.in_(("answered", "failed")),
        )
        .order_by(truth_requests.c.ordinal)
    )
    return [_answer(connection, segments, row._mapping) for row in connection.execute(statement)]


def _answer(connection: sa.Connection, segments: Segments, row: Any) -> Answer:
    ordinal, operator = row[truth_requests.c.ordinal], row[truth_requests.c.operator]
    outcome = Outcome(row[leases.c.outcome])
    if row[contributions.c.seq] is None:
        return Answer(ordinal, operator, outcome)
    text = read_text(connection, segments, row[contributions.c.seq])
    return Answer(
        ordinal,
        operator,
        outcome,
        contribution_id=row[contributions.c.contribution_id],
        node_id=row[contributions.c.node_id],
        seq=row[contributions.c.seq],
        url=row[contributions.c.url],
        text=text,
        text_sha256=row[contributions.c.text_sha256],
        is_truth=not is_block_page(text, row[contributions.c.http_status], row[contributions.c.title]),
    )


def is_everywhere(connection: sa.Connection, segments: Segments, truth: Answer) -> bool:
    """Say whether the operator's validators lately got this text from unrelated hosts too: then it is nobody's page."""
    recent = (
        sa.select(contributions.c.seq, contributions.c.url)
        .join(truth_requests, truth_requests.c.lease_id == contributions.c.lease_id)
        .where(truth_requests.c.operator == truth.operator, contributions.c.kind == "truth")
        .order_by(contributions.c.seq.desc())
        .limit(RECENT_TRUTHS)
    )
    own = host_key(truth.url)
    hosts = {
        host_key(row.url)
        for row in connection.execute(recent)
        if host_key(row.url) != own
        and similarity(truth.text, read_text(connection, segments, row.seq)).two_sided >= MATCH_SIMILARITY_MIN
    }
    return len(hosts) >= OTHER_HOSTS_MIN


def earlier_text(connection: sa.Connection, segments: Segments, lease: Any) -> str | None:
    """Return the newest accepted text of the lease's page from before the lease, or None."""
    seq = earlier_version(connection, lease)
    return None if seq is None else read_text(connection, segments, seq)


def earlier_version(connection: sa.Connection, lease: Any) -> int | None:
    """Return the place of the log where the text of `earlier_text` is, or None."""
    before = sa.select(leases.c.lease_id, leases.c.node_id).where(
        leases.c.url_id == lease.url_id,
        leases.c.kind == "work",
        leases.c.state == "answered",
        leases.c.closed_at_ms < lease.issued_at_ms,
    )
    ids = [contribution_id_for(row.lease_id, row.node_id) for row in connection.execute(before)]
    newest = (
        sa.select(sa.func.max(verdicts.c.seq))
        .join(audits, audits.c.contribution_id == verdicts.c.contribution_id)
        .where(
            verdicts.c.contribution_id.in_(ids),
            verdicts.c.verdict == "accepted",
            audits.c.outcome == Outcome.FETCHED.value,
        )
    )
    return connection.execute(newest).scalar() if ids else None
