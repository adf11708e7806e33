"""The simulated disk forgets what a real one may forget, and the real disk's code asks for all that it must keep."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from storage.real_env import PosixDisk, SystemCalls
from storage.simulation.life import KillAt, Life, SimulatedCrash
from storage.simulation.platter import Platter, SimulatedCalls

SEEDS = range(30)


class World:
    """A platter and the calls of its one life."""

    def __init__(self, home: Path, seed: int, kill_at: int = 0) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.full = False
        self.platter = Platter(home, Random(seed), lambda: self.full)
        self.kills = KillAt(kill_at)
        self.calls = SimulatedCalls(self.platter, Life(self.kills))
        self.disk = PosixDisk(self.calls)

    def crash(self) -> None:
        self.calls.end()
        self.platter.crash()


def left_after(tmp_path: Path, act: Callable[[World], object], path: str) -> set[bytes | None]:
    """Do something and crash, for many seeds, and return what was found at a path."""
    found: set[bytes | None] = set()
    for seed in SEEDS:
        world = World(tmp_path / str(seed), seed)
        act(world)
        world.crash()
        file = world.home / path
        found.add(file.read_bytes() if file.exists() else None)
    return found


def raw_write(world: World, *, fsync: bool, sync_folder: bool) -> None:
    descriptor = world.calls.open(world.home / "a", os.O_RDWR | os.O_CREAT)
    world.calls.write(descriptor, memoryview(b"12345678"))
    if fsync:
        world.calls.fsync(descriptor)
    if sync_folder:
        world.calls.sync_folder(world.home)


def test_unsynced_bytes_are_lost_torn_or_zero(tmp_path: Path) -> None:
    found = left_after(tmp_path, lambda world: raw_write(world, fsync=False, sync_folder=True), "a")
    assert {b"", b"12345678"} < found
    assert any(0 < len(data or b"") < 8 for data in found), "a torn tail"
    assert any((data or b"").endswith(b"\0") for data in found), "a length without its data"


def test_a_synced_file_without_its_name_may_be_gone(tmp_path: Path) -> None:
    found = left_after(tmp_path, lambda world: raw_write(world, fsync=True, sync_folder=False), "a")
    assert found == {None, b"12345678"}


def test_what_is_synced_stays(tmp_path: Path) -> None:
    assert left_after(tmp_path, lambda world: raw_write(world, fsync=True, sync_folder=True), "a") == {
        b"12345678"
    }


def test_a_durable_write_survives_with_all_its_folders(tmp_path: Path) -> None:
    def act(world: World) -> None:
        world.disk.write_durably(world.home / "epochs" / "1" / "tree.json", b"whole")

    assert left_after(tmp_path, act, "epochs/1/tree.json") == {b"whole"}


def test_a_folder_that_somebody_made_by_hand_is_made_durable_too(tmp_path: Path) -> None:
    def act(world: World) -> None:
        (world.home / "lake").mkdir()
        world.disk.write_durably(world.home / "lake" / "rows", b"whole")

    assert left_after(tmp_path, act, "lake/rows") == {b"whole"}


@pytest.mark.parametrize("seed", range(10))
def test_a_durable_write_cut_off_anywhere_leaves_the_old_or_the_new(tmp_path: Path, seed: int) -> None:
    may_be_left: list[set[bytes | None]] = [{None, b"old"}, {b"old", b"new!"}, {b"new!"}]
    for number in range(1, 40):
        world, written = World(tmp_path / str(number), seed, number), 0
        file = world.home / "d" / "a"
        try:
            for data in (b"old", b"new!"):
                world.disk.write_durably(file, data)
                written += 1
        except SimulatedCrash:
            pass
        world.crash()
        assert (file.read_bytes() if file.exists() else None) in may_be_left[written]
        if written == 2:
            return
    pytest.fail("it never came to its end")


def test_a_full_disk_takes_nothing_and_breaks_nothing_that_follows(tmp_path: Path) -> None:
    world = World(tmp_path / "home", 1)
    file = world.disk.open_append(world.home / "segment", 0)
    file.append(b"first")
    world.full = True
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        file.append(b"0123456789")
    world.full = False
    offset = file.append(b"second")
    file.sync()
    assert offset == len(b"first")
    assert world.disk.read_range(world.home / "segment", offset, 6) == b"second"


def test_a_durable_write_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "home", 1)
    world.full = True
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        world.disk.write_durably(world.home / "d" / "a", b"0123456789")
    assert list((world.home / "d").iterdir()) == []


def test_the_dead_do_nothing_more(tmp_path: Path) -> None:
    world = World(tmp_path / "home", 1, kill_at=1)
    with pytest.raises(SimulatedCrash):
        world.disk.write_durably(world.home / "a", b"1")
    with pytest.raises(SimulatedCrash):
        world.disk.write_durably(world.home / "b", b"2")
    assert not (world.home / "b").exists()


def test_the_real_disk_syncs_each_folder_once(tmp_path: Path) -> None:
    synced: list[Path] = []

    class Counting(SystemCalls):
        def sync_folder(self, path: Path) -> None:
            synced.append(path)
            super().sync_folder(path)

    disk = PosixDisk(Counting())
    disk.write_durably(tmp_path / "a" / "b" / "one", b"1")
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(synced)
    synced.clear()
    disk.write_durably(tmp_path / "a" / "b" / "two", b"2")
    assert synced == [tmp_path / "a" / "b"]
