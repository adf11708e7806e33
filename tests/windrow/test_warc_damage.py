"""Where reading goes on behind damage: found wherever it lies, and never looked for twice in the same bytes."""

from __future__ import annotations

import io

import pytest
from warc_files import members, pages

from windrow.warc.damage import next_record
from windrow_protocol.limits import WARC_FALSE_STARTS_MAX

MAGIC = b"\x1f\x8b\x08"
PORTION = 1 << 20


class Counted(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize(
    "before", [1, PORTION - 4_097, PORTION - 4_096, PORTION - 2, PORTION, 3 * PORTION + 1]
)
def test_a_record_is_found_wherever_the_portions_end(before: int) -> None:
    file = io.BytesIO(b"x" * (before + 1) + members(*pages(1)))
    assert next_record(file, behind=0) == before + 1


def test_the_last_record_is_found_when_nothing_is_behind_it() -> None:
    assert next_record(io.BytesIO(b"x" * 9 + members(*pages(1))), behind=8) == 9


def test_false_starts_cost_one_reading_of_the_file() -> None:
    file = Counted((MAGIC + b"x" * 300) * (WARC_FALSE_STARTS_MAX - 1) + members(*pages(1)))
    assert next_record(file, behind=-1) == 303 * (WARC_FALSE_STARTS_MAX - 1)
    assert file.taken < 2 * len(file.getvalue())


def test_false_starts_without_end_are_given_up() -> None:
    assert next_record(io.BytesIO(MAGIC * WARC_FALSE_STARTS_MAX + members(*pages(1))), behind=-1) is None
