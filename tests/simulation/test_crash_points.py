"""Killed at a write, fsync, rename or commit, wherever it lies in one script, it goes on as if nothing were.

Here at every step of the disk and every third commit; `bench/crash.py` takes every point of a longer script. And bugs
planted in the same script are found by it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from simulation.planted_bugs import PLANTED, first_found
from simulation.runs import Setting, run

from storage.simulation.life import KillAt

SCRIPT = Setting(seed=3, pages=2, honest=1, cheats=0, validators=1, storm=False)


def test_killed_at_any_point() -> None:
    counted = KillAt(0)
    assert run(replace(SCRIPT, kills=counted)).problems == []
    kinds = Counter(counted.names)
    assert min(kinds[kind] for kind in ("create", "write", "fsync", "rename", "sync_folder", "mkdir")) > 0
    assert kinds["before_commit"] == kinds["after_commit"] > 10
    found = {}
    for number, kind in enumerate(counted.names, start=1):
        if kind.endswith("_commit") and number % 3:
            continue
        result = run(replace(SCRIPT, kills=KillAt(number)))
        assert result.crashes == 1
        if result.problems:
            found[number, kind] = result.problems
    assert found == {}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    assert first_found(PLANTED[name], SCRIPT), "no crash brought it to light"
