"""A small regression of the calibration: real double fetches from a changing web, and forgeries of every kind.

The figures themselves come from `bench/comparison.py`; here a few dozen pages hold the rule to what they showed.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from aggregator.verification.comparing.comparison import similarity
from bench.changing_web.base_pages import BasePage, Pool, base_pages, pool_of
from bench.changing_web.bounds import upper_bound
from bench.changing_web.double_fetches import Case, honest_cases
from bench.changing_web.figures import judge, judge_at
from bench.changing_web.forgeries import FAKES, PADDED, Forger
from bench.changing_web.noise import KINDS, WEBS, Visit, kinds_of, respond
from bench.changing_web.server import ChangingWeb
from windrow.demo_site.build import build_site
from windrow_protocol.limits import MATCH_SIMILARITY_MIN

SEED = 7
# These hide most of a page from some visitors, and the rule cannot know from whom: see docs/calibration.md.
HIDING = ("truncated", "paginated", "soft_block")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[BasePage]:
    """Documentation of this machine's packages, rendered once."""
    site: Path = tmp_path_factory.mktemp("site")
    build_site(site, modules_max=4, documents_max=90, progress=lambda done, total: None)
    # The short ones, because a comparison takes as long as its texts.
    return sorted(base_pages(site, [], count_max=90, seed=SEED), key=lambda page: len(page.text))[:36]


@pytest.fixture(scope="module")
def pool(pages: list[BasePage]) -> Pool:
    return pool_of(pages)


async def cases(pages: list[BasePage], pool: Pool, drawn: list[list[str]]) -> list[Case]:
    async with ChangingWeb(pool, seed=SEED) as web:
        return [case async for case in honest_cases(web, pages, drawn, random.Random(SEED))]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(HIDING)))
async def test_no_noise_turns_an_honest_fetch_into_a_mismatch(
    kind: str, pages: list[BasePage], pool: Pool
) -> None:
    some = pages[::6]
    for case in await cases(some, pool, [[kind]] * len(some)):
        assert not case.text or judge(case.text, case.truths).kind != "mismatch", case.page.name


async def test_the_web_as_assumed_is_accepted(pages: list[BasePage], pool: Pool) -> None:
    rng = random.Random(SEED)
    drawn = [[kind for kind in kinds_of("assumed", rng) if kind not in HIDING] for _ in pages]
    judged = [judge(case.text, case.truths).kind for case in await cases(pages, pool, drawn) if case.text]
    # One: where a page of 70 words has a second template, the extractor may take its summary for the page.
    assert judged.count("mismatch") <= 1
    assert judged.count("match") >= 0.9 * len(judged)


async def test_fakes_are_never_accepted_and_much_padding_neither(pages: list[BasePage], pool: Pool) -> None:
    rng = random.Random(SEED)
    some = pages[::4]
    confirmed = []
    for case in await cases(some, pool, [["static"]] * len(some)):
        others = [
            page for page in pages if similarity(page.text, case.page.text).two_sided < MATCH_SIMILARITY_MIN
        ]
        forger = Forger(case.page, rng.choice(others), pool, rng)
        for name, forge in FAKES.items():
            assert judge(forge(forger), case.truths).kind == "mismatch", name
        padded = judge(PADDED["padded_67"](forger), case.truths)
        assert padded.kind == "mismatch"
        confirmed.append(judge(PADDED["padded_10"](forger), case.truths).confirmed)
    assert sum(confirmed) / len(confirmed) < 0.95


async def test_a_lower_threshold_takes_what_the_rule_refuses(pages: list[BasePage], pool: Pool) -> None:
    """The ROC is one: the threshold that is replaced is the one the rule looks at."""
    page = pages[0]
    forger = Forger(page, pages[1], pool, random.Random(SEED))
    half = PADDED["padded_40"](forger)
    truths = [page.text] * 3
    assert judge_at(0.3, half, truths).kind == "match"
    assert judge_at(0.9, half, truths).kind == "mismatch"


def test_the_changing_web_changes_and_can_be_repeated(pages: list[BasePage], pool: Pool) -> None:
    first, second = (Visit(number, 30 * number, "127.1.0.20", "eu") for number in (0, 1))
    for kind in sorted(set(KINDS) - {"static", "flaky", "soft_block", "truncated"}):
        answers = [
            [respond(page, [kind], visit, pool, seed=SEED) for page in pages] for visit in (first, second)
        ]
        again = [respond(page, [kind], first, pool, seed=SEED) for page in pages]
        assert answers[0] == again, kind
        stays = kind in (
            "personalised",
            "ab_template",
            "cookie_banner",
            "paginated",
        )  # by address, not by time
        assert (answers[0] == answers[1]) == stays, kind
    assert all(sum(shares.values()) == 100 for shares in WEBS.values())


@pytest.mark.parametrize(
    ("hits", "trials", "bound"),
    [
        (0, 3_000, 0.000998),
        (0, 100, 0.029513),
        (1, 100, 0.046560),
        (5, 50, 0.198833),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_the_upper_bound_is_clopper_and_pearsons(hits: int, trials: int, bound: float) -> None:
    assert upper_bound(hits, trials) == pytest.approx(bound, abs=2e-6)
