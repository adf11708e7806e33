"""A genuine month of history is paid once, from sales and budgets, and goes back while it can; whatever else is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from history_world import BEGIN_MS, HistoryHouse, month, number_key, payout_of, person, word
from hypothesis import given
from hypothesis import strategies as st
from real_house import Node

from extension_bridge.consent import DAY_MS
from rewards.accountant import run_accountant
from rewards.accounts import account_statement
from rewards.history_doubts import Moment
from rewards.ledger import Transfer, balance_of, balances, entries, post
from rewards.ledger_checks import verify_ledger
from rewards.month_jobs import MonthResult, judge, seal
from rewards.person_months import accept_result, job_of, open_jobs, run_person_months
from rewards.person_statement import person_statement
from rewards.personal_pay import Month, allot, fund, run_personal_pay
from rewards.rates import PERSONAL, WIND
from rewards.recompute import recompute
from rewards.royalties import run_royalties
from storage.person_month_tables import (
    export_months,
    month_jobs,
    month_marks,
    month_results,
    personal_months,
    personal_pending,
)
from storage.tables import sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import FINGERPRINT_MS, HISTORY_ITEMS_MIN, HISTORY_TRIES_MAX
from windrow_protocol.personal_messages import PersonalContribution
from windrow_protocol.trust_rules import PPM

BUDGET = 10_000 * WIND
CAP = BUDGET * PERSONAL.owner_share_ppm // PPM
WEEK_DAYS = PERSONAL.round_ms // DAY_MS


@pytest.fixture
def world(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path / "house")


def budget(world: HistoryHouse, amount: int = BUDGET, tx: str = "0x01") -> None:
    with world.house.state.write() as connection:
        fund(connection, amount, tx, world.house.now_ms())


def results(world: HistoryHouse) -> list[tuple[str, str, str]]:
    with world.house.state.read() as connection:
        rows = connection.execute(
            sa.select(month_results.c.verdict, month_results.c.reason, month_results.c.check_name)
            .join(month_jobs, month_jobs.c.job_id == month_results.c.job_id)
            .order_by(month_jobs.c.asked_at_ms, month_jobs.c.place)
        )
        return [tuple(row) for row in rows]


def held(world: HistoryHouse) -> dict[str, int]:
    return {name: amount for name, amount in folded(world).items() if name.startswith("held:") and amount}


def folded(world: HistoryHouse) -> dict[str, int]:
    with world.house.state.read() as connection:
        assert verify_ledger(connection) == []
        return balances(connection)


def posted(world: HistoryHouse, number: int) -> int:
    return folded(world).get(f"posted:{payout_of(number)}", 0)


def paid_month(world: HistoryHouse, number: int = 1) -> tuple[Node, list[str]]:
    """A person gives a month, and it is held as paid from a budget."""
    node = world.join(number)
    ids = world.give(node, month(number))
    budget(world)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert held(world) == {f"held:{payout_of(number)}": min(CAP, PERSONAL.month_wei_max)}
    return node, ids


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
    assert sum(held(world).values()) == min(CAP, PERSONAL.month_wei_max), "a later budget still pays it"


def test_more_bytes_and_more_visits_earn_no_more(world: HistoryHouse) -> None:
    short = month(1)
    long = month(3)
    assert len(long) != len(short)
    world.give(world.join(1), short[: HISTORY_ITEMS_MIN + 60])
    world.give(world.join(2), long, title="a long title " * 30)
    budget(world)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert len(set(held(world).values())) == 1
    assert len(held(world)) == 2


# --- the same archive again


def jittered(moments: list[Moment], seed: int) -> list[Moment]:
    drawn = random.Random(seed)
    return [replace(each, at_ms=each.at_ms + drawn.randint(-2_000, 2_000)) for each in moments]


def thinned(moments: list[Moment], seed: int) -> list[Moment]:
    drawn = random.Random(seed)
    return [each for each in moments if drawn.random() > 0.25]


def test_the_same_archive_under_ten_identities_earns_once(world: HistoryHouse) -> None:
    archive = month(7)
    budget(world)
    for number in range(1, 11):
        disguised = archive if number < 4 else (jittered if number < 7 else thinned)(archive, number)
        world.give(world.join(number), disguised)
        world.clock.at_ms += 1_000
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert [each[:2] for each in results(world)] == [("genuine", "person_month")] + 9 * [
        ("refused", "given_before")
    ]
    assert list(held(world)) == [f"held:{payout_of(1)}"], "whoever gave first"


def test_one_persons_month_from_three_nodes_is_one_month_whatever_their_payout_address(
    world: HistoryHouse,
) -> None:
    budget(world)
    archive = month(7)
    wallet = payout_of(99).lower()
    for number in (1, 2, 3):
        world.give(world.join(number, owner=wallet), archive[number - 1 :: 3])
    world.days_pass(2)
    assert len(results(world)) == 1


def test_nobody_spoils_or_reads_anothers_month_by_naming_their_payout_address(world: HistoryHouse) -> None:
    victim, spoiler = world.join(1), world.join(2, payout=payout_of(1))
    world.give(victim, month(1))
    world.give(spoiler, counted_times(person(1))[:250])
    world.days_pass(2)
    assert sorted(each[0] for each in results(world)) == ["genuine", "refused"]
    (read,) = person_statement(world.house, spoiler.node_id)["months"]
    assert (read["state"], read["items"]) == ("refused", 250)


def test_a_person_is_told_what_each_month_earned_and_when_it_is_theirs(world: HistoryHouse) -> None:
    node, _ = paid_month(world)
    world.give(world.join(2), counted_times(person(2)))
    (told,) = person_statement(world.house, node.node_id)["months"]
    assert told["state"] == "genuine"
    assert told["held_wei"] == str(sum(held(world).values()))
    world.clock.at_ms = told["posts_at_ms"]
    world.work()
    (told,) = person_statement(world.house, node.node_id)["months"]
    assert (told["held_wei"], told["posted_wei"]) == ("0", str(posted(world, 1)))
    (other,) = person_statement(world.house, Node(world.house, number_key(2)).node_id)["months"]
    assert (other["state"], other["reason"], other["posted_wei"]) == ("refused", "looks_made", "0")
    assert "program" in other["sentence"]
    assert person_statement(world.house, "0" * 64)["months"] == []


def test_what_was_paid_and_taken_back_is_not_paid_again_under_another_name(world: HistoryHouse) -> None:
    node, ids = paid_month(world)
    archive = thinned(jittered(month(1), 5), 5)
    world.take_back(node, ids)
    world.work()
    other = world.join(2)
    world.give(other, archive)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert results(world)[-1][:2] == ("refused", "given_before")
    world.give(node, archive)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert held(world) == {}, "nor to the person who took it back"


def test_marks_of_a_month_that_was_taken_back_go_after_a_year(world: HistoryHouse) -> None:
    node, ids = paid_month(world)
    world.take_back(node, ids)
    world.work()
    world.days_pass(FINGERPRINT_MS / DAY_MS - 1)
    assert count(world, month_marks) > 100
    world.days_pass(2)
    assert count(world, month_marks) == 0


def count(world: HistoryHouse, table: sa.Table) -> int:
    with world.house.state.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


# --- made-up and repeated history


def drawn_times(moments: list[Moment]) -> list[Moment]:
    drawn = random.Random(1)
    return [replace(each, at_ms=BEGIN_MS + drawn.randrange(29 * DAY_MS)) for each in moments]


def counted_times(moments: list[Moment]) -> list[Moment]:
    step = 29 * DAY_MS // len(moments)
    return [replace(each, at_ms=BEGIN_MS + i * step + i % 7) for i, each in enumerate(moments)]


def whole_seconds(moments: list[Moment]) -> list[Moment]:
    return [replace(each, at_ms=each.at_ms // 1_000 * 1_000) for each in moments]


def invented_hosts(moments: list[Moment]) -> list[Moment]:
    return [replace(each, url=f"https://h{i}.example/") for i, each in enumerate(moments)]


def even_choice(moments: list[Moment]) -> list[Moment]:
    drawn = random.Random(1)
    return [replace(each, url=f"https://h{drawn.randrange(40)}.example/{word(drawn)}") for each in moments]


def stepped_sessions(moments: list[Moment]) -> list[Moment]:
    drawn, at_ms, made = random.Random(1), BEGIN_MS, []
    for i, each in enumerate(moments):
        at_ms += drawn.randint(4, 9) * 3_600_000 if i % 20 == 0 else 30_000 + drawn.randint(0, 400)
        made.append(replace(each, at_ms=at_ms))
    return made


def sleepless(moments: list[Moment]) -> list[Moment]:
    begun = {
        each.at_ms // 3_600_000: random.Random(each.at_ms // 3_600_000).randrange(24) for each in moments
    }
    return [
        replace(each, at_ms=each.at_ms + (begun[each.at_ms // 3_600_000] - 12) * 3_600_000)
        for each in moments
        if each.at_ms > BEGIN_MS + DAY_MS
    ]


def one_week_four_times(moments: list[Moment]) -> list[Moment]:
    week = [each for each in moments if each.at_ms < BEGIN_MS + 7 * DAY_MS]
    drawn = random.Random(1)
    return [
        replace(each, at_ms=each.at_ms + copy * 7 * DAY_MS + drawn.randint(0, 900))
        for copy in range(4)
        for each in week
    ]


@pytest.mark.parametrize(
    ("attack", "check"),
    [
        (drawn_times, "even_gaps"),
        (counted_times, "even_gaps"),
        (whole_seconds, "round_times"),
        (invented_hosts, "new_hosts"),
        (even_choice, "even_hosts"),
        (stepped_sessions, "same_gaps"),
        (sleepless, "no_night"),
        (one_week_four_times, "copied_runs"),
    ],
)
def test_what_a_program_made_up_earns_nothing(
    world: HistoryHouse, attack: Callable[[list[Moment]], list[Moment]], check: str
) -> None:
    budget(world)
    world.give(world.join(1), attack(month(1)))
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    (only,) = results(world)
    assert only[:2] == ("refused", "looks_made")
    assert check in only[2]
    assert held(world) == {}
    assert count(world, month_marks) == 0, "what is not paid does not stand in a genuine month's way"


def test_who_tries_until_it_passes_is_stopped(world: HistoryHouse) -> None:
    node, made = world.join(1), counted_times(person(1))
    for start in range(HISTORY_TRIES_MAX + 2):
        world.give(node, made[start * 210 : (start + 1) * 210])
        world.days_pass(2)
    assert count(world, month_jobs) == HISTORY_TRIES_MAX
    world.days_pass(2)
    assert count(world, month_jobs) == HISTORY_TRIES_MAX


def test_the_same_donations_are_not_judged_twice(world: HistoryHouse) -> None:
    world.give(world.join(1), counted_times(month(1)))
    for _ in range(3):
        world.days_pass(2)
    assert count(world, month_jobs) == 1


def test_few_items_addresses_without_times_and_a_month_under_way_are_no_months(world: HistoryHouse) -> None:
    budget(world)
    world.give(world.join(1), month(1)[: HISTORY_ITEMS_MIN - 1])
    world.give(world.join(2), [replace(each, at_ms=0) for each in month(2)])
    world.give(world.join(3), person(3, days=9, begin_ms=BEGIN_MS + 31 * DAY_MS))  # april, and it is april
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert results(world) == []
    assert held(world) == {}


def test_a_month_to_which_something_is_still_added_waits(world: HistoryHouse) -> None:
    node, moments = world.join(1), month(1)
    world.give(node, moments[:300])
    world.days_pass(0.9)
    world.give(node, moments[300:])
    world.days_pass(0.9)
    assert results(world) == []
    world.days_pass(0.2)
    assert results(world) == [("genuine", "person_month", "")]


# --- caps


def test_one_person_gets_at_most_their_share_of_a_pool(world: HistoryHouse) -> None:
    node = world.join(1)
    for back_days in (0, 28, 59):  # march, february, january
        world.give(node, person(1 + back_days, days=12, begin_ms=BEGIN_MS - back_days * DAY_MS))
    budget(world, amount=1_000 * WIND)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert [each[0] for each in results(world)] == ["genuine"] * 3
    assert sum(held(world).values()) == 5 * WIND, "half a per cent of a thousand"


months = st.lists(st.integers(0, 30), max_size=60).map(
    lambda owners: [Month(f"m{i:031x}", f"{i:064x}", payout_of(owner)) for i, owner in enumerate(owners)]
)


@given(st.integers(0, 10**30), months, st.one_of(st.none(), st.integers(0, 10**24)))
def test_no_sharing_out_gives_more_than_there_is_or_than_a_person_may_have(
    pool: int, shared: list[Month], most: int | None
) -> None:
    parts = allot(pool, shared, month_wei_max=most)
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


def test_taking_one_thing_out_of_a_full_month_costs_nothing_and_too_much_does(world: HistoryHouse) -> None:
    node, ids = paid_month(world)
    world.take_back(node, ids[:1])
    world.work()
    assert held(world)
    while len(ids) > 2:
        world.take_back(node, [ids.pop()])
    world.work()
    assert held(world) == {}, f"fewer than {HISTORY_ITEMS_MIN} items are left"


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


def sell(world: HistoryHouse, jobs: list[str], royalties: int = 700 * WIND, number: int = 1) -> None:
    """Record a sale of an export of these months' rows."""
    with world.house.state.write() as connection:
        if number == 1:
            for job_id in jobs:
                values = {"dataset": "opt_in_browsing", "version": "0.1.0", "job_id": job_id, "rows": 3}
                connection.execute(sa.insert(export_months).values(**values))
        connection.execute(
            sa.insert(sales).values(
                sale_id=f"s{number:031x}",
                dataset="opt_in_browsing",
                version="0.1.0",
                export_id="e1",
                buyer=payout_of(500),
                asset="WIND",
                price=royalties + 300 * WIND,
                royalties=royalties,
                fees=300 * WIND,
                tx_hash="0x02",
                block=number,
                sold_at_ms=world.house.now_ms(),
            )
        )
    run_royalties(world.house)


