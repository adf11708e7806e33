"""The numbers of the trust protocol: one frozen value, published by the coordinator, recorded with each epoch.

Rules: every number of the protocol that an operator, the simulation or the demo may set stands here with its starting
value; shares are parts per million (`_ppm`) so that everybody computes the same integers. `DEFENCES` names what can be
switched off to see what it is good for; a network switches none off.

Does not: decide anything, or hold bounds of parsers (see `limits`) and rates of pay (`rewards/rates.py`).

Usage: `rules = TrustRules(vest_age_ms=0, vest_audits=2)`; `rules.on("canaries")`.

Source: docs/protocol.md, "Audit", "Consequences", "Sybil limits".
"""

from __future__ import annotations

from typing import Final

import msgspec

PPM: Final = 1_000_000
DAY_MS: Final = 86_400_000

DEFENCES: Final = frozenset(
    {
        "audits",  # truth fetches for a drawn share of the contributions
        "probation",  # the first documents of an identity are all audited, and their pay is its bond
        "turned",  # pages that have just become other pages, leased again while only who fetches knows
        "canaries",  # pages whose text only a fetch made now can know
        "escalation",  # a caught node is audited at a high rate for a while
        "fines",  # a mismatch costs a multiple of what it could have earned
        "vesting",  # pay waits for time and for later audits
        "replacement",  # truth takes the place of what differs from it
        "padding",  # only confirmed bytes earn, and a lasting excess shrinks pending novelty
        "news",  # what is new since an earlier version is scored by itself
        "neighbours",  # what sets a page apart from a page alike of its host is scored by itself
        "hard_hosts",  # hosts whose truths disagree earn a fee and no novelty
        "domain_caps",  # novelty is capped by domain, by hosting prefix and for all unranked domains
        "novelty",  # only the first text of its near-duplicate cluster earns by the byte
        "placement",  # no page again to the same node, prefix or owner
        "lease_limits",  # outstanding work follows what a node has answered
        "sybil_limits",  # nodes of a prefix, leases of young identities, rejoining after suspension
        "earned_standing",  # who lets leases go, or fetches where others have the place, counts as young
        "suspension",  # the suspension of nodes whose mismatches cannot be chance
        "refusal_audits",  # refusals are drawn like contributions
    }
)


class TrustRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One network's numbers. Times in milliseconds, shares in parts per million, values in mean documents."""

    # audits
    epoch_ms: int = DAY_MS  # an audit epoch that is not ended before ends by itself
    audit_rate_min_ppm: int = 40_000
    audit_rate_max_ppm: int = 500_000
    escalated_rate_ppm: int = 300_000
    hard_rate_ppm: int = 200_000
    doubled_ppm: int = 150_000  # of what is drawn; unless 0, all of what is audited for certain
    probation_documents: int = 60
    canary_ppm: int = 20_000
    canary_watched_ppm: int = 100_000  # of an escalated node's leases
    canary_young_ppm: int = 100_000  # of a node's that has passed fewer than so many audits since it began:
    canary_young_audits: int = 300  # it begins again when a fine took all that it had at stake
    canary_pages_a_day: int = 64  # of each control host; more leases than these allow want more hosts
    canary_caught_ppm: int = 1_000  # of a cheat's leases: canaries it does not recognise; fines count so
    turned_ppm: int = 10_000  # at most, of a node's leases: pages just found to be other ones
    turned_stood_ms: int = 30 * DAY_MS  # that the text which the house holds of such a page is old at least
    turned_leases_max: int = 4  # of each such page, one after the other, until the epoch ends
    operators_min: int = 3  # with fewer it is single-operator trust
    operator_weight_max_ppm: int = 333_334
    draw_wait_ms: int = 120_000  # a validator that is silent for longer is no longer waited for
    reveal_wait_ms: int = DAY_MS
    # consequences
    escalated_documents: int = 300
    escalated_audits: int = 30
    escalated_ms: int = 14 * DAY_MS
    audits_per_strike: int = 500
    fine_multiple: int = 2
    honest_mismatch_min_ppm: int = 10_000  # e0 of the suspension's CUSUM lies between these
    honest_mismatch_max_ppm: int = 50_000
    mismatch_ratio: int = 5  # p1 = mismatch_ratio · e0
    suspension_odds: int = 10_000
    doubt_odds: int = 30  # from here on, and after a padding alarm, nothing of a node's is sold
    doubt_audits: int = 100  # until it has passed so many
    suspected_leases_per_day: int = 10  # of a node at those odds, until matches take them back
    suspension_enforced: bool = False  # shadow mode until e0 was measured on real double fetches
    padding_slack_ppm: int = 30_000
    padding_step_max_ppm: int = 150_000  # of one audit's excess count so much towards the alarm
    padding_multiple: int = 2  # pending novelty shrinks by so many times the mean excess
    padding_alarm_ppm: int = 400_000  # summed excess at which pending novelty shrinks
    # vesting
    vest_age_ms: int = DAY_MS
    vest_audits: int = 20
    bond_return_ms: int = 7 * DAY_MS
    leave_settle_ms: int = 2 * DAY_MS
    # sybil limits and placement
    nodes_per_prefix_max: int = 3
    young_leases_per_day: int = 500
    young_lease_share_ppm: int = 40_000
    prefix_quarantine_ms: int = 30 * DAY_MS
    activity_ppm_min: int = 500_000  # of the leases of a day that are over: answered, or there is no standing
    egress_window_ms: int = 7 * DAY_MS  # so long an egress challenge counts
    egress_told_after_ms: int = DAY_MS  # at once, it would say which lease was of a control page
    egress_elsewhere_min: int = 2  # challenges that came from elsewhere, before that means anything
    # pay
    domain_novelty_bytes_max: int = 50_000_000  # of one registrable domain in one epoch
    prefix_novelty_bytes_max: int = 100_000_000  # of one hosting /24 or /48 in one epoch
    unranked_novelty_ppm: int = (
        20_000  # of an epoch's novelty, for all domains that the list of known ones lacks
    )
    unranked_leases_per_day: int = 10  # at least, to those domains; more as far as that novelty has room
    # what is switched off, for experiments only
    off: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a negative number and a defence that does not exist. Raises ValueError."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and value < 0:
                raise ValueError(f"`{name}` is negative: {value}")
        unknown = set(self.off) - DEFENCES
        if unknown:
            raise ValueError(f"no such defence: {', '.join(sorted(unknown))}")

    def on(self, defence: str) -> bool:
        """Say whether a defence is switched on. Raises ValueError for one that does not exist."""
        if defence not in DEFENCES:
            raise ValueError(f"no such defence: {defence}")
        return defence not in self.off


def trust_label(operators: int, operators_min: int) -> str:
    """Return what every page says about who verifies a network, given how many operators have a validator at work."""
    if operators < operators_min:
        return "single-operator trust"
    return f"{operators} independent validator operators"
