"""Calibrates the comparison of `aggregator/verification/comparison.py`: how often it wrongs the honest and takes fakes.

Rules: the rule is imported, never rewritten; for the ROC only its threshold is replaced. Honest cases are real double
fetches over HTTP (`bench/changing_web`); forgeries are judged against truths of the same web. Every line is JSON;
bounds are one-sided 95 % (Clopper-Pearson).

Does not: tune anything.

Usage::

    nice python -m bench.comparison --site SITE --labelled ../shared/data/html_wcxb_a --pages 2400 > figures.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from aggregator.verification import comparison
from aggregator.verification.comparison import Decision, decide, similarity
from bench.changing_web.base_pages import BasePage, Pool, base_pages, pool_of
from bench.changing_web.bounds import upper_bound
from bench.changing_web.double_fetches import Case, honest_cases
from bench.changing_web.forgeries import ALTERED, FAKES, PADDED, STALE_PERCENT, Forger, older_version
from bench.changing_web.noise import KINDS, WEBS, kinds_of
from bench.changing_web.server import ChangingWeb
from windrow.demo_site.build import build_site
from windrow_protocol.content import shingle_hashes
from windrow_protocol.limits import MATCH_SIMILARITY_MIN

THRESHOLDS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TEXTS_CACHED: Final = 24
OF_THE_HOST: Final = ("bigram_model", "other_page_of_host", "other_page_retitled")


def judge(text: str, truths: Sequence[str], earlier: str | None = None) -> Decision:
    """Decide as an audit does: truths are asked for one after the other, while the rule wants more."""
    decision = Decision("need_truth", 0.0, "")
    for count in range(1, len(truths) + 1):
        decision = decide(text, truths[:count], earlier)
        if decision.kind != "need_truth":
            return decision
    return Decision(
        "no_evidence", decision.score, "truth_unavailable", decision.confirmed, decision.truth_excess
    )


def judge_at(threshold: float, text: str, truths: Sequence[str], earlier: str | None = None) -> Decision:
    """The same with another threshold of the match."""
    with patch.object(comparison, "MATCH_SIMILARITY_MIN", threshold):
        return judge(text, truths, earlier)


@dataclass
class Tally:
    """What became of the cases of one group."""

    cases: int = 0
    reports: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    scores: list[float] = field(default_factory=list)
    excess: list[float] = field(default_factory=list)
    own_excess: list[float] = field(default_factory=list)
    at: dict[float, Counter[str]] = field(default_factory=lambda: {each: Counter() for each in THRESHOLDS})

    def add(
        self, text: str, truths: Sequence[str], earlier: str | None = None, *, roc: bool = False
    ) -> Decision:
        """Judge one case and count it."""
        decision = judge(text, truths, earlier)
        self.cases += 1
        self.kinds[decision.kind] += 1
        self.reasons[decision.reason_code] += 1
        self.scores.append(decision.score)
        if truths:
            self.own_excess.append(1 - similarity(text, truths[0]).a_in_b)
        for threshold in THRESHOLDS if roc else ():
            self.at[threshold][judge_at(threshold, text, truths, earlier).kind] += 1
        return decision

    def add_truths(self, truths: Sequence[str]) -> None:
        """Count how much two truths of one page have that the other has not."""
        for at, one in enumerate(truths):
            for other in truths[at + 1 :]:
                both = similarity(one, other)
                self.excess += [1 - both.a_in_b, 1 - both.b_in_a]

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
        "score": {"mean": _mean(tally.scores), "p95": _quantile(tally.scores, 0.95)},
        "excess_measured": _spread(tally.own_excess),
    }


# --- honest ---------------------------------------------------------------------------------------------------


async def measure_honest(pages: Sequence[BasePage], pool: Pool, options: argparse.Namespace) -> None:
    """The webs with every page, then each kind of noise by itself."""
    async with ChangingWeb(pool, seed=options.seed) as web:
        for name in (name for name in WEBS if _wanted(options, name)):
            rng = random.Random(f"{options.seed}/{name}")
            drawn = [kinds_of(name, rng) for _ in pages]
            plain, known = await _honest(web, pages, drawn, rng, roc=name == "assumed")
            _print(honest_line("web", name, plain))
            _print(honest_line("web_with_earlier_version_known", name, known))
            if name == "assumed":
                _print({"measure": "roc_honest", "points": _roc(plain, "mismatch", "no_evidence", "match")})
        for kind in KINDS if _wanted(options, "noise") else ():
            rng = random.Random(f"{options.seed}/{kind}")
            some = rng.sample(pages, min(options.per_kind, len(pages)))
            plain, known = await _honest(web, some, [[kind]] * len(some), rng)
            _print(honest_line("noise", kind, plain))
            _print(honest_line("noise_with_earlier_version_known", kind, known))


def _wanted(options: argparse.Namespace, part: str) -> bool:
    return not options.only or part in options.only


async def _honest(
    web: ChangingWeb,
    pages: Sequence[BasePage],
    drawn: Sequence[Sequence[str]],
    rng: random.Random,
    *,
    roc: bool = False,
) -> tuple[Tally, Tally]:
    plain, known = Tally(), Tally()
    async for case in honest_cases(web, pages, drawn, rng):
        if not case.text:
            plain.reports += 1
            continue
        plain.add(case.text, case.truths, roc=roc)
        plain.add_truths(case.truths)
        if case.earlier:
            known.add(case.text, case.truths, case.earlier)
    return plain, known


# --- forged ---------------------------------------------------------------------------------------------------


async def measure_forged(pages: Sequence[BasePage], pool: Pool, options: argparse.Namespace) -> None:
    """Every forgery of every kind, against truths of the web as assumed."""
    rng = random.Random(f"{options.seed}/forged")
    chosen = rng.sample(pages, min(options.forged_pages, len(pages)))
    by_host: dict[str, list[BasePage]] = {}
    for page in pages:
        by_host.setdefault(page.host, []).append(page)
    tallies: dict[tuple[str, str], Tally] = {}
    drawn = [kinds_of("assumed", rng) for _ in chosen]
    async with ChangingWeb(pool, seed=options.seed + 1) as web:
        async for case in honest_cases(web, chosen, drawn, rng):
            if case.truths:
                _forge_all(case, by_host, pool, rng, tallies)
    for (group, name), tally in tallies.items():
        _print(forged_line(group, name, tally))
    for group in dict.fromkeys(group for group, _ in tallies):
        whole = _sum(tally for (each, _), tally in tallies.items() if each == group)
        _print({**forged_line(group, "all", whole), "roc": _roc(whole, "match", "no_evidence", "mismatch")})


def _forge_all(
    case: Case,
    by_host: dict[str, list[BasePage]],
    pool: Pool,
    rng: random.Random,
    tallies: dict[tuple[str, str], Tally],
) -> None:
    page = case.page
    siblings = [each for each in by_host[page.host] if each is not page]
    others = siblings or [each for pages in by_host.values() for each in pages[:1] if each is not page]
    forger = Forger(page, rng.choice(others), pool, rng)
    differ = similarity(page.text, forger.sibling.text).two_sided < MATCH_SIMILARITY_MIN

    def judge_one(group: str, name: str, text: str, earlier: str | None = None) -> None:
        tallies.setdefault((group, name), Tally()).add(text, case.truths, earlier, roc=True)

    for group, forgeries in (("fake", FAKES), ("altered", ALTERED), ("padded", PADDED)):
        for name, forge in forgeries.items():
            if name not in OF_THE_HOST:
                judge_one(group, name, forge(forger))
            elif siblings:
                judge_one(group if differ else "pages_that_say_the_same", name, forge(forger))
    for percent in STALE_PERCENT:
        old = older_version(forger, percent)
        judge_one("stale_seen_here_before", f"stale_{percent}", old, old)
        judge_one("stale_never_seen_here", f"stale_{percent}", old)


def _sum(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.cases += tally.cases
        whole.kinds += tally.kinds
        whole.reasons += tally.reasons
        whole.scores += tally.scores
        whole.own_excess += tally.own_excess
        for threshold in THRESHOLDS:
            whole.at[threshold] += tally.at[threshold]
    return whole


# --- figures --------------------------------------------------------------------------------------------------


def _roc(tally: Tally, *kinds: str) -> list[dict[str, Any]]:
    points = []
    for threshold in THRESHOLDS:
        shares = {kind: _round(tally.at[threshold][kind] / max(1, tally.cases)) for kind in kinds}
        bound = _round(upper_bound(tally.at[threshold][kinds[0]], tally.cases))
        points.append({"threshold": threshold, **shares, f"{kinds[0]}_upper_95": bound})
    return points


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


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--site", type=Path, help="a rendered demo site; without it one is rendered for the run"
    )
    parser.add_argument(
        "--labelled", type=Path, action="append", default=[], help="a folder with pages.parquet"
    )
    parser.add_argument("--pages", type=int, default=2_400, help="pages in each of the three webs")
    parser.add_argument("--per-kind", type=int, default=200, help="pages for each kind of noise by itself")
    parser.add_argument(
        "--forged-pages", type=int, default=500, help="pages each kind of forgery is made for"
    )
    parser.add_argument("--modules", type=int, default=600, help="modules in a site that is rendered here")
    parser.add_argument("--only", action="append", default=[], choices=[*WEBS, "noise", "forged"])
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status says only whether it could be measured."""
    options = _options(arguments)
    with ExitStack() as stack:
        site = options.site
        if site is None:
            site = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="windrow-site-")))
            build_site(
                site, modules_max=options.modules, documents_max=None, progress=lambda done, total: None
            )
        # The rule hashes a text anew for each question; here the same texts are asked about many times.
        stack.enter_context(
            patch.object(comparison, "shingle_hashes", lru_cache(TEXTS_CACHED)(shingle_hashes))
        )
        pages = base_pages(site, options.labelled, count_max=options.pages, seed=options.seed)
        pool = pool_of(pages)
        _print(
            {"measure": "pages", "count": len(pages), "origins": dict(Counter(page.origin for page in pages))}
        )
        asyncio.run(measure_honest(pages, pool, options))
        if _wanted(options, "forged"):
            asyncio.run(measure_forged(pages, pool, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
