"""Leaves alone for a while what has just kept everybody waiting and failed.

Rules: the rest is twice as long as the attempt took, ten seconds at most; what fails at once is tried again at once.
Whoever comes during a rest is refused without an attempt, so that one dead server does not hold up all other work.
This is the edge of drivers, which wait by the real clock, so it reads that clock itself.

Does not: try again. Usage: `rest.require_over(Away)`, `with rest.attempt(Away): …`.

Source: M. Nygard, "Release It!" (circuit breaker).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_TIMES: Final = 2.0
_MOST_S: Final = 10.0


class Rest:
    """The rest of one server. Threads may share it."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s, self._over_at_s = now_s, 0.0

    def require_over(self, failure: type[Exception]) -> None:
        """Raise `failure` during a rest."""
        if self._now_s() < self._over_at_s:
            raise failure("the last attempt has just failed, and the next is made in some seconds")

    @contextmanager
    def attempt(self, failure: type[Exception]) -> Iterator[None]:
        """Begin a rest where this block raises `failure`."""
        began_s = self._now_s()
        try:
            yield
        except failure:
            ended_s = self._now_s()
            self._over_at_s = ended_s + min(_TIMES * (ended_s - began_s), _MOST_S)
            raise
