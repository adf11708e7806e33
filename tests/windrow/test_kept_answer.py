"""What everybody may ask for is worked out once for all of them, and seldom where it costs much."""

from __future__ import annotations

import asyncio

import pytest

from windrow.kept_answer import KEPT_MS_MIN, TIMES_ITS_COST, KeptAnswer


class Costly:
    """An answer that takes some time to work out: how often it was, and a clock that only this moves."""

    def __init__(self, cost_ms: int) -> None:
        self.time_ms, self.cost_ms, self.times, self.broken = 10, cost_ms, 0, False

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep(self, wait_s: float) -> None:
        self.time_ms += int(wait_s * 1000)

    async def work_out(self) -> int:
        await asyncio.sleep(0)  # others ask meanwhile
        self.time_ms += self.cost_ms
        self.times += 1
        if self.broken:
            raise OSError("disk")
        return self.times


@pytest.mark.parametrize(
    ("cost_ms", "kept_ms"), [(0, KEPT_MS_MIN), (3, KEPT_MS_MIN), (2_000, TIMES_ITS_COST * 2_000)]
)
async def test_it_is_kept_for_as_long_as_it_cost(cost_ms: int, kept_ms: int) -> None:
    costly = Costly(cost_ms)
    answer = KeptAnswer(costly, costly.work_out)
    assert await asyncio.gather(*(answer() for _ in range(100))) == [1] * 100
    costly.time_ms += kept_ms - 1
    assert await answer() == 1
    costly.time_ms += 1
    assert await answer() == 2


async def test_a_failure_is_told_and_not_kept() -> None:
    costly = Costly(5)
    answer = KeptAnswer(costly, costly.work_out)
    costly.broken = True
    with pytest.raises(OSError, match="disk"):
        await answer()
    costly.broken = False
    assert await answer() == 2
