"""The same history under other names, and history that a program made up, earn nothing a second time or at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import history_world
import pytest
from history_world import BEGIN_MS, HistoryHouse, month, number_key, payout_of, person
from made_up_history import (
    counted_times,
    drawn_times,
    even_choice,
    invented_hosts,
    one_week_four_times,
    sleepless,
    stepped_sessions,
    whole_seconds,
)
from month_pay_world import (
    WEEK_DAYS,
    budget,
    count,
    held,
    paid_month,
    posted,
    results,
)
from real_house import Node

from extension_bridge.consent import DAY_MS
from rewards.personal.history_doubts import Moment
from rewards.personal.statement import person_statement
from storage.tables.person_months import (
    month_jobs,
    month_marks,
)
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import FINGERPRINT_MS, HISTORY_ITEMS_MIN, HISTORY_TRIES_MAX, OWN_ITEMS_MIN


@pytest.fixture
def world(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path / "house")


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


def test_an_archive_in_donations_too_small_to_be_marked_for_all_earns_once(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: few visits at a time, because those are marked for their giver alone; and again once taken back."""
    monkeypatch.setattr(history_world, "RECORDS", OWN_ITEMS_MIN - 1)
    archive = month(7)
    budget(world)
    first = world.join(1)
    given = world.give(first, archive)
    world.clock.at_ms += 1_000
    world.give(world.join(2), archive)
    world.days_pass(2)
    world.take_back(first, given)
    world.give(world.join(3), archive)
    world.days_pass(2)
    assert sorted(each[:2] for each in results(world)) == [
        ("genuine", "person_month"),
        *[("refused", "given_before")] * 2,
    ]


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


# --- made-up and repeated history


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


def test_an_archive_that_goes_from_hand_to_hand_is_paid_to_one_of_them(world: HistoryHouse) -> None:
    """Handed in, taken back before it was judged, handed in by another owner, and by the first again."""
    archive = month(5)
    budget(world)
    first, second = world.join(1, owner=payout_of(31)), world.join(2, owner=payout_of(32))
    world.take_back(first, world.give(first, archive))
    world.work()
    with pytest.raises(WindrowError, match="taken back"):
        world.give(second, jittered(archive, 1))
    world.give(second, thinned(archive, 1))
    world.days_pass(2)
    world.give(first, thinned(archive, 2))
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert [each[:2] for each in results(world)] == [
        ("genuine", "person_month"),
        ("refused", "given_before"),
    ]
    assert list(held(world)) == [f"held:{payout_of(2)}"]
    world.days_pass(31)
    world.take_back(second, world.personal.vault.held(second.node_id))
    world.give(world.join(3, owner=payout_of(33)), thinned(archive, 3))
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert results(world)[-1][:2] == ("refused", "given_before"), "nor to a third, once it was paid"
