"""What became of the cases of a calibration: judged by the protocol's own rule, counted, and told as figures.

Rules: the rule is imported, never rewritten; for the ROC only its threshold is replaced. Bounds are one-sided 95 %.

Does not: make cases (`double_fetches.py`, `forgeries.py`).

Usage::

    tally = Tally(); tally.add(text, truths); print(honest_line("web", "calm", tally))
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations
from typing import Any, Final
from unittest.mock import patch

from aggregator.verification.comparing import comparison
from aggregator.verification.comparing.alignment import share_in_order
from aggregator.verification.comparing.comparison import Decision, decide, is_nested, similarity
from bench.changing_web.bounds import upper_bound
from windrow_protocol.content import shingles_in_order
from windrow_protocol.limits import AS_SERVED_SIMILARITY, PART_SHARE_MIN, TRUTHS_PER_AUDIT_MAX

_shingles: Final = lru_cache(24)(shingles_in_order)  # the same few texts are compared with each other
THRESHOLDS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


Neighbour = Callable[[str, str], str | None]  # of a text and a truth: what another page of the host says


def judge(
    text: str, truths: Sequence[str], earlier: str | None = None, neighbour: Neighbour | None = None
) -> Decision:
    """Decide as an audit does: truths are asked for one after the other, while the rule wants more.

    A neighbour is looked for as an audit does too, where the text is taken and not as like as what was served.
    """
    decision = Decision("need_truth", 0.0, "")
    for count in range(1, len(truths) + 1):
        decision = decide(text, truths[:count], earlier)
        if neighbour and comparison.MATCH_SIMILARITY_MIN <= decision.score < AS_SERVED_SIMILARITY:
            decision = decide(text, truths[:count], earlier, neighbour(text, truths[0]))
        if decision.kind != "need_truth" and not (
            count < len(truths) and _goes_on(decision, text, truths[:count])
        ):
            return decision
    return Decision(
        "no_evidence", decision.score, "truth_unavailable", decision.confirmed, decision.truth_excess
    )


def goes_on(text: str, truths: Sequence[str]) -> bool:
    """Say whether further truths may be asked for by a rule with any of the thresholds."""
    return _goes_on(judge_at(THRESHOLDS[-1], text, truths), text, truths)


def _goes_on(decision: Decision, text: str, truths: Sequence[str]) -> bool:
    """Say whether further truths are asked for after a decision, of somebody in good standing."""
    return (
        len(truths) >= TRUTHS_PER_AUDIT_MAX
        and decision.reason_code == "differs_from_truth"
        and is_nested(text, truths[:TRUTHS_PER_AUDIT_MAX])
    )


def judge_at(
    threshold: float,
    text: str,
    truths: Sequence[str],
    earlier: str | None = None,
    neighbour: Neighbour | None = None,
) -> Decision:
    """The same with another threshold of the match."""
    with patch.object(comparison, "MATCH_SIMILARITY_MIN", threshold):
        return judge(text, truths, earlier, neighbour)


@dataclass
class Tally:
    """What became of the cases of one group."""

    cases: int = 0
    reports: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    mismatches_of: Counter[str] = field(default_factory=Counter)
    mismatched_parts: int = 0
    scores: list[float] = field(default_factory=list)
    excess: list[float] = field(default_factory=list)
    own_excess: list[float] = field(default_factory=list)
    at: dict[float, Counter[str]] = field(default_factory=lambda: {each: Counter() for each in THRESHOLDS})

    def add(
        self,
        text: str,
        truths: Sequence[str],
        earlier: str | None = None,
        *,
        neighbour: Neighbour | None = None,
        noise: Sequence[str] = (),
        roc: bool = False,
    ) -> Decision:
        """Judge one case and count it; `noise` names the kinds that the page has."""
        decision = judge(text, truths, earlier, neighbour)
        self.cases += 1
        self.kinds[decision.kind] += 1
        self.reasons[decision.reason_code] += 1
        if decision.kind == "mismatch":
            self.mismatches_of["+".join(sorted(noise))] += 1
            inside = max(similarity(text, truth).a_in_b for truth in truths)
            self.mismatched_parts += inside >= PART_SHARE_MIN
        self.scores.append(decision.score)
        if truths:
            self.own_excess.append(_excess(text, truths[0]))
        at_all = len(decision.scores) == 1 and decision.score >= THRESHOLDS[-1]  # the first truth settles it
        for threshold in THRESHOLDS if roc else ():
            kind = "match" if at_all else judge_at(threshold, text, truths, earlier, neighbour).kind
            self.at[threshold][kind] += 1
        return decision

    def add_truths(self, truths: Sequence[str]) -> None:
        """Count how much two truths of one page have that the other has not."""
        self.excess += [_excess(one, other) for one, other in permutations(truths, 2)]

    def share(self, kind: str, total: int | None = None) -> dict[str, Any]:
        """A count as share with its upper bound."""
        hits, cases = self.kinds[kind], total or self.cases
        return {
            "count": hits,
            "share": _round(hits / cases if cases else 0.0),
            "upper_95": _round(upper_bound(hits, cases)),
        }


def honest_line(measure: str, name: str, tally: Tally) -> dict[str, Any]:
    """The figures of honest cases."""
    return {
        "measure": measure,
        "name": name,
        "pairs": tally.cases,
        "reports_without_text": tally.reports,
        "false_mismatch": tally.share("mismatch"),
        "no_evidence": tally.share("no_evidence"),
        "match": tally.share("match"),
        "mismatches_of": dict(tally.mismatches_of.most_common()),
        "mismatches_that_are_parts_of_a_truth": tally.mismatched_parts,
        "reasons": dict(tally.reasons),
        "truth_to_truth_excess": _spread(tally.excess),
        "contribution_excess": _spread(tally.own_excess),
        "score": {"mean": _mean(tally.scores), "p05": _quantile(tally.scores, 0.05)},
    }


def forged_line(group: str, name: str, tally: Tally) -> dict[str, Any]:
    """The figures of one kind of forgery."""
    return {
        "measure": "forgery",
        "group": group,
        "name": name,
        "forgeries": tally.cases,
        "accepted": tally.share("match"),
        "no_evidence": tally.share("no_evidence"),
        "mismatch": tally.share("mismatch"),
        "mismatches_that_are_parts_of_a_truth": tally.mismatched_parts,
        "score": {"mean": _mean(tally.scores), "p95": _quantile(tally.scores, 0.95)},
        "excess_measured": _spread(tally.own_excess),
    }


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Return all of several tallies as one."""
    whole = Tally()
    for tally in tallies:
        whole.cases += tally.cases
        whole.mismatched_parts += tally.mismatched_parts
        whole.kinds += tally.kinds
        whole.reasons += tally.reasons
        whole.scores += tally.scores
        whole.own_excess += tally.own_excess
        for threshold in THRESHOLDS:
            whole.at[threshold] += tally.at[threshold]
    return whole


def roc(tally: Tally, *kinds: str) -> list[dict[str, Any]]:
    """Return the shares of these kinds of decision at each threshold, and the bound of the first."""
    points = []
    for threshold in THRESHOLDS:
        shares = {kind: _round(tally.at[threshold][kind] / max(1, tally.cases)) for kind in kinds}
        bound = _round(upper_bound(tally.at[threshold][kinds[0]], tally.cases))
        points.append({"threshold": threshold, **shares, f"{kinds[0]}_upper_95": bound})
    return points


def _excess(text: str, other: str) -> float:
    """Return the share of a text that another does not confirm."""
    return 1 - share_in_order(_shingles(text), _shingles(other))


def _spread(values: Sequence[float]) -> dict[str, float]:
    quantiles = {
        name: _quantile(values, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {"mean": _mean(values), **quantiles, "max": _round(max(values, default=0.0))}


def _mean(values: Sequence[float]) -> float:
    return _round(statistics.fmean(values)) if values else 0.0


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return _round(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0.0


def _round(value: float) -> float:
    return round(value, 5)
