"""Fields of messages whose form alone decides whether they are read."""

from __future__ import annotations

import msgspec
import pytest

from windrow_protocol.messages import Day


@pytest.mark.parametrize("day", ["2026-11-24", "1999-01-31"])
def test_a_day_is_read(day: str) -> None:
    assert msgspec.convert(day, Day) == day


@pytest.mark.parametrize(
    "day",
    ["٢٠٢٦-11-24", "2٠26-11-24", "2026-11-2４", "2026-11-24\n", "2026-13-01", "2026-1-24", "0026-11-24"],
)
def test_what_is_no_day_in_ascii_digits_is_refused(day: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(day, Day)
