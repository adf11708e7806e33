"""Audits: compares a contribution with the truth that validators fetched, and writes its verdict.

Rules: an audit's life is the table `STEPS`. What the verifier could not check is *no evidence*, never a fault of the
node. A page whose text was not accepted goes back to the frontier for somebody else.

Does not: fetch, draw samples (in this version every contribution is audited), or pay.

Usage: `decided = decide_audits(house, segments, batch=50)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from aggregator.assignment.frontier import reopen
from aggregator.ingest import read_text
from aggregator.verification.comparison import Decision, decide
from storage.house import House
from storage.segments import Segments
from storage.tables import audits, contributions, leases, verdicts
from windrow_protocol.limits import TRUTH_ATTEMPTS_MAX, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Verdict

# (state, event) → next state. `leases` moves wanted → leased → ready; this module does the rest.
STEPS: dict[tuple[str, str], str] = {
    ("wanted", "lease"): "leased",
    ("leased", "truth"): "ready",
    ("leased", "failure"): "wanted",
    ("leased", "exhausted"): "ready",
    ("ready", "need_truth"): "wanted",
    ("ready", "verdict"): "decided",
}

_VERDICTS: dict[str, Literal["accepted", "rejected", "no_evidence"]] = {
    "match": "accepted",
    "mismatch": "rejected",
    "no_evidence": "no_evidence",
}


@dataclass(frozen=True)
class _Case:
    audit: Any
    contribution: Any
    decision: Decision
    truth_sha256: list[str]


def decide_audits(house: House, segments: Segments, batch: int = 50) -> int:
    """Decide up to `batch` audits that have what they need and return how many were looked at."""
    with house.state.read() as connection:
        ready = sa.select(audits).where(audits.c.state == "ready").order_by(audits.c.seq).limit(batch)
        cases = [_weigh(connection, segments, audit) for audit in connection.execute(ready)]
    if not cases:
        return 0
    with house.state.write() as connection:
        for case in cases:
            _conclude(house, connection, case)
    return len(cases)


def _weigh(connection: sa.Connection, segments: Segments, audit: Any) -> _Case:
    about = sa.select(contributions).where(contributions.c.contribution_id == audit.contribution_id)
    contribution = connection.execute(about).one()
    truths = list(
        connection.execute(
            sa.select(contributions.c.seq, contributions.c.text_sha256)
            .where(contributions.c.audit_of == audit.contribution_id)
            .order_by(contributions.c.seq)
            .limit(TRUTHS_PER_AUDIT_MAX)
        )
    )
    text = read_text(connection, segments, contribution.seq)
    decision = decide(text, [read_text(connection, segments, truth.seq) for truth in truths])
    if decision.kind == "need_truth" and audit.failures >= TRUTH_ATTEMPTS_MAX:
        decision = Decision("no_evidence", decision.score, "truth_unavailable")
    return _Case(audit, contribution, decision, [truth.text_sha256 for truth in truths])


def _conclude(house: House, connection: sa.Connection, case: _Case) -> None:
    event = "need_truth" if case.decision.kind == "need_truth" else "verdict"
    following = STEPS[(case.audit.state, event)]
    row = audits.c.contribution_id == case.audit.contribution_id
    connection.execute(
        sa.update(audits)
        .where(row)
        .values(state=following, truths_wanted=len(case.truth_sha256) + (event == "need_truth"))
    )
    if event == "need_truth":
        return
    verdict = Verdict(
        contribution_id=case.contribution.contribution_id,
        verdict=_VERDICTS[case.decision.kind],
        reason=case.decision.reason_code,
        similarity=round(case.decision.score, 6),
        truth_sha256=case.truth_sha256,
        decided_at_ms=house.now_ms(),
    )
    _write(house, connection, case, verdict)
    if verdict.verdict != "accepted":
        lease = sa.select(leases.c.url_id).where(leases.c.lease_id == case.contribution.lease_id)
        reopen(connection, connection.execute(lease).scalar_one())


def _write(house: House, connection: sa.Connection, case: _Case, verdict: Verdict) -> None:
    content = msgspec.to_builtins(verdict)
    connection.execute(
        sa.insert(verdicts).values(
            **{**content, "truth_sha256": msgspec.json.encode(verdict.truth_sha256).decode()},
            seq=case.contribution.seq,
            node_id=case.contribution.node_id,
            jws=house.sign("verdict", case.contribution.node_id, content),
        )
    )
