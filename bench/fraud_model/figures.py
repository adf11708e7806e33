"""What came of runs: the figures of one strategy at one share on one web, the worst of its seeds.

    F                 fetches, of contributors and validators, per accepted document; `F_sold` per document that is
                      sold and not wrong
    L                 share of all pay that went for fraudulent answers, after what fines took back; `L_gross` before
    wrong_content     share of exported documents less than 0.95 alike to the bytes served, where nothing is sold of
                      nodes in doubt at the end (`honest_unsold`: what that costs of honest
                      documents); `wrong_ungated`: where all is sold
    work_share        share of the ring's leases that it really fetched
    lease_share       the ring's share of all leases; `lapsed`: of all leases, those that nobody answered
    income_ratio      the ring's income over an honest node's for the same leases
    marginal_per_fake change of the ring's income, in mean documents, for each further fake
    honest_loss       share of what honest nodes' work is worth that they did not get because of the rules, without the
                      novelty of hosts that are rightly hard (`honest_hard`), which nobody is paid; `honest_capped`
                      is the part of it that the caps of domains withheld

Does not: run anything.

Usage: `figures_of(network)`, `worst(list_of_figures)`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from bench.fraud_model.network import Network
from bench.fraud_model.setting import MEAN_PAY

MONTH_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Figures:
    """One run's figures; `suspensions` and `node_months` are of honest nodes, to be summed over seeds."""

    seed: int
    F: float
    F_sold: float
    L: float
    L_gross: float
    wrong_content: float
    wrong_ungated: float
    honest_unsold: float
    work_share: float
    lease_share: float
    lapsed: float
    income_ratio: float
    honest_loss: float
    honest_hard: float
    honest_capped: float
    honest_mismatches: float
    suspensions: int
    node_months: float
    ring_suspended: float
    income: float
    fakes: int


def figures_of(network: Network) -> Figures:
    """Compute the figures of a finished run."""
    tally, accounts, ring = network.tally, network.accounts, network.fleet.attacker
    honest = ~ring
    income = accounts.posted - network.initial_bond
    net_fraud = float(accounts.posted_fraud.sum())
    good, bad = tally.sold_good + tally.replaced, tally.sold_bad
    good_all, bad_all = good + tally.withheld_good, bad + tally.withheld_bad
    fetches = float(tally.fetched.sum()) + tally.truths / (1 - network.setting.web.truth_failures)
    due_honest, due_ring = float(tally.due[honest].sum()), float(tally.due[ring].sum())
    hard = float(tally.lost_hard[honest].sum())
    ratio_honest = float(income[honest].sum()) / due_honest
    paid = float(income.sum())
    suspended = [node.suspended_ever for node in network.fleet.nodes]
    leases = int(tally.leases[ring].sum())
    return Figures(
        seed=network.seed,
        F=fetches / (good_all + bad_all),
        F_sold=fetches / good,
        L=net_fraud / paid,
        L_gross=float(accounts.posted_fraud_gross.sum()) / paid,
        wrong_content=bad / (good + bad),
        wrong_ungated=bad_all / (good_all + bad_all),
        honest_unsold=tally.withheld_honest / good_all,
        work_share=float(tally.fetched[ring].sum()) / leases if leases else 1.0,
        lease_share=leases / int(tally.leases.sum()),
        lapsed=tally.lapsed / int(tally.leases.sum()),
        income_ratio=float(income[ring].sum()) / due_ring / ratio_honest if due_ring else 1.0,
        honest_loss=1 - ratio_honest - hard / due_honest,
        honest_hard=hard / due_honest,
        honest_capped=float(tally.lost_capped[honest].sum()) / due_honest,
        honest_mismatches=tally.honest_mismatches / max(1, tally.honest_audits),
        suspensions=int(np.count_nonzero(np.array(suspended) & honest)),
        node_months=float(honest.sum()) * network.setting.days / MONTH_DAYS,
        ring_suspended=float(np.array(suspended)[ring].mean()) if ring.any() else 0.0,
        income=float(income[ring].sum()) / MEAN_PAY,
        fakes=int(tally.fakes[ring].sum()),
    )


def marginal_per_fake(more: Figures, fewer: Figures, added: float) -> float | None:
    """Return the change of the income for each of the fakes that a strategy adds; None where it adds none.

    They are not counted in `more`: whoever is caught for them is given fewer leases, and so may have faked less.
    """
    return (more.income - fewer.income) / added if added else None


def worst(found: list[Figures]) -> dict[str, float | int | None]:
    """Return the worst of each figure over the seeds, and the seed with the worst L."""
    names = (
        "F",
        "F_sold",
        "L",
        "L_gross",
        "wrong_content",
        "wrong_ungated",
        "honest_unsold",
        "lease_share",
        "lapsed",
        "income_ratio",
        "honest_loss",
        "honest_mismatches",
    )
    row: dict[str, float | int | None] = {
        name: round(max(asdict(each)[name] for each in found), 5) for name in names
    }
    months = sum(each.node_months for each in found)
    row["work_share"] = round(min(each.work_share for each in found), 4)
    row["honest_hard"] = round(max(each.honest_hard for each in found), 5)
    row["honest_capped"] = round(max(each.honest_capped for each in found), 5)
    row["honest_suspended_per_month"] = (
        round(sum(each.suspensions for each in found) / months, 6) if months else 0
    )
    row["honest_node_months"] = round(months)
    row["ring_suspended"] = round(min(each.ring_suspended for each in found), 3)
    row["worst_seed"] = max(found, key=lambda each: (each.L, each.F)).seed
    return row
