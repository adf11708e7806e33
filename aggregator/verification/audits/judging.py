"""Audits: compares what a node handed in with the truths that validators fetched, and writes the verdict.

Rules: a contribution is decided by `comparison` and `weighing` over the truths that are pages at all, a refusal by
`weigh_refusal`. What the verifier could not check is *no evidence*, never a fault of the node: validators that fail are
replaced by others, and after `TRUTH_ATTEMPTS_MAX` failures of as many operators it is `truth_unavailable`: one that
fails again and again ends nothing while others have not spoken. What waits for a browser that no validator has ends so
too. Where three truths make a mismatch of a text that is a part of one, or has one as a part, the same operators are
asked again, up to `TRUTHS_OF_A_PART_MAX`: perhaps the page shows a part to some. For a node that is not in good
standing nobody is. Where a mismatch is certain, the truth that agrees best with the others takes the contribution's
place (`replaces`); every other page of which no text was kept goes back to the frontier for somebody else.

Does not: draw (`settling`), fetch, or say what a mismatch costs (`consequences`).

Usage: `decided = decide_audits(house, segments, batch=50)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aggregator.assignment.frontier import reopen
from aggregator.ingest import read_text
from aggregator.verification.audits.neighbours import neighbour_of
from aggregator.verification.audits.truth_requests import Voice, ask, no_truth, operators, was_given_up
from aggregator.verification.audits.truths import Answer, answers_of, earlier_version, is_everywhere
from aggregator.verification.audits.turned_pages import KIND as TURNED
from aggregator.verification.audits.verdict_log import Ruling, Subject, note_rested_upon, write_verdict
from aggregator.verification.comparing.comparison import Decision, decide, is_nested, similarity
from aggregator.verification.comparing.weighing import REFUSALS, Weighed, among_operators, weigh_refusal
from aggregator.verification.drawing.audit_epochs import verdict_epoch
from aggregator.verification.drawing.audit_steps import advance
from aggregator.verification.standings.standing import in_good_standing
from aggregator.verification.standings.standing_rows import is_hard, standing_of
from storage.house import House
from storage.segments import Segments
from storage.tables.contributions import leases
from storage.tables.trust import audits
from windrow_protocol.limits import (
    AS_SERVED_SIMILARITY,
    MATCH_SIMILARITY_MIN,
    TRUTH_ATTEMPTS_MAX,
    TRUTH_ATTEMPTS_WHERE_FEW_FAIL_MAX,
    TRUTHS_OF_A_PART_MAX,
    TRUTHS_PER_AUDIT_MAX,
)
from windrow_protocol.messages import Outcome
from windrow_protocol.trust_rules import PPM
from windrow_protocol.urls import host_key

_VERDICTS: Final[dict[str, Literal["accepted", "rejected", "no_evidence"]]] = {
    "match": "accepted",
    "mismatch": "rejected",
    "no_evidence": "no_evidence",
}


@dataclass(frozen=True, slots=True)
class _Case:
    """An audit with its lease, what was found, the truths that count, and answers that turned out to be no truth.

    `weighed` is what else the decision rests on, kept so that it can be published with the truths; `is_nested`: three
    truths make a mismatch of a text that is a part of one of them, or has one as a part.
    """

    audit: Any
    lease: Any
    decision: Decision
    truths: tuple[Answer, ...]
    no_truths: tuple[int, ...]
    weighed: Weighed
    is_nested: bool = False


def decide_audits(house: House, segments: Segments, batch: int = 50) -> int:
    """Decide up to `batch` audits that have what they need and return how many were looked at."""
    with house.state.read() as connection:
        ready = sa.select(audits).where(audits.c.state == "ready").order_by(audits.c.seq).limit(batch)
        cases = [_weigh(house, connection, segments, audit) for audit in connection.execute(ready)]
    if not cases:
        return 0
    with house.state.write() as connection:
        for case in cases:
            _conclude(house, connection, case)
    return len(cases)


def _weigh(house: House, connection: sa.Connection, segments: Segments, audit: Any) -> _Case:
    lease = connection.execute(sa.select(leases).where(leases.c.lease_id == audit.lease_id)).one()
    answers = answers_of(connection, segments, audit.contribution_id)
    network = len(operators(connection))
    if audit.outcome == Outcome.FETCHED:
        case = _weigh_text(house, connection, segments, audit, lease, answers, network)
    else:
        case = _weigh_refused(audit, lease, answers, network)
    if case.decision.kind == "need_truth":
        if _is_over(connection, audit, answers, case, network):
            unavailable = replace(case.decision, kind="no_evidence", reason_code="truth_unavailable")
            return replace(case, decision=unavailable)
    elif _may_be_shown_a_part(house, connection, case) and not _is_over(
        connection, audit, answers, case, network
    ):
        return replace(case, decision=replace(case.decision, kind="need_truth", reason_code=""))
    return case


def _may_be_shown_a_part(house: House, connection: sa.Connection, case: _Case) -> bool:
    """Say whether a mismatch of a part may be the page's doing, and is worth a look more.

    It is for nodes in good standing: further looks at all that newcomers and cheats hand in would be dear.
    """
    if not case.is_nested or case.decision.kind != "mismatch" or len(case.truths) >= TRUTHS_OF_A_PART_MAX:
        return False
    return in_good_standing(house.rules, standing_of(connection, case.audit.node_id))


def _is_over(
    connection: sa.Connection, audit: Any, answers: Sequence[Answer], case: _Case, network: int
) -> bool:
    failed = [answer.operator for answer in answers if answer not in case.truths]
    return _is_given_up(failed, network) or was_given_up(connection, audit.contribution_id)


def _is_given_up(failed: Sequence[str], network: int) -> bool:
    """Say whether enough was tried, from the operators of the failures: no single one of several can end an audit."""
    heard = len(set(failed)) >= min(network, TRUTH_ATTEMPTS_MAX)
    return len(failed) >= (TRUTH_ATTEMPTS_MAX if heard else TRUTH_ATTEMPTS_WHERE_FEW_FAIL_MAX)


def _weigh_text(
    house: House,
    connection: sa.Connection,
    segments: Segments,
    audit: Any,
    lease: Any,
    answers: Sequence[Answer],
    network: int,
) -> _Case:
    text = read_text(connection, segments, audit.seq)
    has_news = house.rules.on("news") and lease.kind != TURNED  # of which all is news
    earlier_seq = earlier_version(connection, lease) if has_news else None
    earlier = None if earlier_seq is None else read_text(connection, segments, earlier_seq)
    found = _truths(answers)
    truths = found[:TRUTHS_PER_AUDIT_MAX]
    decision = _decide(house, text, truths, (earlier, None), network)
    neighbour_seq = None
    if _may_be_another(decision) and house.rules.on("neighbours") and lease.kind != TURNED:
        neighbour_seq = neighbour_of(connection, segments, lease, audit.seq, text, truths[0].text)
    neighbour = None if neighbour_seq is None else read_text(connection, segments, neighbour_seq)
    if neighbour is not None:
        decision = _decide(house, text, truths, (earlier, neighbour), network)
    if decision.kind == "mismatch":
        own = tuple(truth for truth in truths if not is_everywhere(connection, segments, truth))
        if own != truths:
            truths, decision = own, _decide(house, text, own, (earlier, neighbour), network)
    part = decision.reason_code == "differs_from_truth" and is_nested(text, [each.text for each in truths])
    if part and len(found) > TRUTHS_PER_AUDIT_MAX:
        more = found[TRUTHS_PER_AUDIT_MAX:TRUTHS_OF_A_PART_MAX]
        truths = (*truths, *(each for each in more if not is_everywhere(connection, segments, each)))
        decision = _decide(house, text, truths, (earlier, neighbour), network)
    weighed = Weighed(operators=network, earlier_seq=earlier_seq, neighbour_seq=neighbour_seq)
    return _Case(audit, lease, decision, truths, _no_truths(answers, truths), weighed, part)


def _may_be_another(decision: Decision) -> bool:
    """Say whether a text was taken, or nearly, that is not as like a truth as what was served."""
    return MATCH_SIMILARITY_MIN <= decision.score < AS_SERVED_SIMILARITY


def _decide(
    house: House,
    text: str,
    truths: Sequence[Answer],
    known: tuple[str | None, str | None],
    network: int,
) -> Decision:
    """Decide over truths; `known` are an earlier text of the page and a neighbour's, where there are any."""
    decision = decide(text, [truth.text for truth in truths], *known)
    return among_operators(house.rules, decision, [truth.operator for truth in truths], network)


