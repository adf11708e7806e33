"""A node's standing: what its audits so far mean for its next ones, as a pure fold of audit outcomes.

    outcome            what follows
    match              the suspicion falls; an escalation that lasted long enough is cleared
    mismatch           the truth replaces the document (`replaced`). The first of a domain in an epoch also counts:
                       the node is escalated (`escalated`: audited often, vesting frozen, silently); a free strike
                       (`strike`) or a fine (`fined`) of fine_multiple · v / q_i mean documents, always a fine for a
                       control page, which whoever fetched it knows; the suspicion grows
    no_evidence        nothing, ever
    lasting excess     pending novelty shrinks by the mean excess (`padding`)
    suspicion > bound  `suspended`, or `would_suspend` in shadow mode

The suspicion is a CUSUM of likelihood ratios: S ← max(0, S + ln(p1/e0)) on a mismatch that counts and
S ← max(0, S + ln((1−p1)/(1−e0))) on a match, bound ln(suspension_odds), p1 = mismatch_ratio · e0.

Rules: values in, values out; the same outcomes give the same standing, so that it can be folded again at any time.
Does not: know pay in wei (`rewards`), hosts (`hosts`), or tables (`consequences`).

Usage: `standing, consequences = observe(rules, Standing(), outcome)`.

Source: Page, "Continuous Inspection Schemes" (1954); docs/protocol.md, "Consequences".
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
from msgspec.structs import replace

from windrow_protocol.trust_rules import PPM, TrustRules

Kind = Literal["replaced", "escalated", "cleared", "strike", "fined", "padding", "suspended", "would_suspend"]


class AuditOutcome(msgspec.Struct, frozen=True):
    """One decided audit of a node.

    `documents` counts what the node had handed in by then, `value` is the document's over the mean, `rate_ppm` the
    probability with which it was drawn, `excess` the share of it that no truth confirms, `host_excess` what truths of
    that host have over each other, `honest_ppm` the rate e0 of mismatches that honest nodes of its region may have.
    """

    kind: Literal["match", "mismatch", "no_evidence"]
    at_ms: int
    documents: int
    value: float
    rate_ppm: int
    domain: str
    epoch_id: int
    excess: float = 0.0
    host_excess: float = 0.0
    honest_ppm: int = 10_000
    control: bool = False  # of a control page: passing it says nothing of other pages; no strike is free


class Consequence(msgspec.Struct, frozen=True):
    """What follows for the node. `documents`: the fine, in mean documents; `share`: by how much novelty shrinks."""

    kind: Kind
    documents: float = 0.0
    share: float = 0.0


class Escalation(msgspec.Struct, frozen=True):
    """Since when a node is watched: time, its documents then, audits passed since."""

    since_ms: int
    since_documents: int
    passed: int = 0


class Standing(msgspec.Struct, frozen=True):
    """What a node's audits add up to. `struck` are the domains whose mismatch counted in `struck_epoch`."""

    audits: int = 0
    mismatches: int = 0
    strikes: int = 0
    suspicion: float = 0.0
    escalation: Escalation | None = None
    struck_epoch: int = -1
    struck: tuple[str, ...] = ()
    padding: float = 0.0
    padding_sum: float = 0.0
    padding_audits: int = 0
    suspended: bool = False
    would_suspend: bool = False
    passed_in_a_row: int = 0  # matches since the latest mismatch that counted
    doubt: int = 0  # audits to pass before what nobody audited of it is sold again
    stood_for: float = 0.0  # documents that its audits stood for: each as many as its rate says
    stood_for_bad: float = 0.0  # those of mismatches that counted

    @property
    def frozen(self) -> bool:
        """Whether the node's vesting waits."""
        return self.escalation is not None or self.suspended


def in_good_standing(rules: TrustRules, standing: Standing) -> bool:
    """Say whether a node's word counts against others': it passed as many audits in a row as vesting waits for.

    Only mismatches of such nodes can show that a host differs from reader to reader; those of a flood of fakes would
    otherwise excuse each other and make every host hard. Only their audits tell how often honest nodes mismatch.
    """
    well = not (standing.suspended or standing.would_suspend)
    return well and standing.passed_in_a_row >= rules.vest_audits


def is_suspected(rules: TrustRules, standing: Standing) -> bool:
    """Say whether a node's mismatches cannot be chance, as far as its audits go now: matches take that back.

    It is what suspends where that is enforced. A node that is not suspended costs a multiple of others in truths, and
    is leased little until its audits say otherwise.
    """
    return rules.on("escalation") and standing.suspicion >= math.log(rules.suspension_odds)


def in_doubt(standing: Standing, honest_ppm: int) -> bool:
    """Say whether a node's documents are kept out of exports for now, whatever they are paid.

    They are after a padding alarm or a suspicion of `doubt_odds` until `doubt_audits` have passed; as long as two
    mismatches or more are a larger share of its audits than e0; and as long as three or more stand for a larger share
    of its documents than twice e0, which audits of the time when it is watched do not thin out. Source: Horvitz and
    Thompson, "A generalization of sampling without replacement from a finite universe" (1952).
    """
    of_audits = standing.mismatches >= 2 and standing.mismatches * PPM > standing.audits * honest_ppm
    of_documents = (
        standing.mismatches >= 3 and standing.stood_for_bad * PPM > 2 * standing.stood_for * honest_ppm
    )
    often = of_audits or of_documents
    return often or standing.doubt > 0


def honest_rate_ppm(rules: TrustRules, mismatches: int, audits: int) -> int:
    """Return e0: twice a region's pooled rate of mismatches, within its bounds."""
    pooled = 2 * PPM * mismatches // audits if audits else 0
    return min(max(pooled, rules.honest_mismatch_min_ppm), rules.honest_mismatch_max_ppm)


