"""Decides a published audit again, from its records alone.

Rules: the same functions as the house's own (`comparison`, `weighing`) over the texts as published. What a verdict adds
from elsewhere is allowed for and nothing else: a page may be given up as `truth_unavailable` while it still wanted a
truth, and what matched may be called `hard_host`, which follows from other audits of its host.

Does not: read files or follow the log (`epoch_fold`).

Usage: `ok = follows(rules, verdict, decided(rules, verdict, record, truths), is_text=True)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from aggregator.verification.comparing.comparison import Decision, decide, is_nested, similarity
from aggregator.verification.comparing.weighing import among_operators, weigh_refusal
from aggregator.verification.epochs.audit_rows import PublishedVerdict
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, TRUTHS_OF_A_PART_MAX, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Contribution, Report, Submission
from windrow_protocol.trust_rules import PPM, TrustRules

_VERDICTS: Final = {"match": "accepted", "mismatch": "rejected", "no_evidence": "no_evidence"}


def decided(
    rules: TrustRules, verdict: PublishedVerdict, record: Submission, truths: Sequence[Submission]
) -> Decision:
    """Decide a published audit again from its records."""
    texts = [
        (published.operator, truth.text)
        for published, truth in zip(verdict.truths, truths, strict=True)
        if isinstance(truth, Contribution)
    ]
    if isinstance(record, Report):
        return weigh_refusal(record.outcome, record.detail, verdict.refused_too, texts, verdict.operators)
    neighbour = neighbour_text(verdict)
    decision = decide(record.text, [text for _, text in texts], verdict.earlier_text, neighbour)
    return among_operators(rules, decision, [operator for operator, _ in texts], verdict.operators)


def may_rest_on(record: Submission, truths: Sequence[Submission]) -> bool:
    """Say whether a verdict may rest on so many truths: on more than three only where one is a part of the other.

    Of a refusal, one that was refused too may stand beside three texts.
    """
    if isinstance(record, Report):
        return len(truths) <= TRUTHS_PER_AUDIT_MAX + 1
    if len(truths) <= TRUTHS_PER_AUDIT_MAX:
        return True
    first = [each.text for each in truths[:TRUTHS_PER_AUDIT_MAX] if isinstance(each, Contribution)]
    return len(truths) <= TRUTHS_OF_A_PART_MAX and is_nested(record.text, first)


def neighbour_text(verdict: PublishedVerdict) -> str | None:
    """Return the text of the neighbour that a verdict looked at. Raises msgspec.MsgspecError for no such record."""
    if verdict.neighbour is None:
        return None
    return msgspec.json.decode(verdict.neighbour.record, type=Contribution).text


def follows(rules: TrustRules, verdict: PublishedVerdict, decision: Decision, is_text: bool) -> bool:
    """Say whether a published verdict is what was decided."""
    if decision.kind == "need_truth":
        return (verdict.verdict, verdict.reason) == ("no_evidence", "truth_unavailable")
    counts_all = decision.kind == "match" and not rules.on("padding")
    reasons = {decision.reason_code} | ({"hard_host"} if decision.kind == "match" and is_text else set())
    return (
        verdict.verdict == _VERDICTS[decision.kind]
        and verdict.reason in reasons
        and verdict.similarity == round(decision.score, 6)
        and verdict.confirmed_ppm == (PPM if counts_all else round(PPM * decision.confirmed))
    )


def agreements(
    verdict: PublishedVerdict, record: Submission, truths: Sequence[Submission], decision: Decision
) -> list[bool]:
    """Say of each truth whether it shows what the node handed in: the same text, or a refusal too."""
    if isinstance(record, Report):
        return [isinstance(truth, Report) for truth in truths]
    if verdict.earlier_text is None and verdict.neighbour is None and len(decision.scores) == len(truths):
        return [
            score >= MATCH_SIMILARITY_MIN for score in decision.scores
        ]  # nothing but the texts lowered them
    return [_is_alike(record, truth) for truth in truths]


def _is_alike(record: Contribution, truth: Submission) -> bool:
    if isinstance(truth, Report):
        return False
    return similarity(record.text, truth.text).two_sided >= MATCH_SIMILARITY_MIN


def is_intact(record: Contribution) -> bool:
    """Say whether a contribution's text has the digest it names."""
    return hashlib.sha256(record.text.encode()).hexdigest() == record.text_sha256
