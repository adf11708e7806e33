"""Where batch work is done: the same pure functions over the same items, on this machine or on a cluster.

Rules: a function takes one item and returns one result; it follows from the item alone, because a cluster calls it
again where a worker was lost. Results come in the order of their items, whoever computed them, and few more than are
asked for are held. Whoever asks writes, so that a result that was computed twice is written once.

Does not: know what is computed, or write anything.

Usage::

    for table in house.runner.map(partial(judge_group, host_lists), groups): ...
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Runner(Protocol):
    """Who computes. The function, items and results can be pickled; the function is of a module, or a partial."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """Yield the function's result for each item, in order.

        Raises what the function raises for an item when its turn comes, WindrowError `cluster_failed` when workers are
        lost again and again, or when there is no cluster.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class LocalRunner:
    """This process, one item at a time, each when it is asked for."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """Yield the function's result for each item, in order. Raises what the function raises."""
        for item in items:
            yield function(item)

    def close(self) -> None:
        """Nothing: it holds nothing."""
