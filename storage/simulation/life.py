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

Plan = Callable[[str], bool]


class SimulatedCrash(BaseException):
    """The process is gone."""


class Life:
    """What one process passes through; `kills` is asked at every point."""

    def __init__(self, kills: Plan) -> None:
        self._kills = kills
        self.alive = True

    def point(self, name: str) -> None:
        """Pass a point at which the process may end. Raises SimulatedCrash."""
        if not self.alive:
            raise SimulatedCrash("dead already")
        if self._kills(name):
            self.alive = False
            raise SimulatedCrash(name)


class KillAt:
    """Kills at one point of all, counted from 1, and never again; `names` remembers what was passed."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.names: list[str] = []

    def __call__(self, name: str) -> bool:
        """Count one point."""
        self.names.append(name)
        return len(self.names) == self._number


class KillSometimes:
    """Kills at each point with a seeded probability, at most so often, until it is told to be calm."""

    def __init__(self, randomness: Random, probability: float, kills_max: int) -> None:
        self._randomness = randomness
        self._probability = probability
        self._left = kills_max
        self.points = 0
        self.kills = 0

    def __call__(self, _name: str) -> bool:
        """Draw for one point."""
        self.points += 1
        if self._left and self._randomness.random() < self._probability:
            self._left -= 1
            self.kills += 1
            return True
        return False

    def calm(self) -> None:
        """Kill no more."""
        self._left = 0
