"""Killed at a write, fsync, rename or commit, wherever it lies in one script, it goes on as if nothing were.

Here at every step of the disk and every third commit; `bench/crash.py` takes every point of a longer script.
"""

from __future__ import annotations

from collections import Counter

from simulation.runs import Setting, run

from storage.simulation.life import KillAt

SCRIPT = Setting(seed=3, pages=2, honest=1, cheats=0, validators=1, storm=False)


def test_killed_at_any_point() -> None:
    counted = KillAt(0)
    assert run(_killed(counted)).problems == []
    kinds = Counter(counted.names)
    assert min(kinds[kind] for kind in ("create", "write", "fsync", "rename", "sync_folder", "mkdir")) > 0
    assert kinds["before_commit"] == kinds["after_commit"] > 10
    found = {}
    for number, kind in enumerate(counted.names, start=1):
        if kind.endswith("_commit") and number % 3:
            continue
        result = run(_killed(KillAt(number)))
        assert result.crashes == 1
        if result.problems:
            found[number, kind] = result.problems
    assert found == {}


def _killed(kills: KillAt) -> Setting:
    return Setting(
        SCRIPT.seed, SCRIPT.pages, SCRIPT.honest, SCRIPT.cheats, SCRIPT.validators, kills, storm=False
    )