def jobs_of(world: HistoryHouse) -> list[str]:
    with world.house.state.read() as connection:
        return sorted(connection.execute(sa.select(month_jobs.c.job_id)).scalars())


def test_a_sale_pays_the_months_it_sold_and_leaves_the_rest_for_others(world: HistoryHouse) -> None:
    for number in (1, 2, 3):
        world.give(world.join(number), month(number))
    world.days_pass(2)
    with world.house.state.read() as connection:
        sold = [each for each in jobs_of(world) if job_of(connection, each).payout_address != payout_of(3)]
    sell(world, sold)
    cap = 700 * WIND * PERSONAL.owner_share_ppm // PPM
    assert held(world) == {f"held:{payout_of(number)}": cap for number in (1, 2)}
    assert folded(world)["personal"] == 700 * WIND - 2 * cap
    assert folded(world)["treasury"] == 300 * WIND
    run_royalties(world.house)
    assert sum(held(world).values()) == 2 * cap, "a sale is paid once"
    world.days_pass(31)
    assert [posted(world, number) for number in (1, 2)] == [cap, cap]


def test_a_sale_pays_nobody_whose_month_was_taken_back_before_it(world: HistoryHouse) -> None:
    node = world.join(1)
    ids = world.give(node, month(1))
    world.days_pass(2)
    world.take_back(node, ids)
    sell(world, jobs_of(world))
    assert held(world) == {}
    assert folded(world)["personal"] == 700 * WIND


