"""What distinguishes one run of the model from another, and what a run counts.

Does not: decide anything. Usage: `Setting(strategy=STRATEGIES["fakes_5"], share=0.45)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.fraud_model.audits import Colluding
from bench.fraud_model.documents import (
    BYTE_PAY,
    FEE,
    FIRST_SEEN,
    TEXT_BYTES_MEDIAN,
    TEXT_BYTES_SIGMA,
)
from bench.fraud_model.strategies import STRATEGIES, Strategy
from bench.fraud_model.webs import WEBS, Web
from windrow_protocol.trust_rules import TrustRules

# the cap takes one in a hundred
MEAN_BYTES: Final = TEXT_BYTES_MEDIAN * float(np.exp(TEXT_BYTES_SIGMA**2 / 2))
MEAN_PAY: Final = FEE + BYTE_PAY * MEAN_BYTES * FIRST_SEEN


@dataclass(frozen=True, slots=True)
class Setting:
    """One network. `outages`: how often one of the validator operators is down for a step.

    `mended`: with what docs/adr/0023 decided. Without: an identity is young until it handed in its first
    documents (not: until so many were accepted, and again when fines emptied its bond), one operator looks at each of
    them (not two), a failed control page is fined as if all were looked at, any two nodes make a host hard, and
    everybody's mismatches tell what is honest (not: those of nodes in good standing). `archive_held`: share of the
    archived pages of which the house has imported the archive's text too; `captures`: how many of each page (of one,
    nobody can say whether the page stood still).
    """

    strategy: Strategy = STRATEGIES["honest"]
    web: Web = WEBS["assumed"]
    share: float = 0.3
    nodes: int = 800
    days: int = 40
    rules: TrustRules = field(default_factory=TrustRules)
    colluding: Colluding = "draws"
    outages: int = 0
    mended: bool = True
    archive_held: float = 0.0
    captures: int = 2


@dataclass(slots=True)
class Tally:
    """What a run counts, by node where it is an array; `due` is what honest work on the same leases is worth."""

    leases: NDArray[np.int64]
    fetched: NDArray[np.int64]
    fakes: NDArray[np.int64]
    due: NDArray[np.float64]
    lost_penalties: NDArray[np.float64]
    lost_padding: NDArray[np.float64]  # part of the penalties
    lost_no_evidence: NDArray[np.float64]
    lost_unconfirmed: NDArray[np.float64]
    lost_hard: NDArray[np.float64]  # novelty of hosts that are rightly hard
    lost_hardened: NDArray[np.float64]  # novelty of hosts that are not
    lost_capped: NDArray[np.float64]  # novelty beyond the caps of domains
    lapsed: int = 0
    truths: float = 0.0
    replaced: int = 0
    sold_good: float = 0.0  # documents of identities that are neither doubted nor padders
    sold_bad: float = 0.0
    withheld_good: float = 0.0
    withheld_bad: float = 0.0
    withheld_honest: float = 0.0
    audits: int = 0
    honest_audits: int = 0
    honest_mismatches: int = 0
    voided: int = 0
    hardened: int = 0

    @classmethod
    def of(cls, nodes: int) -> Tally:
        """Return a tally of nothing."""
        whole = [np.zeros(nodes, np.int64) for _ in range(3)]
        due, *lost = (np.zeros(nodes) for _ in range(8))
        return cls(
            whole[0], whole[1], whole[2], due, lost[0], lost[1], lost[2], lost[3], lost[4], lost[5], lost[6]
        )
