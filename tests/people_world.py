"""A home in which six people gave a month of history, and exports of what they gave."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from history_world import HistoryHouse, month
from published_world import RECIPES
from state_database import copy_home

from aggregator.publish.export import Export, publish
from rewards.personal.history_doubts import Moment

PEOPLE = 6
SECRET = "https://only.example/of-one-person"
SHARED = [f"https://news.example/story{i}" for i in range(3)]
EPSILON_MICRO = 500_000


def with_shared(number: int) -> list[Moment]:
    """A person's month in which they read what all others read too, and one page that nobody else reads."""
    moments = month(number)
    places = [len(moments) // 4, len(moments) // 2, 3 * len(moments) // 4]
    shared = [
        replace(moments[at], at_ms=moments[at].at_ms + 7, url=url)
        for at, url in zip(places, SHARED, strict=True)
    ]
    alone = replace(
        moments[9], at_ms=moments[9].at_ms + 5, url=f"{SECRET}{number}"[:-1] + "abcdefghij"[number]
    )
    return [*moments, *shared, alone]


def given_home(folder: Path) -> Path:
    """Make a home in which six people gave a month; tests work on copies."""
    world = HistoryHouse(folder)
    for number in range(1, PEOPLE + 1):
        world.give(world.join(number), with_shared(number), title="A story")
    world.days_pass(2)
    with world.house.state.write() as connection:
        connection.execute(sa.text("SELECT 1"))
    world.house.state.forget_bytes()
    (folder / "key").write_bytes(world.house.key.private_bytes_raw())
    (folder / "now").write_text(str(world.clock.at_ms))
    return folder


def world_from(given: Path, copy: Path) -> HistoryHouse:
    """Open a copy of a home."""
    copy_home(given, copy)
    return HistoryHouse.reopened(copy)


def published(world: HistoryHouse, dataset: str = "opt_in_browsing", recipes: Path = RECIPES) -> Export:
    return publish(world.house, recipes, dataset, read=world.personal.vault.read)


def rows_of(export: Export) -> list[dict[str, Any]]:
    assert export.path
    return pq.read_table(export.path / "data").to_pylist()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def columns_in(folder: Path) -> set[str]:
    """Return every value of every Parquet file of an export, as text."""
    tables = [pq.read_table(path) for path in folder.rglob("*.parquet")]
    return {str(value) for table in tables for column in table.columns for value in column.to_pylist()}


def recipes_with(tmp_path: Path, dataset: str, file: str, old: str, new: str) -> Path:
    """Return the shipped recipes with something changed in one of them."""
    shutil.copytree(RECIPES, tmp_path / "recipes")
    path = tmp_path / "recipes" / dataset / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return tmp_path / "recipes"


def give_back(world: HistoryHouse, number: int) -> None:
    node = world.node(number)
    with world.house.state.read() as connection:
        mine = sa.text("SELECT contribution_id FROM personal_bodies WHERE node_id = :node")
        ids = list(connection.execute(mine, {"node": node.node_id}).scalars())
    world.take_back(node, ids)
