"""The persistent index: killed at every write, cut short, damaged, put back, erased from, and always right again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from aggregator.dedup import postings as postings_module
from aggregator.dedup.minhash import COLUMNS, Keys
from aggregator.dedup.postings import BESIDE_QUERIES_MIN, FANOUT, MERGE_PACE, Postings
from aggregator.dedup.postings_in_memory import MemoryPostings
from aggregator.dedup.run_files import FILTER_BITS, FileRun, run_bytes
from aggregator.dedup.runs import MemoryRun
from aggregator.dedup.tail import decode_records, encode_record
from storage.real_env import PosixDisk
from storage.simulation.life import KillAt, Life, SimulatedCrash
from storage.simulation.platter import Platter, SimulatedCalls
from windrow_protocol.errors import WindrowError

BATCHES, BATCH, FLUSH = 10, 5, 8
ERASED_AT, ERASED = 7, [2, 3, 11, 30]


def keys_of(first: int, count: int) -> Keys:
    """Keys of some texts, few enough that many are shared."""
    random = np.random.default_rng(first)
    return random.integers(0, 40, (count, COLUMNS), dtype=np.uint32)


QUERIES = keys_of(999, 30)


def batch(number: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint32]], Keys]:
    first = number * BATCH
    return np.arange(first, first + BATCH, dtype=np.uint32), keys_of(first, BATCH)


def answers(postings: Postings | MemoryPostings) -> list[list[int]]:
    return sorted(postings.find(QUERIES).tolist())


@cache
def never_killed(batches: int, erased: bool) -> list[list[int]]:
    postings = MemoryPostings()
    for number in range(batches):
        postings.append(*batch(number))
    if erased:
        postings.erase(ERASED)
    return answers(postings)


class House:
    """What is committed outlives every crash, as a database does; the index has to follow it."""

    def __init__(self, home: Path, kills: KillAt) -> None:
        home.mkdir()
        self.folder, self.kills = home / "house" / "dedup", kills
        self.platter = Platter(home, Random(7))
        self.committed, self.erased = 0, False

    def live(self) -> Postings:
        """Work from where the last life ended until all is done."""
        life = Life(self.kills)
        self.calls = SimulatedCalls(self.platter, life)
        postings = Postings(PosixDisk(self.calls), self.folder, flush_texts=FLUSH)
        while self.committed < BATCHES or not self.erased:
            assert postings.keep(self.committed) == self.committed, (
                "what was committed had been made durable before"
            )
            erasing = self.committed == ERASED_AT and not self.erased
            postings.upkeep()
            right = [never_killed(self.committed, erased) for erased in {self.erased, self.erased or erasing}]
            assert answers(postings) in right
            if erasing:
                postings.erase(ERASED)
                postings.compact()
                self.erased = True
            postings.append(*batch(self.committed), self.committed + 1)
            life.point("before_commit")
            self.committed += 1
        return postings

    def crash(self) -> None:
        self.calls.end()
        self.platter.crash()


def test_killed_at_every_write_sync_and_rename_it_answers_as_if_it_never_was(tmp_path: Path) -> None:
    counted = KillAt(0)
    House(tmp_path / "counted", counted).live()
    assert len(counted.names) > 150
    assert {"write", "fsync", "rename", "unlink", "create", "sync_folder"} <= set(counted.names)
    expected = never_killed(BATCHES, erased=True)
    for number in range(1, len(counted.names) + 1):
        house = House(tmp_path / str(number), KillAt(number))
        with pytest.raises(SimulatedCrash):
            house.live()
        house.crash()
        postings = house.live()
        assert answers(postings) == expected, counted.names[number - 1]
        left = {path.name for path in house.folder.iterdir()}
        held = json.loads((house.folder / "manifest.json").read_text())
        merging = {merge.path.name for merge, _ in postings._merges}
        assert left == {"manifest.json", held["log"], *(run["name"] for run in held["runs"])} | merging


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dedup"


def filled(folder: Path, batches: int, flush_texts: int = FLUSH) -> Postings:
    postings = Postings(PosixDisk(), folder, flush_texts=flush_texts)
    for number in range(batches):
        postings.keep(number)
        postings.upkeep()
        postings.append(*batch(number), number + 1)
    return postings


def test_what_was_rolled_back_is_cut_off(folder: Path) -> None:
    postings = filled(folder, 5)
    assert postings.keep(4) == 4
    assert answers(postings) == never_killed(4, erased=False)
    assert answers(Postings(PosixDisk(), folder)) == never_killed(4, erased=False)


def test_a_torn_record_is_cut_off_and_the_caller_told(folder: Path) -> None:
    filled(folder, 3, flush_texts=100).close()
    (log,) = folder.glob("log-*.tail")
    log.write_bytes(log.read_bytes()[:-3])
    postings = Postings(PosixDisk(), folder)
    assert postings.keep(3) == 2
    postings.append(*batch(2), 3)
    assert answers(postings) == never_killed(3, erased=False)
    assert len(decode_records(log.read_bytes())) == 3


@pytest.mark.parametrize("name", ["manifest.json", "run-*.idx"])
def test_a_damaged_index_begins_anew(folder: Path, name: str) -> None:
    filled(folder, 12).close()
    damaged = sorted(folder.glob(name))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    postings = Postings(PosixDisk(), folder)
    assert postings.keep(12) == 0, "and the caller gives it everything again"
    assert postings.texts == 0


def test_an_older_database_that_was_put_back_makes_it_begin_anew(folder: Path) -> None:
    postings = filled(folder, 12)
    assert postings.keep(1) == 0
    assert answers(postings) == []


def test_two_open_indexes_over_one_folder_do_not_mislead_each_other(folder: Path) -> None:
    """A house never does this; a test that makes its pipeline anew for each step does."""
    first = filled(folder, 2)
    second = Postings(PosixDisk(), folder, flush_texts=FLUSH)
    for number in range(2, 8):
        postings = (first, second)[number % 2]
        assert postings.keep(number) == number
        postings.upkeep()
        postings.append(*batch(number), number + 1)
    assert second.keep(8) == 8
    assert answers(second) == never_killed(8, erased=False)


def test_an_erasure_leaves_nothing_in_any_file(folder: Path) -> None:
    postings = filled(folder, 12)
    gone = np.concatenate([batch(0)[0], batch(11)[0]]).tolist()
    postings.erase(gone)
    assert not set(gone) & {number for _, _, number in answers(postings)}
    postings.compact()
    (run,) = folder.glob("run-*.idx")
    assert postings.texts == 10 * BATCH
    entries = FileRun(run, postings.texts).loaded().entries & np.uint64(0xFFFFFFFF)
    assert set(np.unique(entries).tolist()) == set(range(5, 55))
    (log,) = folder.glob("log-*.tail")
    assert log.stat().st_size == 0
    assert "erased" not in json.loads((folder / "manifest.json").read_text()) or not postings._erased.size
    again = Postings(PosixDisk(), folder)
    assert again.keep(12) == 12
    assert answers(again) == answers(postings)


def in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Postings:
    """Return an index of many texts, some of them erased, most of them in a run that is read from its file."""
    monkeypatch.setattr(postings_module, "RESIDENT_TEXTS", 100)
    postings = Postings(PosixDisk(), folder, flush_texts=400)
    for number in range(11):
        postings.keep(number)
        postings.upkeep()
        numbers = np.arange(number * 50, number * 50 + 50, dtype=np.uint32)
        postings.append(numbers, keys_of(number, 50), number + 1)
    postings.erase(ERASED)
    assert any(isinstance(held.run, FileRun) for held in postings._held)
    assert postings._tail.texts
    return postings


def test_a_look_up_in_two_halves_finds_what_one_by_one_finds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postings = in_a_file(folder, monkeypatch)
    for count in (2 * BESIDE_QUERIES_MIN - 1, 2 * BESIDE_QUERIES_MIN, 2 * BESIDE_QUERIES_MIN + 1):
        queries = keys_of(count, count)
        singly = [
            [place, *found]
            for place in range(count)
            for _, *found in postings.find(queries[place : place + 1]).tolist()
        ]
        assert len(singly) > count
        assert sorted(postings.find(queries).tolist()) == sorted(singly)


def test_damage_that_either_half_meets_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postings = in_a_file(folder, monkeypatch)
    (file,) = (held.run for held in postings._held if isinstance(held.run, FileRun))
    data = bytearray(file.path.read_bytes())
    data[8] ^= 1  # of the first block of the first column, which only small keys lie in
    file.path.write_bytes(data)
    small, none = np.zeros((BESIDE_QUERIES_MIN, COLUMNS), np.uint32), keys_of(1, BESIDE_QUERIES_MIN) + 2**31
    for queries in ([small, none], [none, small]):
        with pytest.raises(WindrowError, match="damaged_index"):
            postings.find(np.concatenate(queries))
    assert postings.find(np.concatenate([none, none])).shape == (0, 3)


def test_runs_stay_few_and_merges_keep_up(folder: Path) -> None:
    assert MERGE_PACE > 1 + FANOUT
    postings = Postings(PosixDisk(), folder, flush_texts=4)
    most = 0
    for number in range(100):
        postings.keep(number)
        postings.upkeep()
        postings.append(*batch(number), number + 1)
        most = max(most, len(postings._held))
    assert most <= 8
    assert answers(postings) == never_killed(100, erased=False)


def entries_around(keys: list[int], texts: int) -> Iterator[MemoryRun]:
    numbers = np.arange(texts, dtype=np.uint32)
    for key in keys:
        column = np.sort(np.repeat(np.array([3, key, 2**32 - 3], np.uint32), texts)[:texts])
        yield MemoryRun.of(numbers, np.tile(column[:, None], (1, COLUMNS)))


def test_the_smaller_a_run_the_less_is_read_in_vain_and_other_filters_are_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    keys, absent = (random.integers(0, 2**32 - 1, (count, COLUMNS), np.uint32) for count in (2_000, 1_000))
    run = MemoryRun.of(np.arange(2_000, dtype=np.uint32), keys)
    wanted, passed = run.find(keys[:300], 8).tolist(), []
    for texts_max, bits in FILTER_BITS:
        monkeypatch.setattr("aggregator.dedup.run_files.FILTER_BITS", ((2**32, bits),))
        path = tmp_path / f"{bits}.idx"
        path.write_bytes(run_bytes(run.entries))
        monkeypatch.undo()
        file = FileRun(path, run.texts)
        assert file.find(keys[:300], 8).tolist() == wanted
        assert file.find(absent, 8).shape == (0, 3)
        passed.append((texts_max, file._filters.size))
        file.close()
    assert passed == sorted(passed)
    assert [size for _, size in passed] == sorted((size for _, size in passed), reverse=True)
    assert passed[-1][0] == 2**32, "so many numbers there are"


@pytest.mark.parametrize("texts", [1, 511, 512, 513, 1024, 1500])
def test_a_run_in_a_file_finds_what_the_same_run_in_memory_does(tmp_path: Path, texts: int) -> None:
    queries = np.tile(np.array([[3], [7], [8], [0], [2**32 - 3], [2**32 - 2]], np.uint32), (1, COLUMNS))
    for number, run in enumerate(entries_around([7, 3], texts)):
        path = tmp_path / f"{number}.idx"
        path.write_bytes(run_bytes(run.entries))
        for limit in (1, 5, 2_000):
            found = FileRun(path, texts).find(queries, limit)
            assert found.tolist() == run.find(queries, limit).tolist()
        assert np.array_equal(FileRun(path, texts).loaded().entries, run.entries)


def test_a_run_in_a_file_finds_keys_that_are_spread_as_keys_are(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    keys = random.integers(0, 2**32 - 1, (3_000, COLUMNS), dtype=np.uint32)
    run = MemoryRun.of(np.arange(3_000, dtype=np.uint32), keys)
    (tmp_path / "run.idx").write_bytes(run_bytes(run.entries))
    queries = np.concatenate([keys, random.integers(0, 2**32 - 1, keys.shape, dtype=np.uint32)])
    found = FileRun(tmp_path / "run.idx", 3_000).find(queries, 5)
    assert found.shape[0] >= 3_000 * COLUMNS
    assert found.tolist() == run.find(queries, 5).tolist()


def forgotten_by_the_system(path: Path) -> int:
    """Have the kernel let go of what it holds of a file that is on the disk; return how many blocks it let go of."""
    descriptor, gone = os.open(path, os.O_RDONLY), 0
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    for offset in range(0, path.stat().st_size, 1_024):
        try:
            os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT)
        except OSError:
            gone += 1
    os.close(descriptor)
    return gone


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what its page cache holds")
def test_what_the_system_holds_no_more_is_found_as_well_and_damage_in_it_too(tmp_path: Path) -> None:
    random, path = np.random.default_rng(8), tmp_path / "run.idx"
    keys = random.integers(0, 2**32 - 1, (3_000, COLUMNS), dtype=np.uint32)
    keys[500:2_000, 3] = 77  # one key over many blocks: those after the first are waited for
    run = MemoryRun.of(np.arange(3_000, dtype=np.uint32), keys)
    whole = run_bytes(run.entries)
    path.write_bytes(whole)
    file = FileRun(path, run.texts)
    if not forgotten_by_the_system(path):
        pytest.skip("a file system that is memory")
    assert sorted(file.find(keys[:700], 1_000).tolist()) == sorted(run.find(keys[:700], 1_000).tolist())
    file.close()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    file = FileRun(path, run.texts)
    forgotten_by_the_system(path)
    with pytest.raises(WindrowError, match="block 0 of column 0"):
        file.find(keys, 1_000)


def test_a_changed_bit_anywhere_in_a_run_is_noticed_and_named(tmp_path: Path) -> None:
    """A look-up that meets a damaged block says so instead of missing copies; so do opening, merging and loading."""
    random, path = np.random.default_rng(6), tmp_path / "run-000007.idx"
    keys = random.integers(0, 2**32 - 1, (300, COLUMNS), dtype=np.uint32)
    whole = run_bytes(MemoryRun.of(np.arange(300, dtype=np.uint32), keys).entries)
    for place in [*random.integers(0, len(whole), 150).tolist(), 0, len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(damaged)
        with pytest.raises(WindrowError, match="run-000007") as told:
            FileRun(path, 300).find(keys, 1_000)
        assert told.value.code == "damaged_index"
        with pytest.raises(WindrowError, match="run-000007"):
            FileRun(path, 300).loaded()


def test_a_damaged_block_is_not_merged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.dedup.postings.RESIDENT_TEXTS", 0)
    postings = filled(folder, 4)
    first = sorted(folder.glob("run-*.idx"))[0]
    with first.open("r+b") as file:
        file.seek(40)
        file.write(b"?")
    with pytest.raises(WindrowError, match=first.name):
        postings.compact()
    postings.begin_anew("damaged")
    assert postings.keep(4) == 0
    assert {path.suffix for path in folder.iterdir()} == {".json", ".tail"}


def test_records_are_read_back_and_zeros_are_none() -> None:
    numbers, keys = batch(3)
    data = encode_record(numbers, keys, 17) + encode_record(numbers[:0], keys[:0], 18)
    first, second = decode_records(data + bytes(200))
    assert (first.position, second.position, second.end_bytes) == (17, 18, len(data))
    assert np.array_equal(first.keys, keys)
    flipped = bytearray(data)
    flipped[20] ^= 1
    assert decode_records(bytes(flipped)) == []
