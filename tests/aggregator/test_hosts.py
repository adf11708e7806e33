"""Hosts: when they become hard and easy again, that nobody is blamed for one, and that no single operator makes one."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.verification.standings.hosts import (
    AGREEMENTS_TO_EASE,
    TROUBLES_TO_HARDEN,
    HostEvent,
    HostStanding,
    observe_host,
)

AGREE = HostEvent("agree", 1)
DISAGREE = HostEvent("disagree", 1)
EVENTS = st.builds(
    HostEvent,
    kind=st.sampled_from(["agree", "disagree", "unavailable", "mismatch", "match"]),
    epoch_id=st.integers(0, 3),
    group=st.sampled_from(["p1", "p2", "p3"]),
    contribution_id=st.uuids().map(str),
    excess=st.floats(0, 1),
    suspects=st.sampled_from([(), ("north",), ("south",), ("north", "south")]),
)


def after(events: list[HostEvent]) -> HostStanding:
    return reduce(lambda host, event: observe_host(host, event)[0], events, HostStanding())


def mismatch(group: str, contribution_id: str, epoch_id: int = 1) -> HostEvent:
    return HostEvent("mismatch", epoch_id, group, contribution_id)


def test_troubles_harden_when_they_are_enough_and_more_than_agreements() -> None:
    assert not after([DISAGREE] * (TROUBLES_TO_HARDEN - 1)).hard
    assert after([DISAGREE] * TROUBLES_TO_HARDEN).hard
    assert not after([AGREE, AGREE, DISAGREE, DISAGREE]).hard
    assert not after([DISAGREE, HostEvent("disagree", 2)]).hard  # counted by epoch
    assert after([HostEvent("unavailable", 1)] * TROUBLES_TO_HARDEN).hard


def test_one_operator_alone_makes_no_host_hard() -> None:
    lies = [HostEvent("disagree", 1, suspects=("ring",))] * 10
    assert not after(lies).hard
    assert not after([*lies, DISAGREE]).hard, "one trouble that is real does not make a liar's others real"
    assert after([*lies, DISAGREE, DISAGREE]).hard  # two that nobody alone explains


def test_two_unrelated_mismatches_are_both_void_and_two_related_ones_are_not() -> None:
    host, voided = observe_host(after([mismatch("p1", "a")]), mismatch("p1", "b"))
    assert (host.hard, voided) == (False, ())
    host, voided = observe_host(host, mismatch("p2", "c"))
    assert host.hard
    assert set(voided) == {"a", "b", "c"}
    host, voided = observe_host(after([mismatch("p1", "a", 1)]), mismatch("p2", "b", 2))
    assert (host.hard, voided) == (False, ())


def test_a_hard_host_is_easy_again_after_agreements_in_a_row() -> None:
    hard = [DISAGREE] * TROUBLES_TO_HARDEN
    assert after([*hard, *[AGREE] * (AGREEMENTS_TO_EASE - 1)]).hard
    assert not after([*hard, *[AGREE] * AGREEMENTS_TO_EASE]).hard
    broken = [*[AGREE] * (AGREEMENTS_TO_EASE - 1), DISAGREE, *[AGREE] * (AGREEMENTS_TO_EASE - 1)]
    assert after([*hard, *broken]).hard


def test_what_readers_made_hard_readers_make_easy() -> None:
    match, hard = HostEvent("match", 1), [mismatch("p1", "a"), mismatch("p2", "b")]
    assert after([*hard, *[match] * (AGREEMENTS_TO_EASE - 1)]).hard
    assert not after([*hard, *[match] * (AGREEMENTS_TO_EASE - 2), AGREE, match]).hard
    assert after([*hard, *[match] * 4, mismatch("p3", "c"), *[match] * 4]).hard
    troubled = [DISAGREE] * TROUBLES_TO_HARDEN
    assert after([*troubled, *[match] * 20]).hard, (
        "that one reader agrees with one truth says nothing of two truths"
    )
    assert after([*troubled, *hard, *[match] * 20]).hard
    assert after([*hard, *troubled, *[match] * 20]).hard


def test_where_readers_differ_and_truths_do_not_a_host_is_disputed_until_truths_differ_too() -> None:
    """One lie of one operator does not make of it a host of which nothing can be known."""
    readers = [mismatch("p1", "a"), mismatch("p2", "b")]
    assert after(readers).disputed
    assert not after([mismatch("p1", "a")]).disputed
    assert after([*readers, DISAGREE]).disputed
    assert not after([*readers, *[DISAGREE] * TROUBLES_TO_HARDEN]).disputed
    assert not after([*[DISAGREE] * TROUBLES_TO_HARDEN, *readers]).disputed
    assert not after([*readers, *[AGREE] * AGREEMENTS_TO_EASE]).disputed
    assert not after([*readers, DISAGREE, *[HostEvent("match", 1)] * AGREEMENTS_TO_EASE]).hard


def test_the_excess_is_a_running_mean_that_begins_with_its_first_measure() -> None:
    assert after([HostEvent("agree", 1, excess=0.3)]).excess == pytest.approx(0.3)
    assert after(
        [HostEvent("agree", 1, excess=0.3), HostEvent("agree", 1, excess=0.1)]
    ).excess == pytest.approx(0.2)


@given(st.lists(EVENTS, max_size=40))
def test_what_always_holds(events: list[HostEvent]) -> None:
    host = HostStanding()
    for event in events:
        host, voided = observe_host(host, event)
        assert 0 <= host.excess <= 1
        assert not voided or (host.hard and event.contribution_id in voided)
        assert host.hard or not host.disputed
        assert host.epoch_id == event.epoch_id
