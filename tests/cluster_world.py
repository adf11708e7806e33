"""A Ray cluster for tests, on loopback, started once a process; and work for it that is lost, late or refused."""

from __future__ import annotations

import atexit
import importlib.util
import os
import random
import signal
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from storage.lake import Lake
from storage.lake.groups import Group, groups_of
from storage.ray_runner import LOCAL, RayRunner
from storage.real_env import real_env
from windrow_protocol.errors import WindrowError


def why_not() -> str:
    """Return why there can be no cluster here, or an empty string."""
    return "" if importlib.util.find_spec("ray") else "Ray is missing: pip install 'windrow[cluster]'"


@cache
def cluster() -> RayRunner:
    """Return the cluster of two workers of this process."""
    if reason := why_not():
        pytest.skip(reason)
    told = os.environ.get("PYTHONPATH", "")
    here = Path(__file__).resolve().parent
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(here), str(here.parent), told)))
    runner = RayRunner(LOCAL, cpus=2)
    atexit.register(runner.close)
    assert list(runner.map(late_when_even, [1])) == [
        1
    ]  # workers have the path that was there when they began
    os.environ["PYTHONPATH"] = told
    return runner


def _is_first(folder: Path) -> bool:
    try:
        (folder / "killed").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def lost_once(folder: Path, function: Callable[..., Any], *given: Any) -> Any:
    """Call a function; the first worker that is to do so is killed, as kill -9 does."""
    if _is_first(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*given)


def lost_at(folder: Path, unlucky: int, item: int) -> int:
    """Return the item doubled; the first who is given the unlucky one is killed on the way, as kill -9 does."""
    if item == unlucky and _is_first(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def always_lost(_: int) -> int:
    """Never return."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def late_when_even(item: int) -> int:
    """Return the item; even ones take longer."""
    time.sleep(0.05 if item % 2 == 0 else 0)
    return item


def refused_at(refused: int, item: int) -> int:
    """Return the item, or refuse it."""
    if item == refused:
        raise WindrowError("too_large", f"item {item}")
    return item


def doubtful_texts(count: int, seed: int) -> list[str]:
    """Return texts of which some are copies, near-copies, near-copies of those, many of one page, or empty of words."""
    rng = random.Random(seed)
    words = [f"w{number}" for number in range(400)]
    texts = [" ".join(rng.choices(words, k=60))]
    while len(texts) < count:
        chance, earlier = rng.random(), rng.choice(texts).split()
        if chance < 0.15:
            texts.append(" ".join(earlier))
        elif chance < 0.5 and len(earlier) > 3:
            for _ in range(rng.randint(1, 4)):
                earlier[rng.randrange(len(earlier))] = rng.choice(words)
            texts.append(" ".join(earlier))
        elif chance < 0.53:
            texts.append("…" * rng.randint(1, 3))
        else:
            texts.append(" ".join(rng.choices(words, k=rng.randint(1, 90))))
    return texts


def written(folder: Path, texts: list[str], files: int, seed: int, hard: tuple[int, ...] = ()) -> list[Group]:
    """Write texts into a lake's files, each row into any of them and in any order, and return their groups."""
    rng, lake = random.Random(seed), Lake(real_env(), folder)
    parts: list[list[dict[str, object]]] = [[] for _ in range(files)]
    for seq, text in enumerate(texts, 1):
        row = {"seq": seq, "contribution_id": f"c{seq}", "text": text, "received_at_ms": rng.randint(0, 99)}
        rng.choice(parts).append({**row, "dup_kind": "hard" if seq in hard else "unique"})
    names = [lake.write(part, place, place).path for place, part in enumerate(parts, 1) if part]
    rng.shuffle(names)
    return groups_of(lake.files_by_name, names)
