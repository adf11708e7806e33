"""Calibrates the comparison of the verification room: how often it wrongs the honest and takes fakes.

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
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pyarrow.parquet as pq

from aggregator.verification.comparing import comparison
from aggregator.verification.comparing.alignment import share_in_order
from aggregator.verification.comparing.comparison import similarity
from bench.changing_web.base_pages import BasePage, Pool, base_pages, pool_of
from bench.changing_web.double_fetches import Case, honest_cases
from bench.changing_web.figures import Tally, forged_line, goes_on, honest_line, roc, sum_of
from bench.changing_web.forgeries import ALTERED, FAKES, PADDED, PARTS, STALE_PERCENT, Forger, older_version
from bench.changing_web.held_pages import HeldPages
from bench.changing_web.noise import KINDS, WEBS, kinds_of
from bench.changing_web.server import ChangingWeb
from windrow.demo_site.build import build_site
from windrow_protocol.content import normalise_text, shingles_in_order
from windrow_protocol.limits import MATCH_SIMILARITY_MIN

TEXTS_CACHED: Final = 24
WRONG_BELOW: Final = 0.95  # similarity to what the site served: the network's word for wrong content
OF_THE_HOST: Final = ("bigram_model", "other_page_of_host", "other_page_retitled")


# --- honest ---------------------------------------------------------------------------------------------------


async def measure_honest(pages: Sequence[BasePage], pool: Pool, options: argparse.Namespace) -> None:
    """The webs with every page, then each kind of noise by itself."""
    held = HeldPages(pages)
    async with ChangingWeb(pool, seed=options.seed) as web:
        for name in (name for name in WEBS if _wanted(options, name)):
            rng = random.Random(f"{options.seed}/{name}")
            drawn = [kinds_of(name, rng) for _ in pages]
            plain, known = await _honest(web, pages, drawn, rng, held, options, roc=name == "assumed")
            _print(honest_line("web", name, plain))
            _print(honest_line("web_with_earlier_version_known", name, known))
            if name == "assumed":
                _print({"measure": "roc_honest", "points": roc(plain, "mismatch", "no_evidence", "match")})
        for kind in KINDS if _wanted(options, "noise") else ():
            rng = random.Random(f"{options.seed}/{kind}")
            some = rng.sample(pages, min(options.per_kind, len(pages)))
            plain, known = await _honest(web, some, [[kind]] * len(some), rng, held, options)
            _print(honest_line("noise", kind, plain))
            _print(honest_line("noise_with_earlier_version_known", kind, known))


def _wanted(options: argparse.Namespace, part: str) -> bool:
    return not options.only or part in options.only


async def _honest(
    web: ChangingWeb,
    pages: Sequence[BasePage],
    drawn: Sequence[Sequence[str]],
    rng: random.Random,
    held: HeldPages,
    options: argparse.Namespace,
    *,
    roc: bool = False,
) -> tuple[Tally, Tally]:
    plain, known = Tally(), Tally()
    async for case in honest_cases(web, pages, drawn, rng, goes_on, options.validators):
        if not case.text:
            plain.reports += 1
            continue
        neighbour = partial(held.neighbour_of, case.page)
        plain.add(case.text, case.truths, neighbour=neighbour, noise=case.kinds, roc=roc)
        plain.add_truths(case.truths)
        if case.earlier:
            known.add(case.text, case.truths, case.earlier, neighbour=neighbour, noise=case.kinds)
    return plain, known


# --- forged ---------------------------------------------------------------------------------------------------


class Forgeries:
    """All forgeries of the pages of one web, counted by group and name.

    Wrong is what is less than `WRONG_BELOW` alike to what the site served; a fake that is not wrong is counted as
    `as_served`. Fakes of pages whose neighbour the rule itself takes for the page are wrong, and a group of their own.
    The house holds all pages; `elsewhere` counts what is wrong once more where it holds all but the one that a fake was
    made of (`not_held`), and where it looks at none (`none_looked_at`).
    """

    def __init__(self, pages: Sequence[BasePage], pool: Pool, rng: random.Random) -> None:
        self._pool, self._rng = pool, rng
        self._held = HeldPages(pages)
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.elsewhere = {"not_held": Tally(), "none_looked_at": Tally()}

    def add_fakes(self, case: Case) -> None:
        """Judge what can be written without having the page."""
        page = case.page
        siblings = [each for each in self._held.of_host[page.host] if each is not page]
        sibling = self._rng.choice(siblings) if siblings else page
        alike = similarity(page.text, sibling.text).two_sided >= MATCH_SIMILARITY_MIN
        forger = Forger(page, sibling, self._pool, self._rng)
        for name, forge in FAKES.items():
            if siblings or name not in OF_THE_HOST:
                group = "fake_of_pages_alike" if alike and name in OF_THE_HOST else "fake"
                self._add(group, name, case, forge(forger), roc=True, sibling=sibling)

    def add_parts(self, case: Case) -> None:
        """Judge what can be handed in by whoever has only parts of the page, without fetching it."""
        forger = Forger(case.page, case.page, self._pool, self._rng)
        for name, forge in PARTS.items():
            self._add("part", name, case, forge(forger))

    def add_copies(self, case: Case) -> None:
        """Judge what can be made of a copy of the page, new or old."""
        forger = Forger(case.page, case.page, self._pool, self._rng)
        for group, forgeries in (("altered", ALTERED), ("padded", PADDED)):
            for name, forge in forgeries.items():
                self._add(group, name, case, forge(forger))
        for percent in STALE_PERCENT:
            old = older_version(forger, percent)
            self._add("stale_seen_here_before", f"stale_{percent}", case, old, old)
            self._add("stale_never_seen_here", f"stale_{percent}", case, old)

    def _add(
        self,
        group: str,
        name: str,
        case: Case,
        text: str,
        earlier: str | None = None,
        *,
        roc: bool = False,
        sibling: BasePage | None = None,
    ) -> None:
        if group.startswith("fake") and similarity(text, case.text).two_sided >= WRONG_BELOW:
            group = "as_served"
        neighbour = partial(self._held.neighbour_of, case.page)
        tally = self.tallies.setdefault((group, name), Tally())
        tally.add(text, case.truths, earlier, neighbour=neighbour, roc=roc)
        if group.startswith("fake"):
            others = partial(self._held.neighbour_of, case.page, without=sibling)
            self.elsewhere["not_held"].add(text, case.truths, neighbour=others)
            self.elsewhere["none_looked_at"].add(text, case.truths)

    def sum_of(self, *groups: str) -> Tally:
        """All of some groups as one."""
        return sum_of(tally for (group, _), tally in self.tallies.items() if group in groups)


async def measure_forged(pages: Sequence[BasePage], pool: Pool, options: argparse.Namespace) -> None:
    """Every forgery of every kind, against truths of the web as assumed."""
    rng = random.Random(f"{options.seed}/forged")
    chosen = rng.sample(pages, min(options.forged_pages, len(pages)))
    drawn = [kinds_of("assumed", rng) for _ in chosen]
    forged = Forgeries(pages, pool, rng)
    copied = 0
    async with ChangingWeb(pool, seed=options.seed + 1) as web:
        cases = honest_cases(
            web, chosen, drawn, rng, lambda *_: copied < options.copied_pages, options.validators
        )
        async for case in cases:
            if not case.truths:
                continue
            forged.add_fakes(case)
            if copied < options.copied_pages:
                copied += 1
                forged.add_parts(case)
                forged.add_copies(case)
    for (group, name), tally in forged.tallies.items():
        _print(forged_line(group, name, tally))
    fakes = forged.sum_of("fake")
    _print({**forged_line("fake", "all", fakes), "roc": roc(fakes, "match", "no_evidence", "mismatch")})
    _print(
        {
            **forged_line("wrong", "all", forged.sum_of("fake", "fake_of_pages_alike")),
            **{f"accepted_{name}": tally.share("match") for name, tally in forged.elsewhere.items()},
            "of_pages_alike": forged.sum_of("fake_of_pages_alike").share("match"),
            "as_served": forged.sum_of("as_served").share("match"),
            "as_served_count": forged.sum_of("as_served").cases,
        }
    )


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def measure_versions(folder: Path) -> None:
    """Real releases of real pages: every older version that differs from the newest, submitted in its place."""
    pages: dict[str, list[str]] = {}
    for row in pq.read_table(folder / "docs.parquet").to_pylist():
        pages.setdefault(row["cluster"], []).append(normalise_text(row["text"]))
    tallies = {"stale_never_seen_here": Tally(), "stale_seen_here_before": Tally()}
    for newest, *older in pages.values():
        for old in dict.fromkeys(text for text in older if text != newest):
            tallies["stale_never_seen_here"].add(old, [newest] * 3)
            tallies["stale_seen_here_before"].add(old, [newest] * 3, old)
    for group, tally in tallies.items():
        _print(forged_line(group, folder.name, tally))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--site", type=Path, help="a rendered demo site; without it one is rendered for the run"
    )
    parser.add_argument(
        "--labelled", type=Path, action="append", default=[], help="a folder with pages.parquet"
    )
    parser.add_argument("--versions", type=Path, help="a folder with versions of pages as docs.parquet")
    parser.add_argument("--pages", type=int, default=2_400, help="pages in each of the three webs")
    parser.add_argument("--per-kind", type=int, default=200, help="pages for each kind of noise by itself")
    parser.add_argument("--forged-pages", type=int, default=500, help="pages each kind of fake is made for")
    parser.add_argument("--copied-pages", type=int, default=200, help="pages copies are altered of")
    parser.add_argument("--modules", type=int, default=600, help="modules in a site that is rendered here")
    parser.add_argument("--only", action="append", default=[], choices=[*WEBS, "noise", "forged"])
    parser.add_argument(
        "--validators", type=int, default=1, help="of each operator, at addresses of their own"
    )
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
        # The rule hashes and aligns texts anew for each question; here the same ones are asked about many times.
        stack.enter_context(
            patch.object(comparison, "shingles_in_order", lru_cache(TEXTS_CACHED)(shingles_in_order))
        )
        stack.enter_context(
            patch.object(comparison, "share_in_order", lru_cache(TEXTS_CACHED)(share_in_order))
        )
        if options.versions:
            measure_versions(options.versions)
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
