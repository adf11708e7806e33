"""Weekly hours: read as written, open exactly then, and the next opening is the first open minute."""

from __future__ import annotations

from datetime import datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from contributor_node.owner.schedule import DAYS, Schedule

MONDAY = datetime(2026, 11, 2)


@pytest.mark.parametrize(
    ("text", "moment", "is_open"),
    [
        ("", "2026-11-04 03:00", True),
        ("mon-fri 22:00-07:00", "2026-11-02 21:59", False),
        ("mon-fri 22:00-07:00", "2026-11-02 22:00", True),
        ("mon-fri 22:00-07:00", "2026-11-07 06:59", True),  # Friday's night ends on Saturday
        ("mon-fri 22:00-07:00", "2026-11-07 07:00", False),
        ("mon-fri 22:00-07:00", "2026-11-02 03:00", False),  # Sunday's night is none
        ("sun 22:00-07:00", "2026-11-02 03:00", True),  # over the end of the week
        ("sat,sun 00:00-24:00", "2026-11-08 23:59", True),
        ("sat,sun 00:00-24:00", "2026-11-09 00:00", False),
        ("fri-mon 10:00-11:00", "2026-11-09 10:30", True),
        ("9:30-10:00", "2026-11-05 09:45", True),
        ("MON 9:30-10:00 ; tue 12:00-12:00", "2026-11-03 23:00", True),
    ],
)
def test_it_is_open_as_written(text: str, moment: str, is_open: bool) -> None:
    assert Schedule.parse(text).is_open(datetime.fromisoformat(moment)) is is_open


@pytest.mark.parametrize(
    "text",
    [
        "always",
        "mon",
        "mon 9-5",
        "xyz 09:00-10:00",
        "25:00-26:00",
        "10:60-11:00",
        "mon- 1:00-2:00",
        "9:00-24:01",
    ],
)
def test_a_mistake_is_refused_with_an_example_or_the_days(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|the days are"):
        Schedule.parse(text)


spans = st.tuples(
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=3), st.integers(0, 1_439), st.integers(0, 1_439)
)


@given(st.lists(spans, min_size=1, max_size=4), st.integers(0, 10_079))
def test_the_next_opening_is_the_first_open_minute(
    written: list[tuple[list[str], int, int]], minute: int
) -> None:
    text = ";".join(
        f"{','.join(days)} {start // 60}:{start % 60:02}-{end // 60}:{end % 60:02}"
        for days, start, end in written
    )
    schedule, moment = Schedule.parse(text), MONDAY + timedelta(minutes=minute)
    found = schedule.next_opening(moment)
    first = next(n for n in range(10_081) if schedule.is_open(moment + timedelta(minutes=n)))
    assert found == moment + timedelta(minutes=first)
