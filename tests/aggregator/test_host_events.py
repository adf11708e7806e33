"""Which hosts are hard: no single operator can make one, and an outage of ours makes none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from real_house import words_of

from aggregator.verification.standings.host_events import host_event
from aggregator.verification.standings.hosts import HostEvent, HostStanding, observe_host

PAGE, OTHER, THIRD = words_of(1), words_of(2), words_of(3)


def folded(events: list[HostEvent | None]) -> HostStanding:
    host = HostStanding()
    for event in events:
        if event is not None:
            host, _ = observe_host(host, event)
    return host


def seen(*truths: tuple[str, str], refused: tuple[str, ...] = (), operators: int = 3) -> HostEvent | None:
    return host_event(1, truths=truths, refused=refused, operators=operators)


def test_a_lying_operator_hardens_no_host_however_often_it_lies() -> None:
    with_north = seen(("north", PAGE), ("liar", OTHER))
    with_south = seen(("liar", THIRD), ("south", PAGE))
    among_three = seen(("north", PAGE), ("south", PAGE), ("liar", OTHER))
    assert not folded([with_north, with_south, among_three] * 10).hard


def test_a_page_that_differs_for_everybody_makes_its_host_hard() -> None:
    assert (
        folded([seen(("north", PAGE), ("south", OTHER)), seen(("south", PAGE), ("west", OTHER))]).troubles
        == 2
    )
    rounds = [("north", "south"), ("south", "west"), ("west", "north")]
    one_each = [seen((a, PAGE), (b, OTHER)) for a, b in rounds]
    assert not folded(one_each).hard, "one of the three could lie in two of them"
    assert folded([*one_each, *one_each]).hard
    assert folded([seen(("north", PAGE), ("south", OTHER), ("west", THIRD))] * 2).hard


def test_a_single_operator_is_believed() -> None:
    assert folded([seen(("only", PAGE), ("only", OTHER), operators=1)] * 2).hard


@pytest.mark.parametrize("operators", [1, 3])
def test_an_outage_of_ours_says_nothing_about_hosts(operators: int) -> None:
    assert seen(operators=operators) is None


def test_one_operator_that_is_always_refused_hardens_nothing() -> None:
    assert not folded([seen(refused=("north", "north"))] * 10).hard
    assert folded([seen(refused=("north", "south"))] * 2).hard


def test_one_truth_alone_says_nothing() -> None:
    assert seen(("north", PAGE)) is None


def test_truths_that_agree_measure_their_excess_and_ease_the_host() -> None:
    hard = folded([seen(("north", PAGE), ("south", OTHER), ("west", THIRD))] * 2)
    events = [seen(("north", PAGE), ("south", PAGE + " and a banner of today on top"))] * 5
    host = hard
    for event in events:
        assert event is not None
        host, _ = observe_host(host, event)
    assert not host.hard
    assert 0 < host.excess < 0.1
    assert host.measures == 5


def test_the_first_measure_counts_whole_and_later_ones_by_their_number() -> None:
    measures = [0.2, 0.1, 0.3]
    hosts = [folded([HostEvent("agree", 1, excess=each) for each in measures[:n]]) for n in range(1, 4)]
    assert [round(host.excess, 9) for host in hosts] == [0.2, 0.15, 0.2]
    assert all(a.measures + 1 == b.measures for a, b in pairwise(hosts))
