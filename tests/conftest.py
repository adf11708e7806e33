"""What all tests share: no property test asserts a time, and Python's recursion limit stays what it is in a house.

py-evm lifts that limit to 100,000 on import, for its own process. A house never imports it; here, where a chain may run
in the same process as parsers of hostile input, the limit is put back, or a C parser would run off its stack.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from real_house import closing_what_opens

_limit = sys.getrecursionlimit()
import eth  # noqa: E402, F401

sys.setrecursionlimit(_limit)

settings.register_profile("windrow", deadline=None)
settings.load_profile("windrow")


@pytest.fixture(autouse=True)
def _closed_in_the_end() -> Iterator[None]:
    """A worker runs thousands of tests: what each opens is closed after it."""
    with closing_what_opens():
        yield
