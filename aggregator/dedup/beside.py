"""Two halves of one piece of work at once, one of them in a thread beside.

Rules: both halves have ended when this returns or raises, because what they read may be closed next. Worth it only for
compiled loops and system calls, which let go of the interpreter's lock.

Does not: cut work into halves, or take work that itself asks for this.

Usage: `first, second = both(lambda: count(left), lambda: count(right))`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

First = TypeVar("First")
Second = TypeVar("Second")

_BESIDE: Final = ThreadPoolExecutor(1, "dedup-beside")


def both(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Return what two functions return; the second runs in the thread beside. Raises what either raises."""
    beside = _BESIDE.submit(second)
    try:
        done = first()
    finally:
        wait([beside])
    return done, beside.result()
