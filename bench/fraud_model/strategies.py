"""What attackers do, as a table: each strategy is a value that says which leases it fakes, when, and how well.

Rules: every strategy is honest wherever its row says nothing. A fake is an answer without a fetch; how far it equals
what the page says is drawn for each (`right`: wholly, `partial`: by 5–70 % not, otherwise not at all). All attackers
of a run are one ring: they know each other, and one of the three validator operators is theirs.

Does not: know what the defences are; gains and losses come out of the model.

Usage: `STRATEGIES["fakes_5"].fakes`.

Source: the adversaries of issue 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from bench.fraud_model.webs import OWN_DOMAINS

Where = Literal["anywhere", "archived", "static", "unseen", "mirrored", "noisy", "agreed"]
When = Literal["always", "tenured", "late", "unwatched", "bursts", "churn", "settled"]


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to cheat.

    `fakes`: share of the leases of its kind of page (`where`) that are not fetched. `when`: always, or only after
    probation (`tenured`), in the second half (`late`), while the audit rate is low and nothing was disclosed
    (`unwatched`), one day in four (`bursts`), as one throw-away identity after the other (`churn`). `padded`: share
    of what it did fetch into which it inserts text, `inserted` of the whole and seen as `inflated` by shingles, which
    break at both ends of it; `times`: or says the page so many times. `bytes_factor`: how much longer a fake is than
    the page. `unanswered` and `refused`: shares of its leases; of those it does not answer it says that it never heard
    of them where it is `deaf`. `own_sites`: share of the frontier that leads to its own generated pages, on so many
    `own_domains`, each page with a name of its own, and `closed` to all but the ring. `frames`: share of the frontier
    on its sites that show different readers different text.
    """

    name: str
    fakes: float = 0.0
    right: float = 0.0
    partial: float = 0.0
    where: Where = "anywhere"
    when: When = "tenured"
    padded: float = 0.0
    inflated: float = 0.0
    inserted: float = 0.0
    times: int = 1
    bytes_factor: float = 1.0
    unanswered: float = 0.0
    refused: float = 0.0
    deaf: bool = False
    own_sites: float = 0.0
    own_domains: int = 10
    closed: bool = False
    frames: float = 0.0
    appeals: bool = False

    def scaled(self, factor: float) -> Strategy:
        """Return the same with fewer fakes (or padded documents); nested, so that two runs differ by them only."""
        return replace(self, fakes=self.fakes * factor, padded=self.padded * factor)


_ALL: Final = (
    Strategy("honest"),
    Strategy("garbage", fakes=1.0, when="always"),
    Strategy("llm_text", fakes=1.0, when="always", bytes_factor=3.0),
    Strategy("stale_replay", fakes=1.0, where="archived"),
    Strategy("static_replay", fakes=1.0, where="static"),
    Strategy("patient_replay", fakes=1.0, where="static", when="settled"),
    Strategy("unseen_replay", fakes=1.0, where="unseen"),
    Strategy("copies", fakes=1.0, right=0.70, partial=0.15, where="mirrored"),
    Strategy("padding_10", padded=1.0, inserted=0.10, inflated=0.15),
    Strategy("padding_25", padded=1.0, inserted=0.25, inflated=0.32),
    Strategy("padding_40", padded=1.0, inserted=0.40, inflated=0.47),
    Strategy("padding_67", padded=1.0, inserted=0.67, inflated=0.73),
    Strategy("page_twice", padded=0.2, inserted=0.5, inflated=0.5, times=2),
    Strategy("ring_with_framing", fakes=1.0, where="agreed", frames=0.01),
    Strategy("sleeper", fakes=1.0, when="late", bytes_factor=2.0),
    Strategy("sybil_flood", fakes=1.0, when="churn"),
    Strategy("hard_pages_only", fakes=0.9, where="noisy"),
    Strategy("fakes_2", fakes=0.02),
    Strategy("fakes_5", fakes=0.05),
    Strategy("fakes_10", fakes=0.10),
    Strategy("adaptive_pauser", fakes=0.10, when="unwatched"),
    Strategy("lease_hoarder", unanswered=0.7),
    Strategy("deaf_hoarder", unanswered=0.7, deaf=True),
    Strategy("own_sites", own_sites=0.02),
    Strategy("closed_sites", own_sites=0.02, closed=True),
    Strategy("closed_domains", own_sites=0.02, closed=True, own_domains=OWN_DOMAINS),
    Strategy("vesting_timer", fakes=0.5, when="bursts"),
    Strategy("appeals_spam", fakes=0.05, appeals=True),
    Strategy("easy_leases_only", refused=0.4),
)
STRATEGIES: Final = {strategy.name: strategy for strategy in _ALL}
