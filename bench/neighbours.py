"""Fakes made of a neighbour's page that says nearly the same: could any comparison tell them?

Rules: for each page of installed documentation whose host has another page that the rule takes for it, the three
fakes made of that page are judged against truths of the web as assumed, by the protocol's own rule: with the
neighbours that the house holds, with all of them but the one a fake was made of, and with none. One JSON line a
fake: how like what was served it is and how like each truth, the same of the honest fetch, and how much of what the
first truth has and the neighbour has not is in either. Does not: change the rule.

Usage::

    nice python -m bench.neighbours --pages 900 --modules 600 > neighbours.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aggregator.verification.comparing.comparison import similarity
from bench.changing_web.base_pages import BasePage, base_pages, pool_of
from bench.changing_web.double_fetches import Case, honest_cases
from bench.changing_web.figures import judge
from bench.changing_web.forgeries import FAKES, Forger
from bench.changing_web.held_pages import HeldPages
from bench.changing_web.noise import kinds_of
from bench.changing_web.server import ChangingWeb
from bench.comparison import OF_THE_HOST
from windrow.demo_site.build import build_site
from windrow_protocol.content import shingles_in_order
from windrow_protocol.limits import MATCH_SIMILARITY_MIN


def pairs_alike(pages: Sequence[BasePage], rng: random.Random) -> Iterator[tuple[BasePage, BasePage]]:
    """Yield each page that the rule takes for one other page of its host, chosen by lot, with that page."""
    of_host: dict[str, list[BasePage]] = {}
    for page in pages:
        of_host.setdefault(page.host, []).append(page)
    for page in pages:
        others = [each for each in of_host[page.host] if each is not page]
        if not others:
            continue
        other = rng.choice(others)
        if similarity(page.text, other.text).two_sided >= MATCH_SIMILARITY_MIN:
            yield page, other


def lines_of(case: Case, neighbour: BasePage, forger: Forger, pages: HeldPages) -> Iterator[dict[str, Any]]:
    """Yield what became of each fake, and of the honest fetch beside it."""
    own = set(shingles_in_order(case.truths[0])) - set(shingles_in_order(neighbour.text))
    for name in OF_THE_HOST:
        text = FAKES[name](forger)
        held = partial(pages.neighbour_of, case.page)
        decision, alone = judge(text, case.truths, neighbour=held), judge(text, case.truths)
        not_held = judge(text, case.truths, neighbour=partial(held, without=neighbour))
        yield {
            "fake": name,
            "origin": case.page.origin,
            "page": case.page.name,
            "noise": case.kinds,
            "as_served": _like(text, [case.text])[0],
            "decision": decision.kind,
            "reason": decision.reason_code,
            "decision_not_held": not_held.kind,
            "decision_without_neighbours": alone.kind,
            "honest_decision": judge(case.text, case.truths, neighbour=held).kind,
            "confirmed": round(decision.confirmed, 3),
            "fake_to_truths": _like(text, case.truths),
            "honest_to_truths": _like(case.text, case.truths),
            "own_shingles": len(own),
            "own_in_fake": _share(own, text),
            "own_in_honest": _share(own, case.text),
        }


def _like(text: str, others: Sequence[str]) -> list[float]:
    return [round(similarity(text, other).two_sided, 3) for other in others]


def _share(own: set[Any], text: str) -> float:
    return round(len(own & set(shingles_in_order(text))) / max(1, len(own)), 3)


async def measure(site: Path, options: argparse.Namespace) -> None:
    """Serve the pages, fetch them as nodes and validators do, and print."""
    pages = base_pages(site, [], count_max=options.pages, seed=options.seed)
    pool, rng = pool_of(pages), random.Random(f"{options.seed}/alike")
    pairs = list(pairs_alike(pages, rng))
    print(json.dumps({"pages": len(pages), "pairs_alike": len(pairs)}), flush=True)
    held = HeldPages(pages)
    neighbour_of = {id(page): other for page, other in pairs}
    async with ChangingWeb(pool, seed=options.seed + 1) as web:
        drawn = [kinds_of("assumed", rng) for _ in pairs]
        async for case in honest_cases(web, [page for page, _ in pairs], drawn, rng):
            if case.text and case.truths:
                neighbour = neighbour_of[id(case.page)]
                for line in lines_of(case, neighbour, Forger(case.page, neighbour, pool, rng), held):
                    print(json.dumps(line), flush=True)


def main() -> None:
    """Render documentation, serve it and print."""
    parser = argparse.ArgumentParser(
        description="Fakes made of a neighbour's page that says nearly the same."
    )
    parser.add_argument("--pages", type=int, default=900)
    parser.add_argument("--modules", type=int, default=600, help="modules in the site that is rendered")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="windrow-site-") as folder:
        site = Path(folder)
        build_site(site, modules_max=options.modules, documents_max=None, progress=lambda done, total: None)
        asyncio.run(measure(site, options))


if __name__ == "__main__":
    main()
