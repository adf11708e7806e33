"""The node's own pace: nobody can make it ask a host more often."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributor_node.egress.pacing import Pacer, PaceTable, pace_for
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PACE_WAIT_S_MAX

moments = st.lists(st.floats(0, 20), min_size=1, max_size=30)


@given(gaps=moments, pace_s=st.floats(0.1, 5))
def test_pages_of_one_host_are_never_closer_than_the_pace(gaps: list[float], pace_s: float) -> None:
    table, now_s, starts = PaceTable(), 0.0, []
    for gap_s in gaps:
        now_s += gap_s
        starts.append(table.reserve("a.example", now_s, pace_s))
        assert starts[-1] >= now_s
    assert all(later - earlier >= pace_s - 1e-9 for earlier, later in itertools.pairwise(starts))


@given(parts=st.integers(1, 30), pace_s=st.floats(0.1, 2))
def test_parts_come_closer_but_the_host_rests_for_each_of_them(parts: int, pace_s: float) -> None:
    table = PaceTable()
    page_s = table.reserve("a.example", 100.0, pace_s)
    starts = [table.reserve("a.example", page_s, pace_s, part=True) for _ in range(parts)]
    assert all(
        later - earlier >= pace_s / 10 - 1e-9
        for earlier, later in zip([page_s, *starts], starts, strict=False)
    )
    next_page_s = table.reserve("a.example", starts[-1], pace_s)
    assert next_page_s - page_s >= (1 + parts) * pace_s - 1e-6


def test_twenty_scripts_load_within_the_cap_at_the_slowest_usual_pace() -> None:
    table = PaceTable()
    table.reserve("a.example", 0.0, 2.0)
    assert max(table.reserve("a.example", 0.0, 2.0, part=True) for _ in range(20)) < 5.0


def test_hosts_do_not_wait_for_each_other() -> None:
    table = PaceTable()
    assert table.reserve("a.example", 5.0, 2.0) == table.reserve("b.example", 5.0, 2.0) == 5.0


def test_a_crawl_delay_slows_and_never_speeds_up() -> None:
    table = PaceTable()
    table.reserve("a.example", 0.0, 2.0)
    table.slow("a.example", 10)
    assert table.reserve("a.example", 0.0, 2.0) == 10.0
    table.slow("a.example", 0.01)
    assert table.reserve("a.example", 0.0, 2.0) == 20.0
    table.slow("b.example", 1e9)
    table.reserve("b.example", 0.0, 2.0)
    assert table.reserve("b.example", 0.0, 2.0) == 60.0


def test_a_turn_too_far_away_is_refused_and_not_taken() -> None:
    table = PaceTable()
    table.slow("a.example", 60)
    for turn in range(4):
        assert table.reserve("a.example", 0.0, 2.0) == turn * 60.0
    for _ in range(2):
        with pytest.raises(WindrowError) as caught:
            table.reserve("a.example", 0.0, 2.0)
        assert caught.value.code == "fetch_timeout"
    assert table.reserve("a.example", 60.0, 2.0) == 240.0


def test_the_debt_of_a_rendered_page_is_bounded() -> None:
    table = PaceTable()
    for _ in range(500):
        table.reserve("a.example", 0.0, 2.0, part=True)
    assert table.reserve("a.example", 0.0, 2.0) <= PACE_WAIT_S_MAX


def test_the_table_does_not_grow_for_ever() -> None:
    table = PaceTable()
    for number in range(20_000):
        table.reserve(f"h{number}.example", number * 10.0, 2.0)
    assert len(table._hosts) < 5_000


@pytest.mark.parametrize(
    ("listed", "wanted_s", "pace_s"),
    [(False, 0.0, 2.0), (False, 0.1, 2.0), (False, 7.0, 7.0), (True, 0.0, 0.1), (True, 0.5, 0.5)],
)
def test_only_hosts_the_owner_listed_may_be_asked_faster(
    listed: bool, wanted_s: float, pace_s: float
) -> None:
    assert pace_for(listed, wanted_s) == pace_s


async def test_the_pacer_waits_for_the_turn() -> None:
    loop = asyncio.get_running_loop()
    pacer = Pacer()
    began_s = loop.time()
    for _ in range(3):
        await pacer.turn("a.example", 0.1)
    assert loop.time() - began_s >= 0.19
