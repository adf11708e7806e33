"""Draws and decisions of the model: which answers are audited, by whom, and what the truths say, in numbers.

Rules: three operators draw independently, each at the share that makes up the node's rate; the last one is the
ring's. It repeats the ring's answers as truth where it drew them itself (`draws`), in the harder setting wherever it
is asked (`rescues`). The tables of `comparison.judge` and `weighing.among_operators` decide, as they do on texts.

Does not: fold outcomes into standings, or pay.

Usage: `drawn, first = draw(leases, rates_ppm, up)`; `examine(rules, case_of(answers, row), look, epoch_id)`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import msgspec
import numpy as np

from aggregator.verification.comparing.comparison import Decision, judge
from aggregator.verification.comparing.weighing import among_operators
from aggregator.verification.standings.hosts import HostEvent
from bench.fraud_model.answers import NOT_ALIKE, Answers
from bench.fraud_model.documents import OPERATORS, Amounts, Floats, Indices, Leases, Mask
from bench.fraud_model.webs import IN_ORDER
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, TRUTH_AGREEMENT_MIN, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.trust_rules import PPM, TrustRules

RING: Final = OPERATORS - 1  # the operator that colludes
_NAMES: Final = ("north", "south", "ring")
Colluding = Literal["no", "draws", "rescues"]


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What one audit found; `host` is what its truths say about the page's host, if they say anything."""

    kind: Literal["match", "mismatch", "no_evidence"]
    truths: int
    confirmed: float
    host: HostEvent | None = None


def rates_of_nodes(
    rules: TrustRules, at_stake: Amounts, documents_per_day: Indices, documents: Indices, escalated: Mask
) -> tuple[Indices, Indices]:
    """Return each node's rate for a mean document, and the same on a hard host: `audit_rate_ppm` on arrays."""
    if not rules.on("audits"):
        return np.zeros_like(documents), np.zeros_like(documents)
    with np.errstate(divide="ignore", over="ignore"):
        little_to_lose = np.where(at_stake > 0, 3 / (0.9 * at_stake), 1.0)
        enough_to_vest = np.where(documents_per_day > 0, 12 / (7 * documents_per_day), 1.0)
    wanted = np.rint(PPM * np.minimum(1.0, np.maximum(little_to_lose, enough_to_vest))).astype(np.int64)
    low, high = rules.audit_rate_min_ppm, max(rules.audit_rate_max_ppm, rules.audit_rate_min_ppm)
    rate = np.clip(wanted, low, high)
    if rules.on("escalation"):
        rate = np.where(escalated, np.maximum(rate, rules.escalated_rate_ppm), rate)
    hard = np.maximum(rate, rules.hard_rate_ppm) if rules.on("hard_hosts") else rate
    young = documents < rules.probation_documents if rules.on("probation") else np.zeros_like(escalated)
    return np.where(young, PPM, np.minimum(PPM, rate)), np.where(young, PPM, np.minimum(PPM, hard))


def rates_of_values(node_rates_ppm: Floats, values: Floats) -> Indices:
    """Return each answer's rate, from its node's rate for a mean document: `audit_rate_ppm` on arrays."""
    return np.minimum(PPM, np.rint(node_rates_ppm * np.maximum(1.0, values))).astype(np.int64)


def draw(leases: Leases, rates_ppm: Indices, up: tuple[int, ...]) -> tuple[Mask, Indices]:
    """Return by which operators each answer is drawn, and who is asked first; who is not `up` draws nothing."""
    share = 1 - (1 - np.minimum(rates_ppm, PPM) / PPM) ** (1 / OPERATORS)
    drawn = leases.draw_coins < share
    drawn[[each for each in range(OPERATORS) if each not in up]] = False
    row, everything = np.arange(len(leases)), rates_ppm >= PPM
    # At a rate of one nobody draws: an operator is chosen by lot, which waits until one is there.
    asked = np.array(up if up else range(OPERATORS))
    lot = asked[(leases.order_coin * len(asked)).astype(np.int64) % len(asked)]
    drawn[:, everything] = False
    drawn[lot, row] |= everything
    return drawn, np.where(drawn[lot, row], lot, drawn.argmax(axis=0)).astype(np.int64)


def first_scores(answers: Answers, first: Indices, colluding: Colluding) -> Floats:
    """Return how alike each answer is to the truth of the operator asked first."""
    truth = answers.leases.truth_extra[first, np.arange(len(first))]
    score: Floats = np.minimum(1 - answers.extra, 1 - np.maximum(truth, answers.missing))
    score[answers.refused] = 0.0
    if colluding != "no":
        score[answers.to_cover & (first == RING)] = 1.0
    score[answers.closed] = 0.0
    return score


class Look(msgspec.Struct, frozen=True, gc=False):
    """Who looks at an answer: the operators asked at once, which of them drew it, and who else could be asked."""

    at_once: tuple[int, ...]
    colluding: Colluding
    drew: frozenset[int]
    up: tuple[int, ...]