# --- jobs and results


@pytest.fixture
def job_world(world: HistoryHouse) -> HistoryHouse:
    world.give(world.join(1), month(1))
    world.give(world.join(2), month(2))
    world.clock.at_ms += 2 * DAY_MS
    assert open_jobs(world.house) == 2
    return world


def result_of(world: HistoryHouse, job_id: str) -> tuple[MonthResult, frozenset[bytes]]:
    with world.house.state.read() as connection:
        job = job_of(connection, job_id)
    donations = [
        msgspec.json.decode(world.personal.vault.read(each), type=PersonalContribution)
        for each in job.donations
    ]
    judged = judge(
        job,
        donations,
        key=world.house.keyed("history_marks"),
        known=lambda _: set(),
        now_ms=world.house.now_ms(),
    )
    return judged.result, judged.marks


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(WindrowError) as refusal:
        work()
    return refusal.value.code


def test_a_result_is_taken_once(job_world: HistoryHouse) -> None:
    first, _ = jobs_of(job_world)
    result, marks = result_of(job_world, first)
    token = seal(result, job_world.house.sign)
    accept_result(job_world.house, token, marks, job_id=first)
    assert code_of(lambda: accept_result(job_world.house, token, marks, job_id=first)) == "replayed"
    assert count(job_world, month_results) == 1


