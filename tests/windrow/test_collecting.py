"""What outlived a full collection is not walked again, and what became garbage meanwhile is found by `collect_all`."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from windrow import collecting
from windrow.collecting import collect_all, set_aside_what_stays


class _Node:
    """Something that may refer to itself."""

    def __init__(self) -> None:
        self.other: _Node = self


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.callbacks[:] = [each for each in gc.callbacks if each is not collecting._after]
    gc.unfreeze()


def test_what_stays_is_set_aside_by_each_full_collection() -> None:
    set_aside_what_stays()
    before = gc.get_freeze_count()
    assert before > 0
    kept = [_Node() for _ in range(1_000)]
    gc.collect(1)
    assert gc.get_freeze_count() < before + len(kept), "only a full collection sets anything aside"
    gc.collect()
    assert gc.get_freeze_count() >= before + len(kept)


def test_what_is_set_aside_is_freed_at_once_unless_it_is_a_circle() -> None:
    set_aside_what_stays()
    circle, straight = _Node(), _Node()
    straight.other = circle
    gc.collect()
    of_circle, of_straight = weakref.ref(circle), weakref.ref(straight)
    del straight
    assert of_straight() is None
    del circle
    gc.collect()
    assert of_circle() is not None, "it was set aside"
    assert collect_all() > 0
    assert of_circle() is None
    assert gc.get_freeze_count() > 0, "what is left is set aside again"


def test_new_circles_are_found_by_the_usual_collections() -> None:
    set_aside_what_stays()
    circle = _Node()
    seen = weakref.ref(circle)
    del circle
    gc.collect(0)
    assert seen() is None


def test_it_is_set_up_once() -> None:
    set_aside_what_stays()
    set_aside_what_stays()
    assert gc.callbacks.count(collecting._after) == 1
