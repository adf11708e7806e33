"""A genuine month of history is paid once, from sales and budgets, and goes back while it can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from history_world import BEGIN_MS, RECORDS, HistoryHouse, month, payout_of, person
from hypothesis import given
from hypothesis import strategies as st
from month_pay_world import (
    BUDGET,
    CAP,
    WEEK_DAYS,
    budget,
    folded,
    held,
    jobs_of,
    paid_month,
    part_of,
    posted,
    results,
    sell,
)

from bench.history_model.people import Habits, browse
from extension_bridge.consent import DAY_MS
from rewards.accountant import run_accountant
from rewards.accounts import account_statement
from rewards.epochs.recompute import recompute
from rewards.ledger import Transfer, balance_of, entries, post
from rewards.ledger_checks import verify_ledger
from rewards.personal.month_breadth import breadth_ppm
from rewards.personal.months import job_of
from rewards.personal.pay import Month, allot, run_personal_pay
from rewards.rates import PERSONAL, WIND
from rewards.royalties import run_royalties
from storage.tables.person_months import (
    personal_pending,
)
from windrow_protocol.limits import HISTORY_ITEMS_MIN, HISTORY_MONTH_VISITS
from windrow_protocol.trust_rules import PPM


@pytest.fixture
def world(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path / "house")


def test_a_genuine_month_is_paid_after_thirty_days_and_not_a_moment_before(world: HistoryHouse) -> None:
    paid_month(world)
    amount = sum(held(world).values())
    with world.house.state.read() as connection:
        at_ms = connection.execute(sa.select(personal_pending.c.held_at_ms)).scalar_one()
    world.clock.at_ms = at_ms + PERSONAL.pending_ms - 1
    world.work()
    assert posted(world, 1) == 0
    world.clock.at_ms += 1
    world.work()
    assert posted(world, 1) == amount > 0
    assert held(world) == {}
    world.days_pass(60)
    assert posted(world, 1) == amount, "a month is paid once by a budget"


def test_nothing_of_it_is_emission_and_the_wei_are_all_there(world: HistoryHouse) -> None:
    paid_month(world)
    run_accountant(world.house)
    world.days_pass(31)
    sums = folded(world)
    assert sums.get("emission", 0) == 0
    assert sums["personal"] + posted(world, 1) == BUDGET == -sums["buyers"]
    with world.house.state.read() as connection:
        lines = "".join(entry.ndjson() for entry in entries(connection))
        assert any(entry.reason == "personal_by_sales" and not entry.amount for entry in entries(connection))
    assert recompute(lines, "WIND").total == posted(world, 1), "and a second implementation counts the same"


def test_without_a_sale_or_a_budget_nobody_is_paid(world: HistoryHouse) -> None:
    world.give(world.join(1), month(1))
    world.days_pass(2)
    world.days_pass(40)
    assert results(world) == [("genuine", "person_month", "")]
    assert folded(world) == {}
    budget(world)
    world.days_pass(WEEK_DAYS)
    assert sum(held(world).values()) == part_of(min(CAP, PERSONAL.month_wei_max), 1), (
        "a later budget still pays it"
    )


@pytest.mark.parametrize("dust_wei", [1, WIND])
def test_dust_does_not_use_up_what_a_later_budget_pays_a_month(world: HistoryHouse, dust_wei: int) -> None:
    """Each month is paid from budgets once: whoever buys a cheap export every week must not spend that turn."""
    world.give(world.join(1), month(1))
    budget(world, amount=dust_wei, tx="0xd5")
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert held(world) == {}, "it waits"
    assert folded(world)["personal"] == dust_wei
    budget(world)
    world.days_pass(WEEK_DAYS)
    assert sum(held(world).values()) == part_of(min(CAP, PERSONAL.month_wei_max), 1)


def test_more_bytes_earn_no_more(world: HistoryHouse) -> None:
    short = month(1)
    long = [replace(each, url=each.url.replace("common", "popular").replace("own", "mine")) for each in short]
    world.give(world.join(1), short)
    world.give(
        world.join(2), [replace(each, at_ms=each.at_ms + 3 * DAY_MS) for each in long], title="long " * 20
    )
    budget(world)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert list(held(world).values()) == 2 * [part_of(min(CAP, PERSONAL.month_wei_max), 1)]


# --- caps


def test_one_person_gets_at_most_their_share_of_a_pool(world: HistoryHouse) -> None:
    node = world.join(1)
    for back_days in (0, 28, 59):  # march, february, january
        world.give(node, person(1 + back_days, days=12, begin_ms=BEGIN_MS - back_days * DAY_MS))
    budget(world, amount=1_000 * WIND)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert [each[0] for each in results(world)] == ["genuine"] * 3
    assert 3 * WIND < sum(held(world).values()) <= 5 * WIND, "half a per cent of a thousand"


months = st.lists(st.tuples(st.integers(0, 30), st.integers(1, PPM)), max_size=60).map(
    lambda owners: [
        Month(f"m{i:031x}", f"{i:064x}", payout_of(owner), share) for i, (owner, share) in enumerate(owners)
    ]
)


@given(st.integers(0, 10**30), months, st.one_of(st.none(), st.integers(0, 10**24)))
def test_no_sharing_out_gives_more_than_there_is_or_than_a_person_may_have(
    pool: int, shared: list[Month], most: int | None
) -> None:
    parts = allot(pool, shared, PERSONAL, month_wei_max=most)
    assert len(parts) == len(shared)
    assert sum(each.amount for each in parts) <= pool
    by_person: dict[str, int] = {}
    for each in parts:
        assert isinstance(each.amount, int)
        assert 0 <= each.amount <= (pool if most is None else most)
        whose = each.month.payout_address
        by_person[whose] = by_person.get(whose, 0) + each.amount
    assert all(amount <= pool * PERSONAL.owner_share_ppm // PPM for amount in by_person.values())


def test_a_round_is_shared_out_once_and_the_rest_waits_for_the_next(world: HistoryHouse) -> None:
    paid_month(world)
    before = folded(world)["personal"]
    for _ in range(3):
        world.work()
    assert folded(world)["personal"] == before
    world.give(world.join(2), month(2))
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert len(held(world)) == 2


def test_a_budget_is_entered_once_for_its_transaction(world: HistoryHouse) -> None:
    for _ in range(2):
        budget(world, tx="0xaa")
    assert folded(world)["personal"] == BUDGET


# --- taking back


def test_a_month_that_is_taken_back_in_time_is_not_paid(world: HistoryHouse) -> None:
    node, ids = paid_month(world)
    world.take_back(node, ids)
    world.days_pass(31)  # back and release fall due at once: going back comes first
    assert posted(world, 1) == 0
    assert held(world) == {}
    assert folded(world)["personal"] == BUDGET
    with world.house.state.read() as connection:
        told = account_statement(world.house, connection, payout_of(1), limit=100)
    assert told["totals"]["earned_wei"] == "0"
    assert {(each["kind"], each["reason"]) for each in told["entries"] if each["amount_wei"] != "0"} == {
        ("earned", "person_month"),
        ("taken", "month_withdrawn"),
    }


def test_taking_one_thing_out_is_free_and_too_much_takes_all(world: HistoryHouse) -> None:
    node, ids = paid_month(world, 2)
    before = held(world)
    world.take_back(node, ids[-1:])  # the last has fewer than a tenth of the month's visits
    world.work()
    assert held(world) == before
    while len(ids) > 1:
        world.take_back(node, [ids.pop()])
    world.work()
    assert held(world) == {}, f"fewer than {HISTORY_ITEMS_MIN} items are left"


def test_who_takes_a_full_month_back_down_to_the_least_that_is_one_keeps_the_pay_of_that(
    world: HistoryHouse,
) -> None:
    """The attack: a full month is judged, and nearly all of it is taken back before anybody could have it."""
    full = browse(Habits(seed=1, visits_a_day=95))
    node = world.join(1)
    ids = world.give(node, full)
    budget(world)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    whole = sum(held(world).values())
    assert whole == min(CAP, PERSONAL.month_wei_max) * breadth_ppm(full) // PPM
    left, last = sum(RECORDS for _ in ids), whole
    while left > 400:
        taken, ids = ids[: len(ids) // 4 or 1], ids[len(ids) // 4 or 1 :]
        world.take_back(node, taken)
        left -= RECORDS * len(taken)
        world.work()
        now = sum(held(world).values())
        assert now <= last, "it never comes back"
        assert now <= min(CAP, PERSONAL.month_wei_max) * left * 10 // (9 * HISTORY_MONTH_VISITS)
        last = now
    assert 0 < last < whole // 4
    assert folded(world)["personal"] == BUDGET - last, "for other months"
    world.days_pass(31)
    assert posted(world, 1) == last


def test_a_sale_after_most_was_taken_back_pays_what_is_left_of_it(world: HistoryHouse) -> None:
    node, ids = paid_month(world)
    world.take_back(node, ids[:2])
    world.work()
    sell(world, jobs_of(world))
    world.days_pass(31)
    left = 3 * RECORDS
    share = 700 * WIND * PERSONAL.owner_share_ppm // PPM + min(CAP, PERSONAL.month_wei_max)
    assert 0 < posted(world, 1) <= share * left * 10 // (9 * HISTORY_MONTH_VISITS)


def test_what_was_paid_out_stays_paid(world: HistoryHouse) -> None:
    node, ids = paid_month(world)
    world.days_pass(31)
    before = posted(world, 1)
    world.take_back(node, ids)
    world.days_pass(40)
    assert posted(world, 1) == before > 0


def test_a_gift_for_a_day_is_over_before_its_pay_and_earns_nothing(world: HistoryHouse) -> None:
    budget(world)
    world.give(world.join(1), month(1), days=12)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert held(world)
    world.clock.at_ms += 10 * DAY_MS
    world.personal.withdrawals.expire()
    world.days_pass(31)
    assert posted(world, 1) == 0
    assert held(world) == {}


# --- sales


def test_a_sale_pays_the_months_it_sold_and_leaves_the_rest_for_others(world: HistoryHouse) -> None:
    for number in (1, 2, 3):
        world.give(world.join(number), month(number))
    world.days_pass(2)
    with world.house.state.read() as connection:
        sold = [each for each in jobs_of(world) if job_of(connection, each).payout_address != payout_of(3)]
    sell(world, sold)
    cap = 700 * WIND * PERSONAL.owner_share_ppm // PPM
    paid = {f"held:{payout_of(number)}": part_of(cap, number) for number in (1, 2)}
    assert held(world) == paid
    assert folded(world)["personal"] == 700 * WIND - sum(paid.values())
    assert folded(world)["treasury"] == 300 * WIND
    run_royalties(world.house)
    assert held(world) == paid, "a sale is paid once"
    world.days_pass(31)
    assert [posted(world, number) for number in (1, 2)] == [part_of(cap, number) for number in (1, 2)]


def test_a_sale_pays_nobody_whose_month_was_taken_back_before_it(world: HistoryHouse) -> None:
    node = world.join(1)
    ids = world.give(node, month(1))
    world.days_pass(2)
    world.take_back(node, ids)
    sell(world, jobs_of(world))
    assert held(world) == {}
    assert folded(world)["personal"] == 700 * WIND


# --- the books notice


def test_the_books_notice_pay_that_is_held_for_nothing_and_emission_for_history(world: HistoryHouse) -> None:
    paid_month(world)
    with world.house.state.write() as connection:
        connection.execute(sa.delete(personal_pending))
    with world.house.state.read() as connection:
        assert {problem.check for problem in verify_ledger(connection)} == {"held_follows"}
    with world.house.state.write() as connection:
        account = f"held:{payout_of(1)}"
        post(connection, [Transfer("emission", account, 1, "c1", "x", "person_month", created_at_ms=1)])
    with world.house.state.read() as connection:
        assert "moves_are_steps" in {problem.check for problem in verify_ledger(connection)}
        assert balance_of(connection, account) > 1


def test_pay_is_the_same_whatever_is_run_again(world: HistoryHouse) -> None:
    paid_month(world)
    world.days_pass(31)
    before = folded(world)
    for _ in range(3):
        run_personal_pay(world.house)
        run_royalties(world.house)
        run_accountant(world.house)
    assert {name: amount for name, amount in folded(world).items() if amount} == {
        name: amount for name, amount in before.items() if amount
    }
