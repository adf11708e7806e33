"""How often a node's contributions are audited: a pure function of what it could gain and what it has done.

    q   = clip(max(minimum, 3 / (0.9·E), 12 / (7·documents a day)), minimum, maximum)
    q_i = min(1, q · max(1, v))

E is what the node would lose (unvested documents and bond, in mean documents), v the document's value over the mean.
The first term is a floor, the second catches somebody with little to lose, the third gives everybody the 20 audits
that vesting waits for within twelve days. Probation is 1, and so is a host that readers dispute; an escalated node and
a hard host raise q to at least theirs.

Does not: draw (`windrow_protocol/audit_draw.py`) or know who the node is.

Usage: `rate = audit_rate_ppm(rules, Exposure(at_stake=200.0, documents_per_day=300.0), value=1.4)`.

Source: docs/protocol.md, "Audit".
"""

from __future__ import annotations

import msgspec

from aggregator.verification.standings.standing import Standing
from windrow_protocol.trust_rules import PPM, TrustRules


class Exposure(msgspec.Struct, frozen=True):
    """What bears on a node's audit rate. `at_stake` in mean documents; `documents` are those that passed an audit."""

    at_stake: float
    documents_per_day: float
    documents: int = 10**9
    escalated: bool = False
    hard_host: bool = False
    disputed_host: bool = False


def audit_rate_ppm(rules: TrustRules, exposure: Exposure, value: float = 1.0) -> int:
    """Return the probability, in parts per million, that a contribution of a relative value is audited."""
    if not rules.on("audits"):
        return 0
    if rules.on("probation") and exposure.documents < rules.probation_documents:
        return PPM
    if rules.on("hard_hosts") and exposure.disputed_host:
        return PPM
    rate = base_rate_ppm(rules, exposure)
    if exposure.escalated and rules.on("escalation"):
        rate = max(rate, rules.escalated_rate_ppm)
    if exposure.hard_host and rules.on("hard_hosts"):
        rate = max(rate, rules.hard_rate_ppm)
    return min(PPM, round(rate * max(1.0, value)))


def canary_rate_of(rules: TrustRules, standing: Standing, passed: int) -> int:
    """Return how many of a million leases of a node are to be of control pages; `passed` as `Exposure.documents`."""
    if not rules.canary_ppm:
        return 0
    rate_ppm = rules.canary_ppm
    if passed < rules.canary_young_audits:
        rate_ppm = max(rate_ppm, rules.canary_young_ppm)
    if rules.on("escalation") and standing.escalation is not None:
        rate_ppm = max(rate_ppm, rules.canary_watched_ppm)
    return rate_ppm


def bond_comes_back(rules: TrustRules, passed: int, *, begun_again: bool) -> bool:
    """Say whether who leaves gets its bond: not who lost all it had to a fine and is new since; `passed` as above.

    What an identity earns between two fines would else be what it leaves with, however much it faked (ADR 0081).
    """
    return not begun_again or passed >= rules.canary_young_audits


def base_rate_ppm(rules: TrustRules, exposure: Exposure) -> int:
    """Return q of the module's formula, in parts per million."""
    little_to_lose = 3 / (0.9 * exposure.at_stake) if exposure.at_stake > 0 else 1.0
    enough_to_vest = 12 / (7 * exposure.documents_per_day) if exposure.documents_per_day > 0 else 1.0
    wanted = round(PPM * min(1.0, max(little_to_lose, enough_to_vest)))  # next to nothing at stake has no end
    return min(max(wanted, rules.audit_rate_min_ppm), max(rules.audit_rate_max_ppm, rules.audit_rate_min_ppm))
