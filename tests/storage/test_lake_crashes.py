"""Killed at every write, sync, rename, deletion and commit of appends, merges and erasures, the lake is what it was."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from lake_world import LakeWorld, row

from storage.env import Env
from storage.lake.checking import check_lake
from storage.lake.compaction import Compaction
from storage.lake.erasing import commit_replaced, files_with, replace_without
from storage.real_env import PosixDisk, real_env
from storage.simulation.env import SimulatedState
from storage.simulation.life import KillAt, Life, SimulatedCrash
from storage.simulation.platter import Platter, SimulatedCalls

APPENDS, ROWS, ERASED_AT, ERASED = 4, 1, 3, 2


class Lives:
    """One lake through all its lives; the database outlives every crash."""

    def __init__(self, home: Path, kills: KillAt) -> None:
        home.mkdir()
        self.home, self.kills = home, kills
        self.platter = Platter(home, Random(11))
        self.state: SimulatedState | None = None
        self.erased = False

    def live(self) -> LakeWorld:
        """Append, merge and erase from where the last life ended until all is done."""
        life = Life(self.kills)
        self.calls = SimulatedCalls(self.platter, life)
        real = real_env()
        env = Env(real.clock, real.randomness, PosixDisk(self.calls), real.network)
        if self.state is None:
            self.state = SimulatedState.begin(life, self.home / "state.db")
        else:
            self.state = self.state.begin_again(life)
        world = LakeWorld(self.home, env, self.state)
        self._expect(world)
        assert [problem for problem in check_lake(world.state, world.lake) if problem.is_damage] == []
        while world.cursor < APPENDS * ROWS:
            if world.cursor >= ERASED_AT and not self.erased:
                self._erase(world)
            world.append(ROWS)
            self._compact(world)
        self._expect(world)
        return world

    def _compact(self, world: LakeWorld) -> None:
        compaction = Compaction(world.state, world.lake, merge_files=2)
        while compaction.step():
            pass

    def _erase(self, world: LakeWorld) -> None:
        gone = {row(ERASED)["contribution_id"]}
        with world.state.read() as connection:
            files = files_with(connection, world.lake, gone)
        replaced = replace_without(world.lake, files, gone)
        with world.state.write() as connection:
            commit_replaced(connection, world.lake, replaced)
        world.lake.delete([each.old.path for each in replaced])
        self.erased = True

    def _expect(self, world: LakeWorld) -> None:
        rows = list(range(1, world.cursor + 1))
        without = [seq for seq in rows if seq != ERASED]
        assert world.seqs() in ([without] if self.erased else [rows, without])

    def crash(self) -> None:
        self.calls.end()
        assert self.state is not None
        self.state.close()
        self.platter.crash()


def test_killed_anywhere_it_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    counted = KillAt(0)
    Lives(tmp_path / "counted", counted).live()
    assert {
        "create",
        "write",
        "fsync",
        "rename",
        "unlink",
        "sync_folder",
        "before_commit",
        "after_commit",
    } <= set(counted.names)
    assert len(counted.names) > 60
    for number in range(1, len(counted.names) + 1):
        lives = Lives(tmp_path / str(number), KillAt(number))
        with pytest.raises(SimulatedCrash):
            lives.live()
        lives.crash()
        world = lives.live()
        assert world.seqs() == [seq for seq in range(1, APPENDS * ROWS + 1) if seq != ERASED]
        listed = {path.name for path in world.lake.folder.iterdir()}
        assert all("merging" not in name and "erasing" not in name for name in listed)
        for snapshot in range(1, world.snapshot() + 1):
            rows = world.seqs(snapshot)
            assert rows == sorted(set(rows)), counted.names[number - 1]
        mark = f"marker-{ERASED}-of-row".encode()
        assert not [name for name in listed if mark in (world.lake.folder / name).read_bytes()]
