"""One life of a simulated process: from its start to the crash that a plan chose for it.

Rules: every step that a crash may interrupt calls `point`; the crash is a `BaseException`, so that nobody's `except
Exception` outlives it, and once dead every further step of the same life raises again. A plan sees the points of all
lives in one row.

Does not: lose anything (the platter does) or start the next life.

Usage::

    life = Life(KillAt(17))
    life.point("fsync")          # raises SimulatedCrash at the seventeenth point
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol


class Plan(Protocol):
    """Decides at which points a life ends."""

    def __call__(self, name: str) -> bool:
        """Say whether the life ends at this point."""
        ...

    def calm(self) -> None:
        """From now on, end none."""
        ...


class SimulatedCrash(BaseException):
    """The process is gone."""


class Life:
    """What one process passes through; `kills` is asked at every point, and `on_end` told of the end."""

    def __init__(self, kills: Plan, on_end: Callable[[], object] = lambda: None) -> None:
        self._kills = kills
        self._on_end = on_end
        self.alive = True

    def point(self, name: str) -> None:
        """Pass a point at which the process may end. Raises SimulatedCrash."""
        if not self.alive:
            raise SimulatedCrash("dead already")
        if self._kills(name):
            self.alive = False
            self._on_end()
            raise SimulatedCrash(name)


class KillAt:
    """Kills at one point of all, counted from 1, and never again; `names` remembers what was passed until the calm."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._calm = False
        self.names: list[str] = []

    def __call__(self, name: str) -> bool:
        """Count one point."""
        if self._calm:
            return False
        self.names.append(name)
        return len(self.names) == self._number

    def calm(self) -> None:
        """Count and kill no more."""
        self._calm = True


class KillSometimes:
    """Kills at each point with a seeded probability, at most so often, until it is told to be calm."""

    def __init__(self, randomness: Random, probability: float, kills_max: int) -> None:
        self._randomness = randomness
        self._probability = probability
        self._left = kills_max
        self.points = 0
        self.kills = 0

    def __call__(self, name: str) -> bool:
        """Draw for one point."""
        self.points += 1
        if self._left and self._randomness.random() < self._probability:
            self._left -= 1
            self.kills += 1
            return True
        return False

    def calm(self) -> None:
        """Draw no more."""
        self._left = 0