def test_a_result_of_another_job_nonce_target_or_signer_is_refused(job_world: HistoryHouse) -> None:
    house, (first, second) = job_world.house, jobs_of(job_world)
    result, marks = result_of(job_world, first)
    token = seal(result, house.sign)
    assert code_of(lambda: accept_result(house, token, marks, job_id=second)) != "replayed"
    for change in ({"nonce": "0" * 32}, {"target_sha256": "0" * 64}, {"job_id": second}):
        wrong = msgspec.structs.replace(result, **change)
        wrong_token = house.sign("person_month", first, msgspec.structs.asdict(wrong))
        assert code_of(partial(accept_result, house, wrong_token, marks, job_id=first)) == "wrong_target"
    assert code_of(lambda: accept_result(house, token, marks | {b"12345678"}, job_id=first)) == "wrong_target"
    for_else = house.sign("verdict", first, msgspec.structs.asdict(result))
    by_else = HistoryHouse(job_world.folder.parent / "else").house.sign(
        "person_month", first, msgspec.structs.asdict(result)
    )
    for forged in (for_else, by_else):
        with pytest.raises(WindrowError):
            accept_result(house, forged, marks, job_id=first)
    assert code_of(lambda: accept_result(house, token, marks, job_id="m" + "0" * 31)) == "not_found"
    assert count(job_world, month_results) == 0


