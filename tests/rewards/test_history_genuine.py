"""A month that a program made up, or that was given before, is not paid; a person's month is. One attack, one test."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from history_world import NOW_MS, person
from hypothesis import given
from hypothesis import strategies as st
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

from rewards.personal.history_doubts import CHECKS, Moment, doubts_of, impossible_times
from rewards.personal.history_fingerprints import by_month, fingerprints, genuine_months, known_share
from windrow_protocol.limits import HISTORY_ITEMS_MIN, HISTORY_KNOWN_SHARE_MAX

DAY_MS = 86_400_000
KEY = bytes(range(32))


def codes(moments: list[Moment]) -> set[str]:
    return {doubt.code for doubt in doubts_of(moments, now_ms=NOW_MS)}


@pytest.mark.parametrize("seed", range(25))
def test_a_person_s_month_has_no_doubt(seed: int) -> None:
    assert codes(person(seed, shift_hours=seed % 24)) == set()


def from_tomorrow(moments: list[Moment]) -> list[Moment]:
    return [*moments, replace(moments[-1], at_ms=NOW_MS + DAY_MS)]


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (drawn_times, "even_gaps"),
        (counted_times, "even_gaps"),
        (stepped_sessions, "same_gaps"),
        (sleepless, "no_night"),
        (whole_seconds, "round_times"),
        (invented_hosts, "new_hosts"),
        (even_choice, "even_hosts"),
        (one_week_four_times, "copied_runs"),
        (from_tomorrow, "impossible_times"),
    ],
)
def test_what_a_program_makes_up_is_doubted(
    attack: Callable[[list[Moment]], list[Moment]], code: str
) -> None:
    assert sum(code in codes(attack(person(seed))) for seed in range(8)) >= 7


def test_a_source_without_fractions_may_have_whole_seconds() -> None:
    told = [replace(each, has_fractions=False) for each in whole_seconds(person(1))]
    assert codes(told) == set()


def test_a_short_month_is_not_judged() -> None:
    assert codes(counted_times(person(1)[: HISTORY_ITEMS_MIN - 1])) == set()


def months_paid(gifts: list[list[Moment]]) -> int:
    seen: set[bytes] = set()
    judged = [genuine_months(gift, key=KEY, seen=seen, now_ms=NOW_MS) for gift in gifts]
    return sum(not doubts for months in judged for doubts in months.values())


def jittered(moments: list[Moment], seed: int) -> list[Moment]:
    drawn = random.Random(seed)
    return [replace(each, at_ms=each.at_ms + drawn.randint(-2_000, 2_000)) for each in moments]


def thinned(moments: list[Moment], seed: int) -> list[Moment]:
    drawn = random.Random(seed)
    return [each for each in moments if drawn.random() > 0.25]


def moved(moments: list[Moment], seed: int) -> list[Moment]:
    return [replace(each, at_ms=each.at_ms + seed * 3_600_000 + seed) for each in moments]


def mixed(moments: list[Moment], seed: int) -> list[Moment]:
    own = person(1_000 + seed)
    return sorted([*moments, *own[: len(moments) // 4]], key=lambda each: each.at_ms)


@pytest.mark.parametrize("disguise", [lambda moments, seed: moments, jittered, thinned, moved, mixed])
def test_one_archive_under_ten_identities_earns_once(
    disguise: Callable[[list[Moment], int], list[Moment]],
) -> None:
    archive = person(7, days=29)
    assert months_paid([archive, *(disguise(archive, seed) for seed in range(1, 10))]) == 1


def test_ten_people_earn_ten_times() -> None:
    assert months_paid([person(seed, days=29) for seed in range(10)]) == 10


def test_half_an_archive_sold_later_as_another_earns_nothing() -> None:
    archive = person(3, days=29)
    assert months_paid([archive, archive[: len(archive) // 2], archive[len(archive) // 2 :]]) == 1


def test_people_have_little_in_common_and_copies_much() -> None:
    of = [fingerprints(KEY, person(seed)) for seed in range(6)]
    between = max(known_share(a, b) for i, a in enumerate(of) for b in of[:i])
    copied = min(known_share(fingerprints(KEY, thinned(person(seed), seed)), of[seed]) for seed in range(6))
    assert between < HISTORY_KNOWN_SHARE_MAX / 2
    assert copied > HISTORY_KNOWN_SHARE_MAX * 1.5


def test_digests_say_nothing_without_the_key_and_nothing_of_the_order_of_giving() -> None:
    moments = person(1)
    assert not fingerprints(KEY, moments) & fingerprints(bytes(32), moments)
    assert fingerprints(KEY, moments) == fingerprints(KEY, list(reversed(moments)))
    with pytest.raises(ValueError, match="32"):
        fingerprints(b"short", moments)


MOMENTS = st.lists(
    st.builds(Moment, st.integers(-(10**15), 10**15), st.text(max_size=12) | st.just("http://[::1")),
    max_size=30,
)


@given(MOMENTS)
def test_no_history_makes_a_check_fail(moments: list[Moment]) -> None:
    ordered = sorted(moments, key=lambda each: each.at_ms)
    impossible_times(ordered, NOW_MS)
    if len(ordered) > 1:
        for check in CHECKS:
            check(ordered)
    assert sum(map(len, by_month(moments).values())) == len(moments)
    assert 0 <= known_share(fingerprints(KEY, moments), set()) <= 1
