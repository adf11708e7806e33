"""`bench/lake.py` asks its questions over real files as the house's child does."""

from __future__ import annotations

from pathlib import Path

from lake_world import LakeWorld

from bench.lake import arrow, held


def test_both_ways_of_asking_see_every_row(tmp_path: Path) -> None:
    world = LakeWorld(tmp_path)
    for _ in range(3):
        world.append(5)
    files = sorted(map(str, (tmp_path / "lake").rglob("*.parquet")))
    world.state.close()
    question = "SELECT count(*), sum(length(text)) FROM documents"
    assert held(files).execute(question).fetchall() == arrow(files).execute(question).fetchall()
    assert held(files).execute(question).fetchone()[0] == 15