@lru_cache(maxsize=4096)
def look_of(
    drew: tuple[bool, ...], first: int, *, doubled: bool, colluding: Colluding, up: tuple[int, ...]
) -> Look:
    """Ask those that drew it, and one more where it is doubled. Where nobody is up, all answer when they are back."""
    there = up or tuple(range(OPERATORS))
    who = [first, *(each for each in range(OPERATORS) if drew[each] and each != first)]
    others = [each % OPERATORS for each in range(first + 1, first + OPERATORS) if each % OPERATORS not in who]
    others = [each for each in others if each in there]
    if doubled and others:
        who.append(others[0])
    drawers = frozenset(each for each in range(OPERATORS) if drew[each])
    return Look(tuple(who[:TRUTHS_PER_AUDIT_MAX]), colluding, drawers, there)


class Case(msgspec.Struct, frozen=True, gc=False):
    """One answer in numbers: see `Answers`; `noise` is of each operator's truth, `lot` falls for who is asked."""

    extra: float
    excess: float
    missing: float
    refused: bool
    to_cover: bool
    lot: float
    noise: tuple[float, ...]


def case_of(answers: Answers, row: int) -> Case:
    """Return one row as a case."""
    leases = answers.leases
    return Case(
        float(answers.extra[row]),
        float(answers.excess[row]),
        float(answers.missing[row]),
        bool(answers.refused[row]),
        bool(answers.to_cover[row]),
        float(leases.order_coin[row]),
        tuple(leases.truth_extra[:, row].tolist()),
    )


def examine(rules: TrustRules, case: Case, look: Look, epoch_id: int) -> Finding:
    """Fetch truths until the protocol's tables decide; what stays open after three is no evidence."""
    truths: list[_Truth] = []
    pairs: list[_Pair] = []
    while (turn := len(truths)) < TRUTHS_PER_AUDIT_MAX:
        operator = look.at_once[turn] if turn < len(look.at_once) else _next_operator(case, truths, look)
        truth = _truth(case, operator, turn, look)
        pairs += [_Pair(each, truth, _alike(each, truth)) for each in truths]
        truths.append(truth)
        if len(truths) < len(look.at_once):
            continue
        decision = _decide(rules, truths, pairs)
        if decision.kind != "need_truth":
            confirmed = 1.0 if any(truth.lies for truth in truths) else 1 - case.excess
            return Finding(decision.kind, len(truths), confirmed, _host_event(truths, pairs, epoch_id))
    return Finding("no_evidence", len(truths), 0.0, _host_event(truths, pairs, epoch_id))


class _Truth(msgspec.Struct, frozen=True, gc=False):
    """One truth, and how like it the answer is."""

    operator: int
    score: float
    noise: float
    lies: bool


class _Pair(msgspec.Struct, frozen=True, gc=False):
    a: _Truth
    b: _Truth
    alike: float


def _truth(case: Case, operator: int, turn: int, look: Look) -> _Truth:
    lies = case.to_cover and operator == RING and look.colluding != "no"
    lies = lies and (look.colluding == "rescues" or RING in look.drew)
    noise = case.noise[(look.at_once[0] + turn) % OPERATORS]
    extra, missing = (NOT_ALIKE, NOT_ALIKE) if case.refused else (case.extra, case.missing)
    score = 1.0 if lies else min(1 - extra, 1 - max(noise, missing))
    return _Truth(operator, score, noise, lies)


def _next_operator(case: Case, truths: list[_Truth], look: Look) -> int:
    """Choose who is asked next: whoever did not speak where two differ or one spoke, else anybody, by lot."""
    spoken = {truth.operator for truth in truths}
    tie = len({truth.score >= MATCH_SIMILARITY_MIN for truth in truths}) > 1
    fit = [each for each in look.up if each not in spoken or (len(spoken) > 1 and not tie)] or look.up
    lot = case.lot * 97 * (1 + len(truths)) % 1
    return fit[int(lot * len(fit))]


def _decide(rules: TrustRules, truths: list[_Truth], pairs: list[_Pair]) -> Decision:
    scores = tuple([truth.score for truth in truths])
    agreement = min([pair.alike for pair in pairs], default=1.0)
    kind, reason = judge(scores, agreement)
    decision = Decision(kind, max(scores), reason, scores=scores)
    return among_operators(rules, decision, [_NAMES[truth.operator] for truth in truths], OPERATORS)


def _alike(a: _Truth, b: _Truth) -> float:
    """Return how alike two truths are; a lie is as like another truth as what it lies for."""
    if a.lies or b.lies:
        return b.score if a.lies else a.score
    return 1 - max(a.noise, b.noise)


def kept_out(refused: bool, epoch_id: int) -> Finding:
    """Return what an audit finds of a page that lets no validator in: that who was refused there says so."""
    if refused:
        return Finding("match", OPERATORS, 1.0)
    return Finding("no_evidence", OPERATORS, 0.0, HostEvent("unavailable", epoch_id))


def _host_event(truths: list[_Truth], pairs: list[_Pair], epoch_id: int) -> HostEvent | None:
    if len(truths) < 2:
        return None
    apart = [(pair.a.operator, pair.b.operator) for pair in pairs if pair.alike < TRUTH_AGREEMENT_MIN]
    if not apart:
        excess = IN_ORDER * sum([truth.noise for truth in truths]) / len(truths)
        return HostEvent("agree", epoch_id, excess=excess)
    named = sorted({truth.operator for truth in truths})
    suspects = tuple([_NAMES[each] for each in named if all(each in pair for pair in apart)])
    return HostEvent("disagree", epoch_id, suspects=suspects)
