"""What the `Disk` port promises, asked of both adapters: files of this machine, and objects on a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import needs_s3, new_store, shared_s3

from storage.env import Disk
from storage.object_store import ObjectStore, open_store
from storage.real_env import PosixDisk
from storage.s3_disk import S3Disk
from storage.s3_parts import MERGE_PARTS
from windrow_protocol.errors import WindrowError

SEGMENT = Path("segments") / "contributions-000000.zst"
ROWS = Path("lake") / "rows.parquet"


@pytest.fixture(params=["posix", pytest.param("s3", marks=needs_s3)])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    (tmp_path / "lake").mkdir()
    return PosixDisk() if request.param == "posix" else S3Disk(PosixDisk(), tmp_path, new_store())


def again(disk: Disk, home: Path) -> Disk:
    """Return the disk as the next process finds it."""
    return S3Disk(PosixDisk(), home, disk.store) if isinstance(disk, S3Disk) else PosixDisk()


def test_what_was_synced_is_read_back_also_by_the_next_process(disk: Disk, tmp_path: Path) -> None:
    file = disk.open_append(tmp_path / SEGMENT, 0)
    assert [file.append(b"one"), file.append(b"two")] == [0, 3]
    file.sync()
    assert file.append(b"three") == 6
    file.sync()
    file.sync()  # nothing new is nothing to do
    for each in (disk, again(disk, tmp_path)):
        assert each.read_range(tmp_path / SEGMENT, 3, 3) == b"two"
        assert each.read_range(tmp_path / SEGMENT, 1, 9) == b"netwothre"  # over a sync
        assert each.names(tmp_path / "segments") == {SEGMENT.name: 11}
        with pytest.raises(OSError, match="ends before"):
            each.read_range(tmp_path / SEGMENT, 10, 2)
        with pytest.raises(OSError, match=r"none\.zst"):
            each.read_range(tmp_path / "segments" / "none.zst", 0, 1)


def test_opening_cuts_off_what_no_commit_vouches_for(disk: Disk, tmp_path: Path) -> None:
    file = disk.open_append(tmp_path / SEGMENT, 0)
    for data in (b"kept", b"lost", b"lost too"):
        file.append(data)
        file.sync()
    file.close()
    for following in (b"next", b"then"):  # it is cut as often as it is opened
        disk = again(disk, tmp_path)
        file = disk.open_append(tmp_path / SEGMENT, 4)
        assert disk.names(tmp_path / "segments") == {SEGMENT.name: 4}
        assert file.append(following) == 4
        file.sync()
        file.close()
    assert again(disk, tmp_path).read_range(tmp_path / SEGMENT, 0, 8) == b"keptthen"
    disk.open_append(tmp_path / SEGMENT, 2).close()  # in the middle of what was synced at once
    assert again(disk, tmp_path).read_range(tmp_path / SEGMENT, 0, 2) == b"ke"
    assert disk.names(tmp_path / "segments") == {SEGMENT.name: 2}


def test_a_wiped_range_is_zeros_and_nothing_else_changed(disk: Disk, tmp_path: Path) -> None:
    file = disk.open_append(tmp_path / SEGMENT, 0)
    for data in (b"before-", b"a secret", b"-after"):
        file.append(data)
        file.sync()
    for _ in range(2):  # again is harmless
        disk.wipe_range(tmp_path / SEGMENT, 6, 10)
    for each in (disk, again(disk, tmp_path)):
        assert each.read_range(tmp_path / SEGMENT, 0, 21) == b"before" + bytes(10) + b"after"
    with pytest.raises(OSError, match="ends before"):
        disk.wipe_range(tmp_path / SEGMENT, 20, 2)
    assert file.append(b"more") == 21


def test_a_whole_file_is_there_whole_replaced_whole_and_gone(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / ROWS
    disk.write_durably(path, b"x" * 100_000)
    disk.write_durably(path, b"new")
    assert disk.names(tmp_path / "lake") == {"rows.parquet": 3}
    assert disk.read_range(path, 1, 2) == b"ew"
    disk.remove(path)
    disk.remove(path)  # absent is fine
    assert disk.names(tmp_path / "lake") == disk.names(tmp_path / "none") == {}


def test_a_finished_file_is_adopted_and_read_by_arrow(disk: Disk, tmp_path: Path) -> None:
    table = pa.table({"a": range(1000), "b": ["text"] * 1000})
    temporary = tmp_path / "lake" / ".merging.tmp"
    pq.write_table(table, temporary, row_group_size=100)
    assert list(disk.names(tmp_path / "lake")) == [".merging.tmp"]  # a sweep sees what is unfinished
    disk.adopt_durably(temporary, tmp_path / ROWS)
    assert list(disk.names(tmp_path / "lake")) == ["rows.parquet"]
    system = again(disk, tmp_path).arrow(tmp_path / "lake")
    with pq.ParquetFile("rows.parquet", filesystem=system) as file:
        assert file.read_row_group(3, columns=["a"]).column("a").to_pylist() == list(range(300, 400))
    unfinished = tmp_path / "lake" / ".erasing.tmp"
    unfinished.write_bytes(b"half")
    disk.remove(unfinished)
    assert not unfinished.exists()


@needs_s3
def test_a_request_that_arrives_after_its_process_died_counts_for_nothing(tmp_path: Path) -> None:
    store = new_store()
    dead = S3Disk(PosixDisk(), tmp_path, store).open_append(tmp_path / SEGMENT, 0)
    dead.append(b"kept")
    dead.sync()
    disk = S3Disk(PosixDisk(), tmp_path, store)
    file = disk.open_append(tmp_path / SEGMENT, 4)
    dead.append(b"late")  # under the same place and the same size as what follows
    file.append(b"good")
    file.sync()
    dead.sync()
    for each in (disk, S3Disk(PosixDisk(), tmp_path, store)):
        assert each.read_range(tmp_path / SEGMENT, 0, 8) == b"keptgood"
    S3Disk(PosixDisk(), tmp_path, store).open_append(tmp_path / SEGMENT, 8)
    assert b"late" not in [store.get(f"{SEGMENT}/{name}") for name in store.list(str(SEGMENT))]


class _Failing(ObjectStore):
    """A store that may write an object and then fail to say so, or fail before."""

    fails = ""

    def put(self, key: str, data: bytes) -> None:
        if self.fails == "after":
            super().put(key, data)
        if self.fails:
            self.fails = ""
            raise OSError("no answer")
        super().put(key, data)


@needs_s3
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sync_without_an_answer_is_told_and_its_place_is_never_used(tmp_path: Path, when: str) -> None:
    made = new_store()
    store = _Failing(made.system, made.root)
    disk = S3Disk(PosixDisk(), tmp_path, store)
    file = disk.open_append(tmp_path / SEGMENT, 0)
    file.append(b"kept")
    file.sync()
    file.append(b"nobody was told")
    store.fails = when
    with pytest.raises(OSError, match="no answer"):
        file.sync()
    assert file.append(b"next") == 19
    file.sync()
    for each in (disk, S3Disk(PosixDisk(), tmp_path, store)):
        assert each.read_range(tmp_path / SEGMENT, 0, 23) == b"kept" + bytes(15) + b"next"
        assert each.names(tmp_path / "segments") == {SEGMENT.name: 23}


@needs_s3
def test_small_parts_become_one_while_others_are_written_and_wiped(tmp_path: Path) -> None:
    disk = S3Disk(PosixDisk(), tmp_path, new_store())
    file, path = disk.open_append(tmp_path / SEGMENT, 0), tmp_path / SEGMENT
    expected = bytearray()
    for number in range(MERGE_PARTS + 3):
        expected += b"record %d;" % number
        file.append(b"record %d;" % number)
        file.sync()
    before = disk.read_range(path, 0, len(expected))
    reader = again(disk, tmp_path)  # it lists the parts before they are merged
    assert reader.read_range(path, 0, 9) == b"record 0;"
    disk.wipe_range(path, 20, 5)
    expected[20:25] = bytes(5)
    assert disk.tidy(tmp_path / "segments") == MERGE_PARTS + 2
    assert disk.tidy(tmp_path / "segments") == 0
    assert len(disk.store.list(str(SEGMENT))) == 3  # the mark, the merged part, the newest
    file.append(b"later")
    file.sync()
    disk.wipe_range(path, 40, 5)
    expected[40:45] = bytes(5)
    for each in (disk, again(disk, tmp_path), reader):
        assert each.read_range(path, 100, len(expected) - 100) == expected[100:]
        assert each.names(tmp_path / "segments") == {SEGMENT.name: len(expected) + 5}
    for each in (disk, again(disk, tmp_path)):
        assert each.read_range(path, 0, len(expected)) == expected != before
    again(disk, tmp_path).open_append(path, 50).close()  # a cut within the merged part
    assert again(disk, tmp_path).read_range(path, 0, 50) == expected[:50]


@needs_s3
def test_a_kill_between_merging_and_deleting_costs_nothing(tmp_path: Path) -> None:
    made = new_store()
    disk = S3Disk(PosixDisk(), tmp_path, _NeverDeleting(made.system, made.root))
    file, path = disk.open_append(tmp_path / SEGMENT, 0), tmp_path / SEGMENT
    for _ in range(MERGE_PARTS + 1):
        file.append(b"a secret.")
        file.sync()
    with pytest.raises(OSError, match="killed"):
        disk.tidy(tmp_path / "segments")
    size = 9 * (MERGE_PARTS + 1)
    following = S3Disk(PosixDisk(), tmp_path, made)
    assert following.read_range(path, 0, size) == b"a secret." * (MERGE_PARTS + 1)
    following.wipe_range(path, 0, size)
    left = b"".join(made.get(f"{SEGMENT}/{name}") for name in made.list(str(SEGMENT)))
    assert b"secret" not in left
    assert following.read_range(path, 0, size) == bytes(size)


class _NeverDeleting(ObjectStore):
    def delete(self, key: str) -> None:
        raise OSError("killed")


@needs_s3
def test_a_prefix_belongs_to_one_state() -> None:
    address = shared_s3().address()
    open_store(address).claim("state-1", begun=False)
    open_store(address + "/").claim("state-1", begun=True)
    for store, state_id in ((open_store(address), "state-2"), (new_store(), "state-1")):
        with pytest.raises(WindrowError) as caught:
            store.claim(state_id, begun=True)
        assert caught.value.code == "other_files"


@pytest.mark.parametrize(
    "address", ["s3://", "https://bucket/x", "s3://bucket//x", "s3://bucket?scheme=http", "bucket"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(WindrowError) as caught:
        open_store(address)
    assert caught.value.code == "bad_config"


def test_a_folder_is_adopted_read_and_removed_in_parts(disk: Disk, tmp_path: Path) -> None:
    built, version = tmp_path / "exports" / ".set.building", tmp_path / "exports" / "set" / "0.1.0"
    (built / "data").mkdir(parents=True)
    (built / "manifest.json").write_bytes(b"{}")
    (built / "data" / "rows.parquet").write_bytes(b"rows")
    assert disk.tree(tmp_path / "exports") == {}, "unfinished"
    disk.adopt_durably(built, version)
    for each in (disk, again(disk, tmp_path)):
        assert each.tree(tmp_path / "exports" / "set") == {
            "0.1.0/data/rows.parquet": 4,
            "0.1.0/manifest.json": 2,
        }
        assert each.names(version) == {"manifest.json": 2}
        assert (each.read(version / "data" / "rows.parquet"), each.place(version)[-5:]) == (b"rows", "0.1.0")
        with pytest.raises(FileNotFoundError):
            each.read(version / "none")
    assert not built.exists()
    disk.remove(version / "data")
    assert disk.tree(version) == {"manifest.json": 2}
    disk.remove(version)
    assert disk.tree(version) == {}


@needs_s3
def test_what_an_earlier_release_kept_in_the_home_is_sent_also_after_a_kill(tmp_path: Path) -> None:
    disk = S3Disk(PosixDisk(), tmp_path, new_store())
    version = tmp_path / "exports" / "set" / "0.1.0"
    (version / "data").mkdir(parents=True)
    (version / "manifest.json").write_bytes(b"{}")
    disk.store.put("exports/set/0.1.0/manifest.json", b"{}")  # sent before a kill
    (version / "data" / "rows.parquet").write_bytes(b"rows")
    (tmp_path / "exports" / ".other.building").mkdir()
    disk.take_over(tmp_path / "exports")
    disk.take_over(tmp_path / "exports")
    assert disk.tree(version) == {"data/rows.parquet": 4, "manifest.json": 2}
    assert [path.name for path in (tmp_path / "exports").iterdir()] == [".other.building"]
