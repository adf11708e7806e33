"""One person's month, cut into parts and given under several names, brings no more than given whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from history_world import BEGIN_MS, HistoryHouse, payout_of
from hypothesis import given
from hypothesis import strategies as st
from month_pay_world import WEEK_DAYS, budget, count, held, results

from bench.history_model.cuts import CUTS
from bench.history_model.people import (
    ALONE,
    HOUSEHOLD,
    OFFICE,
    ONE_COMPUTER,
    Circle,
    Habits,
    browse,
    together,
)
from extension_bridge.consent import DAY_MS
from rewards.personal.history_doubts import Moment
from rewards.personal.month_breadth import breadth_ppm, pack_spans, same_stream, spans_of, unpack_spans
from rewards.personal.pay import Month, allot
from rewards.personal.statement import person_statement
from rewards.rates import PERSONAL
from storage.tables.person_months import month_spans
from windrow_protocol.limits import (
    FINGERPRINT_MS,
    HISTORY_DAY_VISITS_MAX,
    HISTORY_ITEMS_MIN,
    HISTORY_MONTH_VISITS,
    HISTORY_SPAN_MS,
)
from windrow_protocol.trust_rules import PPM

MARCH = "2026-03"
FULL_WEI = PERSONAL.month_wei_max


@pytest.fixture
def world(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path / "house")


def income(world: HistoryHouse, parts: list[list[Moment]]) -> int:
    """Give parts under a name each, a moment after each other, and return what they earn together."""
    budget(world)
    for number, part in enumerate(parts, 1):
        if part:
            world.give(world.join(number), part)
            world.clock.at_ms += 1_000
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    return sum(held(world).values())


def test_parts_of_one_stream_earn_together_what_it_earns_whole(world: HistoryHouse) -> None:
    month = browse(Habits(seed=1, visits_a_day=95))
    parts = CUTS["by_chance"](month, 4)
    assert sum(map(breadth_ppm, parts)) > 1.3 * breadth_ppm(month), "else there is nothing to gain"
    assert 0 < income(world, parts) <= FULL_WEI * breadth_ppm(month) // PPM
    assert results(world)[-1] == ("refused", "given_before", "same_stream")


def test_a_part_of_what_was_given_whole_earns_nothing(world: HistoryHouse) -> None:
    month = browse(Habits(seed=1, visits_a_day=95))
    income(world, [month, month[::6]])
    assert [each[:2] for each in results(world)] == [("genuine", "person_month"), ("refused", "given_before")]


def test_one_month_of_a_quiet_person_in_parts_of_200_is_one_month(world: HistoryHouse) -> None:
    """The attack that once paid each of the parts as a month."""
    month = browse(Habits(seed=1, visits_a_day=45))
    parts = [part for part in CUTS["by_session"](month, 5) if len(part) >= HISTORY_ITEMS_MIN]
    assert len(parts) >= 4
    whole = FULL_WEI * breadth_ppm(month) // PPM
    assert income(world, parts) <= 1.05 * whole, "although no two of them are active at once"


@pytest.mark.parametrize("visits_a_day", [45, 200])
@pytest.mark.parametrize("circle", [ALONE, HOUSEHOLD, OFFICE, ONE_COMPUTER])
def test_people_who_live_or_work_together_are_two(circle: Circle, visits_a_day: int) -> None:
    for seed in range(2):
        a, b = together(seed, circle, visits_a_day=visits_a_day)
        assert not same_stream(spans_of(a, MARCH), spans_of(b, MARCH), MARCH)


def test_two_of_one_household_are_both_paid(world: HistoryHouse) -> None:
    a, b = together(1, HOUSEHOLD, visits_a_day=45)
    assert income(world, [a, b]) == sum(FULL_WEI * breadth_ppm(each) // PPM for each in (a, b))


@pytest.mark.parametrize("cut", ["in_turn", "by_chance", "by_host"])
@pytest.mark.parametrize(("visits_a_day", "parts"), [(45, 2), (45, 4), (200, 2), (200, 16)])
def test_parts_are_known_as_one_stream_however_thin(cut: str, visits_a_day: int, parts: int) -> None:
    month = browse(Habits(seed=3, visits_a_day=visits_a_day))
    first, *others = (spans_of(p, MARCH) for p in CUTS[cut](month, parts) if len(p) >= HISTORY_ITEMS_MIN)
    assert others
    assert all(same_stream(first, other, MARCH) for other in others)


@given(
    st.lists(st.integers(0, 31 * DAY_MS - 1), max_size=400),
    st.integers(1, 8),
    st.sampled_from(sorted(CUTS)),
)
def test_no_cut_and_no_forged_time_makes_more_of_a_month_than_its_visits(
    times: list[int], parts: int, cut: str
) -> None:
    moments = [Moment(BEGIN_MS + at, f"https://h{at % 7}.example/{at}") for at in sorted(times)]
    shares = [breadth_ppm(part) for part in CUTS[cut](moments, parts)] if moments else []
    assert sum(shares) * HISTORY_MONTH_VISITS <= len(moments) * PPM
    assert all(0 <= share <= PPM for share in shares)


def test_a_day_counts_so_far_and_a_month_once() -> None:
    day = [Moment(BEGIN_MS + i, "https://a.example") for i in range(HISTORY_DAY_VISITS_MAX)]
    assert breadth_ppm(day) == breadth_ppm(day * 9) == HISTORY_DAY_VISITS_MAX * PPM // HISTORY_MONTH_VISITS
    days = [Moment(each.at_ms + d * DAY_MS, each.url) for d in range(31) for each in day]
    assert breadth_ppm(days) == PPM


@given(st.integers(10**18, 10**24), st.lists(st.integers(1, PPM // 12), min_size=1, max_size=12))
def test_the_cap_of_a_person_is_no_reason_to_cut(pool: int, parts: list[int]) -> None:
    def paid(mine: list[int]) -> int:
        months = [Month(f"m{i}", f"{i}", payout_of(i), share) for i, share in enumerate(mine)]
        return sum(
            each.amount for each in allot(pool, [*months, Month("z", "z", payout_of(99))], PERSONAL)[:-1]
        )

    assert paid(parts) <= paid([sum(parts)])


def test_a_person_is_told_how_much_of_a_month_it_was(world: HistoryHouse) -> None:
    node = world.join(1)
    month = browse(Habits(seed=1, visits_a_day=30))
    world.give(node, month)
    world.days_pass(2)
    (told,) = person_statement(world.house, node.node_id)["months"]
    assert told["share_ppm"] == breadth_ppm(month) < PPM
    assert f"{told['share_ppm'] / PPM:.0%} of a full one" in told["sentence"]


# --- what is kept of it


def test_when_somebody_was_active_lies_sealed_and_goes_a_year_after_it_was_taken_back(
    world: HistoryHouse,
) -> None:
    node, month = world.join(1), browse(Habits(seed=1, visits_a_day=30))
    ids = world.give(node, month)
    world.days_pass(2)
    packed = pack_spans(spans_of(month, MARCH))
    assert unpack_spans(packed) == spans_of(month, MARCH)
    with world.house.state.read() as connection:
        (row,) = connection.execute(sa.select(month_spans)).all()
    assert packed not in row.sealed
    assert len(row.sealed) > len(packed)
    world.take_back(node, ids)
    world.work()
    world.days_pass(FINGERPRINT_MS / DAY_MS - 1)
    assert count(world, month_spans) == 1
    world.days_pass(2)
    assert count(world, month_spans) == 0


# --- framing: times forged so that a stranger's month is taken for a part of one's own


def framing(victim: list[Moment], own: list[Moment], known: int) -> list[Moment]:
    """Add a visit in so many of the ten minutes in which a victim is known to have been active."""
    times = sorted({each.at_ms // HISTORY_SPAN_MS for each in victim})[:: max(1, len(victim) // known // 2)]
    return own + [
        Moment(at * HISTORY_SPAN_MS + 1, f"https://x{i}.example") for i, at in enumerate(times[:known])
    ]


@pytest.mark.parametrize("visits_a_day", [45, 100, 200])
def test_who_knows_a_few_times_of_a_stranger_cannot_have_them_taken_for_one(visits_a_day: int) -> None:
    for seed in range(3):
        victim = browse(Habits(seed=100 + seed, visits_a_day=visits_a_day))
        own = browse(Habits(seed=500 + seed, visits_a_day=95))
        for month in (own, own[:HISTORY_ITEMS_MIN]):
            forged = spans_of(framing(victim, month, 10), MARCH)
            assert not same_stream(spans_of(victim, MARCH), forged, MARCH)


def test_who_knows_many_takes_no_more_than_what_they_are_paid_themselves(world: HistoryHouse) -> None:
    """Not prevented: it takes many known times and a month that passes; no more is lost than that month is worth."""
    victim = browse(Habits(seed=100, visits_a_day=95))
    forged = framing(victim, browse(Habits(seed=500, visits_a_day=45))[:HISTORY_ITEMS_MIN], 160)
    assert same_stream(spans_of(victim, MARCH), spans_of(forged, MARCH), MARCH)
    whole = FULL_WEI * min(breadth_ppm(victim), PPM - breadth_ppm(forged)) // PPM
    income(world, [forged, victim])
    assert held(world).get(f"held:{payout_of(2)}", 0) >= whole
    assert breadth_ppm(forged) <= PPM // 5


def test_who_gave_before_the_forger_loses_nothing(world: HistoryHouse) -> None:
    victim = browse(Habits(seed=100, visits_a_day=45))
    forged = framing(victim, browse(Habits(seed=500, visits_a_day=45))[:HISTORY_ITEMS_MIN], 160)
    income(world, [victim, forged])
    assert held(world)[f"held:{payout_of(1)}"] == FULL_WEI * breadth_ppm(victim) // PPM