def _weigh_refused(audit: Any, lease: Any, answers: Sequence[Answer], network: int) -> _Case:
    truths = _truths(answers)[:TRUTHS_PER_AUDIT_MAX]
    no_truths = _no_truths(answers, truths)
    refused_too = bool(no_truths) or any(answer.outcome in REFUSALS for answer in answers)
    texts = [(truth.operator, truth.text) for truth in truths]
    decision = weigh_refusal(Outcome(audit.outcome), lease.detail, refused_too, texts, network)
    weighed = Weighed(operators=network, refused_too=refused_too)
    return _Case(audit, lease, decision, truths, no_truths, weighed)


def _truths(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    return tuple(answer for answer in answers if answer.is_truth)


def _no_truths(answers: Sequence[Answer], truths: Sequence[Answer]) -> tuple[int, ...]:
    """Return which answers with a text cannot serve as truth."""
    return tuple(each.ordinal for each in answers if each.outcome is Outcome.FETCHED and each not in truths)


def _conclude(house: House, connection: sa.Connection, case: _Case) -> None:
    audit, decision = case.audit, case.decision
    no_truth(connection, audit.contribution_id, case.no_truths)
    if decision.kind == "need_truth":
        advance(connection, audit.contribution_id, "ready", "need_truth")
        ask(house, connection, audit.contribution_id, voice=_who_is_next(case))
        return
    advance(connection, audit.contribution_id, "ready", "verdict")
    excess = decision.truth_excess
    connection.execute(
        sa.update(audits)
        .where(audits.c.contribution_id == audit.contribution_id)
        .values(
            truth_excess_ppm=None if excess is None else round(PPM * excess),
            weighed=msgspec.json.encode(case.weighed).decode(),
        )
    )
    note_rested_upon(connection, audit.contribution_id, case.weighed)
    truths = _best_first(case.truths)
    ruling = _ruling(house, connection, case, truths)
    epoch_id = verdict_epoch(connection, audit.epoch_id)
    subject = Subject(audit.contribution_id, audit.node_id, audit.seq)
    write_verdict(house, connection, subject, ruling, epoch_id)
    if case.lease.kind == TURNED:  # nobody waits for this page: it is in the lake already
        return
    is_text = audit.outcome == Outcome.FETCHED
    if ruling.verdict == "rejected" and is_text and house.rules.on("replacement"):
        _put_in_place(house, connection, truths, epoch_id)
    elif ruling.verdict != "accepted":
        reopen(connection, case.lease.url_id)


def _who_is_next(case: _Case) -> Voice:
    if case.is_nested:
        return "again"
    tied = case.decision.score >= MATCH_SIMILARITY_MIN  # one truth says so, and another does not
    return "fresh" if tied else "next"


def _ruling(house: House, connection: sa.Connection, case: _Case, truths: Sequence[Answer]) -> Ruling:
    decision, verdict = case.decision, _VERDICTS[case.decision.kind]
    reason = decision.reason_code
    if verdict == "accepted" and case.audit.outcome == Outcome.FETCHED:
        hard = house.rules.on("hard_hosts") and is_hard(connection, host_key(case.lease.url))
        reason = "hard_host" if hard else reason
    counts_all = verdict == "accepted" and not house.rules.on("padding")
    return Ruling(
        verdict,
        reason,
        decision.score,
        PPM if counts_all else round(PPM * decision.confirmed),
        tuple(truth.text_sha256 for truth in truths),
    )


def _best_first(truths: Sequence[Answer]) -> list[Answer]:
    """Put the truth first that is most like the others; the rest keeps its order."""

    def likeness(truth: Answer) -> float:
        return sum(similarity(truth.text, other.text).two_sided for other in truths)

    best = max(truths, key=lambda truth: (likeness(truth), -truth.ordinal), default=None)
    return sorted(truths, key=lambda truth: truth is not best)


def _put_in_place(house: House, connection: sa.Connection, truths: Sequence[Answer], epoch_id: int) -> None:
    """Say of the best truth that it takes the contribution's place, so that its text is judged instead."""
    best = truths[0]
    digests = tuple(truth.text_sha256 for truth in truths)
    subject = Subject(best.contribution_id, best.node_id, best.seq)
    write_verdict(house, connection, subject, Ruling("accepted", "replaces", 1.0, PPM, digests), epoch_id)