def test_a_donation_that_is_not_what_its_id_says_is_no_part_of_a_month(job_world: HistoryHouse) -> None:
    first, _ = jobs_of(job_world)
    with job_world.house.state.read() as connection:
        job = job_of(connection, first)
    donations = [
        msgspec.json.decode(job_world.personal.vault.read(each), type=PersonalContribution)
        for each in job.donations
    ]
    swapped = [
        msgspec.structs.replace(
            each, records=[msgspec.structs.replace(r, url=r.url + "/x") for r in each.records]
        )
        for each in donations
    ]
    told = judge(job, swapped, key=bytes(32), known=lambda _: set(), now_ms=0).result
    assert (told.verdict, told.reason, told.items) == ("refused", "too_few_items", 0)
    twice = judge(job, donations * 2, key=bytes(32), known=lambda _: set(), now_ms=0).result
    once = judge(job, donations, key=bytes(32), known=lambda _: set(), now_ms=0).result
    assert twice.items == once.items


def test_a_crash_between_job_and_result_is_judged_again_under_the_same_nonce(job_world: HistoryHouse) -> None:
    before = jobs_of(job_world)
    assert run_person_months(job_world.house, job_world.personal.vault.read) == 2
    assert jobs_of(job_world) == before
    assert [each[0] for each in results(job_world)] == ["genuine", "genuine"]


def test_what_is_taken_back_between_job_and_result_does_not_count(job_world: HistoryHouse) -> None:
    with job_world.house.state.read() as connection:
        job = job_of(connection, jobs_of(job_world)[0])
        node_id = connection.execute(
            sa.select(personal_months.c.node_id).where(personal_months.c.contribution_id == job.donations[0])
        ).scalar_one()
    with job_world.house.state.write() as connection:
        job_world.personal.withdrawals._take_out(
            connection, node_id, list(job.donations), "withdrawn", "", ""
        )
    run_person_months(job_world.house, job_world.personal.vault.read)
    assert sorted(each[1] for each in results(job_world)) == ["person_month", "too_few_items"]


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
