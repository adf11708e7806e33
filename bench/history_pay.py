"""What months of history earn in a real house when people give them, and when somebody tries to earn more with them.

Usage: `python bench/history_pay.py [--visits-a-day 45 100 200]`. Prints a line of JSON for each attack and each
number of visits a day, and one for each way in which honest people live:

    attack            what was done, or `honest` and who
    visits            of the one month that it starts from
    submitted_months  months that were handed in, each of 200 visits or more
    genuine_months    of these, how many were found genuine
    paid_months       what they were paid as, in full months
    income_ratio      what they earned together, to what the one month earns when it is given whole, once; for honest
                      people to what each of their months earns alone

An attack pays where `income_ratio` is above 1. Months are made by `bench.history_model`, whose figures are no better
than that model of people; everything else is what an operator runs: signed donations, vault, judgement, budget, ledger.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

import sqlalchemy as sa  # noqa: E402
from history_world import HistoryHouse  # noqa: E402
from made_up_history import even_choice, invented_hosts, one_week_four_times, whole_seconds  # noqa: E402
from month_pay_world import BUDGET, WEEK_DAYS, budget, held, jobs_of  # noqa: E402

from bench.history_model.cuts import CUTS  # noqa: E402
from bench.history_model.people import (  # noqa: E402
    ALONE,
    BEGIN_MS,
    DAY_MS,
    HOUR_MS,
    HOUSEHOLD,
    OFFICE,
    ONE_COMPUTER,
    Habits,
    browse,
    together,
)
from rewards.personal.history_doubts import Moment  # noqa: E402
from rewards.personal.month_jobs import judge, seal  # noqa: E402
from rewards.personal.months import accept_result, job_of  # noqa: E402
from storage.tables.person_months import month_results  # noqa: E402
from windrow_protocol.errors import WindrowError  # noqa: E402
from windrow_protocol.limits import HISTORY_ITEMS_MIN, HISTORY_MONTHS_AT_ONCE  # noqa: E402
from windrow_protocol.messages import decode_json  # noqa: E402
from windrow_protocol.personal.messages import PersonalContribution  # noqa: E402
from windrow_protocol.trust_rules import PPM  # noqa: E402

Months = Sequence[list[Moment]]
CIRCLES: Final = {"alone": ALONE, "household": HOUSEHOLD, "office": OFFICE, "one_computer": ONE_COMPUTER}


@dataclass(frozen=True)
class Earned:
    """What some months came to."""

    submitted: int
    genuine: int
    paid_months: float
    income_wei: int


def earned(months: Months, after: Callable[[HistoryHouse], None] = lambda _: None) -> Earned:
    """Hand months in, each under a name of its own, let time pass and return what they earned."""
    enough = [month for month in months if len(month) >= HISTORY_ITEMS_MIN]
    with tempfile.TemporaryDirectory() as folder:
        world = HistoryHouse(Path(folder) / "house")
        budget(world)
        for number, month in enumerate(enough, 1):
            world.give(world.join(number), month)
            world.clock.at_ms += 1_000
        world.days_pass(2)
        for _ in range(len(enough) // HISTORY_MONTHS_AT_ONCE):
            world.work()
        after(world)
        world.days_pass(WEEK_DAYS)
        with world.house.state.read() as connection:
            genuine = sa.select(month_results.c.share_ppm).where(month_results.c.verdict == "genuine")
            shares = connection.execute(genuine).scalars().all()
        income = sum(held(world).values())
        world.house.state.close()
    assert income < BUDGET
    return Earned(len(enough), len(shares), sum(shares) / PPM, income)


def replay(world: HistoryHouse) -> None:
    """Answer every job a second time, with a result of its own that is right."""
    house = world.house
    for job_id in jobs_of(world):
        with house.state.read() as connection:
            job = job_of(connection, job_id)
        bodies = [
            decode_json(world.personal.vault.read(each), PersonalContribution) for each in job.donations
        ]
        again = judge(
            job, bodies, key=house.keyed("history_marks"), known=lambda _: set(), now_ms=house.now_ms()
        )
        try:
            accept_result(house, seal(again.result, house.sign), again.marks, again.spans, job_id=job_id)
        except WindrowError as error:
            assert error.code == "replayed"  # noqa: PT017


def ten_identities(month: list[Moment]) -> Months:
    """The same archive ten times: as it is, with times moved by seconds, with a quarter left out."""
    drawn = random.Random(1)
    jittered = [
        [replace(at, at_ms=at.at_ms + drawn.randint(-2_000, 2_000)) for at in month] for _ in range(3)
    ]
    thinned = [[at for at in month if drawn.random() > 0.25] for _ in range(3)]
    return [*[month] * 4, *jittered, *thinned]


def shifted(month: list[Moment]) -> Months:
    """The archive, and copies of it that are hours and days later."""
    return [
        month,
        *([replace(at, at_ms=at.at_ms + by) for at in month] for by in (HOUR_MS, 7 * HOUR_MS, DAY_MS)),
    ]


def mixed(month: list[Moment]) -> Months:
    """The archive, and copies with a quarter of as many visits of somebody else's between them."""
    copies = []
    for seed in range(3):
        other = browse(Habits(7_000 + seed, len(month) / 31))[: len(month) // 4]
        copies.append(sorted([*month, *other], key=lambda at: at.at_ms))
    return [month, *copies]


def made_up(month: list[Moment]) -> Months:
    """Months that a program makes from it."""
    drawn = random.Random(1)
    at_random = [replace(at, at_ms=BEGIN_MS + drawn.randrange(30 * DAY_MS)) for at in month]
    step = 30 * DAY_MS // len(month)
    counted = [replace(at, at_ms=BEGIN_MS + i * step + i % 7) for i, at in enumerate(month)]
    return [at_random, counted, whole_seconds(month), invented_hosts(month), even_choice(month)]


def repeated(month: list[Moment]) -> Months:
    """One week of it, four times."""
    return [one_week_four_times(month)]


ATTACKS: Final[dict[str, Callable[[list[Moment]], Months]]] = {
    "ten_identities": ten_identities,
    "shifted_in_time": shifted,
    "mixed_of_two_people": mixed,
    "generated": made_up,
    "repeated": repeated,
}


def told(attack: str, visits: int, got: Earned, whole_wei: float) -> None:
    """Print one line."""
    line = {
        "attack": attack,
        "visits": visits,
        "submitted_months": got.submitted,
        "genuine_months": got.genuine,
        "paid_months": round(got.paid_months, 3),
        "income_ratio": round(got.income_wei / whole_wei, 3),
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    """Run every attack and every circle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--visits-a-day", type=int, nargs="+", default=[45, 100, 200])
    for visits_a_day in parser.parse_args().visits_a_day:
        month = browse(Habits(seed=1, visits_a_day=visits_a_day))
        visits, whole = len(month), earned([month]).income_wei
        told("replayed_job", visits, earned([month], replay), whole)
        for name, attack in ATTACKS.items():
            told(name, visits, earned(attack(month)), whole)
        for name, cut in CUTS.items():
            for parts in sorted({2, 4, visits // HISTORY_ITEMS_MIN}):
                told(f"cut_{name}_in_{parts}", visits, earned(cut(month, parts)), whole)
        for name, circle in CIRCLES.items():
            pair = together(1, circle, visits_a_day=visits_a_day)
            alone = sum(earned([one]).income_wei for one in pair)
            told(f"honest_{name}", len(pair[0]), earned(pair), alone)


if __name__ == "__main__":
    main()