def observe(
    rules: TrustRules, standing: Standing, outcome: AuditOutcome
) -> tuple[Standing, tuple[Consequence, ...]]:
    """Fold one outcome into a standing and return what follows."""
    if outcome.kind == "no_evidence":
        return standing, ()
    if outcome.kind == "match":
        return _matched(rules, standing, outcome)
    return _mismatched(rules, standing, outcome)


def _matched(
    rules: TrustRules, standing: Standing, outcome: AuditOutcome
) -> tuple[Standing, tuple[Consequence, ...]]:
    watched, cleared = _perhaps_cleared(rules, standing.escalation, outcome)
    level, total, audits, padding = _padded(rules, standing, outcome)
    standing = replace(
        standing,
        audits=standing.audits + 1,
        passed_in_a_row=standing.passed_in_a_row + 1,
        doubt=rules.doubt_audits if padding else max(0, standing.doubt - 1),
        suspicion=max(0.0, standing.suspicion + _log_odds(rules, outcome, matched=True)),
        escalation=watched,
        padding=level,
        padding_sum=total,
        padding_audits=audits,
        stood_for=standing.stood_for + (0.0 if outcome.control else PPM / max(1, outcome.rate_ppm)),
    )
    return standing, (*cleared, *padding)


def _mismatched(
    rules: TrustRules, standing: Standing, outcome: AuditOutcome
) -> tuple[Standing, tuple[Consequence, ...]]:
    found: list[Consequence] = [Consequence("replaced")] if rules.on("replacement") else []
    struck = standing.struck if standing.struck_epoch == outcome.epoch_id else ()
    stands_for = PPM / max(1, outcome.rate_ppm)
    standing = replace(standing, audits=standing.audits + 1, stood_for=standing.stood_for + stands_for)
    if outcome.domain in struck:  # one bad page of a site is bad luck; ten are the same bad luck
        return standing, tuple(found)
    rise = _log_odds(rules, outcome, matched=False)
    standing = replace(
        standing,
        mismatches=standing.mismatches + 1,
        stood_for_bad=standing.stood_for_bad + stands_for,
        struck_epoch=outcome.epoch_id,
        struck=(*struck, outcome.domain),
        suspicion=standing.suspicion + rise,
        passed_in_a_row=0,
        doubt=rules.doubt_audits
        if standing.suspicion + rise >= math.log(rules.doubt_odds)
        else standing.doubt,
    )
    if rules.on("escalation"):
        if standing.escalation is None:
            found.append(Consequence("escalated"))
        standing = replace(standing, escalation=Escalation(outcome.at_ms, outcome.documents))
    standing, penalty = _penalty(rules, standing, outcome)
    standing, suspension = _perhaps_suspended(rules, standing)
    return standing, (*found, *penalty, *suspension)


def _log_odds(rules: TrustRules, outcome: AuditOutcome, *, matched: bool) -> float:
    honest = outcome.honest_ppm / PPM
    cheat = min(0.99, honest * rules.mismatch_ratio)
    return math.log((1 - cheat) / (1 - honest)) if matched else math.log(cheat / honest)


def _penalty(
    rules: TrustRules, standing: Standing, outcome: AuditOutcome
) -> tuple[Standing, tuple[Consequence, ...]]:
    """A strike is free for every `audits_per_strike` audits begun; then a fake costs more than it could earn."""
    if not outcome.control and standing.strikes < 1 + standing.audits // rules.audits_per_strike:
        return replace(standing, strikes=standing.strikes + 1), (Consequence("strike"),)
    if not rules.on("fines"):
        return standing, ()
    documents = rules.fine_multiple * outcome.value * PPM / max(1, outcome.rate_ppm)
    return standing, (Consequence("fined", documents=documents),)


def _perhaps_suspended(rules: TrustRules, standing: Standing) -> tuple[Standing, tuple[Consequence, ...]]:
    if not rules.on("suspension") or standing.suspicion < math.log(rules.suspension_odds):
        return standing, ()
    if rules.suspension_enforced and not standing.suspended:
        return replace(standing, suspended=True), (Consequence("suspended"),)
    if not rules.suspension_enforced and not standing.would_suspend:
        return replace(standing, would_suspend=True), (Consequence("would_suspend"),)
    return standing, ()


def _perhaps_cleared(
    rules: TrustRules, watched: Escalation | None, outcome: AuditOutcome
) -> tuple[Escalation | None, tuple[Consequence, ...]]:
    if watched is None:
        return None, ()
    over = (
        watched.passed + 1 >= rules.escalated_audits
        or outcome.documents - watched.since_documents >= rules.escalated_documents
        or outcome.at_ms - watched.since_ms >= rules.escalated_ms
    )
    if over:
        return None, (Consequence("cleared"),)
    return replace(watched, passed=watched.passed + 1), ()


def _padded(
    rules: TrustRules, standing: Standing, outcome: AuditOutcome
) -> tuple[float, float, int, tuple[Consequence, ...]]:
    """Return level, sum and count of the excess from here on, and what follows."""
    if not rules.on("padding") or outcome.control:
        return standing.padding, standing.padding_sum, standing.padding_audits, ()
    beyond = max(0.0, outcome.excess - outcome.host_excess)
    step = min(beyond, rules.padding_step_max_ppm / PPM)  # one odd page is no habit
    level = max(0.0, standing.padding + step - rules.padding_slack_ppm / PPM)
    if level == 0.0:
        return 0.0, 0.0, 0, ()
    total, audits = standing.padding_sum + beyond, standing.padding_audits + 1
    if level * PPM < rules.padding_alarm_ppm:
        return level, total, audits, ()
    return 0.0, 0.0, 0, (Consequence("padding", share=min(1.0, rules.padding_multiple * total / audits)),)
