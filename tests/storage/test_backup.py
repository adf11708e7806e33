"""A backup is one moment of a home that goes on working; restored it is that home, and nothing else passes for one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_house import open_house, open_segments
from state_database import database_of

from storage import backup as backup_module
from storage.backup import BackedUpFile, read_backup, restore_backup, write_backup
from storage.backup_files import FileCopy
from storage.house import House
from storage.real_env import real_env
from storage.segments import Place, Segments
from storage.state import State, get_meta, set_meta
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import dump_private_key

PATIENCE_S = 120.0


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "home").mkdir()
    return open_house(tmp_path / "home")


@pytest.fixture
def keys(house: House, tmp_path: Path) -> Path:
    folder = tmp_path / "keys-copy"
    folder.mkdir()
    (folder / "coordinator").write_text(dump_private_key(house.key))
    for name in ("operator", "relayer", "personal.json"):
        (folder / name).write_text(name)
    return folder


def stored(house: House, segments: Segments, record: bytes) -> Place:
    """Acknowledge one record, as ingest does."""
    place = segments.append(record)
    segments.sync()
    with house.state.write() as connection:
        segments.commit(connection)
        set_meta(connection, f"record {record.decode()}", f"{place.segment} {place.offset} {place.length}")
    return place


def known(house: House, record: bytes) -> Place | None:
    """Return where the state says that a record lies."""
    with house.state.read() as connection:
        said = get_meta(connection, f"record {record.decode()}")
    if said is None:
        return None
    segment, offset, length = said.split()
    return Place(segment, int(offset), int(length))


def refused(code: str, act: Callable[[], object]) -> str:
    with pytest.raises(WindrowError) as caught:
        act()
    assert caught.value.code == code
    return str(caught.value)


def test_what_is_taken_on_meanwhile_is_in_it_whole_or_not_at_all(
    house: House, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer goes on all the time, and has acknowledged more by each file that is copied."""
    segments = open_segments(house)
    stored(house, segments, b"0")
    (house.home / "exports").mkdir()
    (house.home / "exports" / "rows.parquet").write_bytes(b"rows")
    acknowledged, ended = threading.Semaphore(0), threading.Event()
    copied = FileCopy.catch_up
    seen: set[int] = set()

    def write_on() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            stored(house, segments, str(number).encode())
            acknowledged.release()

    def copy_and_wait(copy: FileCopy, size: int) -> None:
        copied(copy, size)
        if id(copy) not in seen:  # a file's second time is in the moment in which nothing can be committed
            seen.add(id(copy))
            for _ in range(3):
                assert acknowledged.acquire(timeout=PATIENCE_S)

    monkeypatch.setattr(FileCopy, "catch_up", copy_and_wait)
    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        write_backup(house, tmp_path / "backup")
    finally:
        ended.set()
        writer.join()
    again = restored(house, tmp_path, keys)
    opened = open_segments(again)
    held = 0
    while (place := known(again, str(held).encode())) is not None:
        assert opened.read(place) == str(held).encode()
        held += 1
    assert held > 3  # those of the first file's wait
    assert known(house, str(held).encode()) is not None  # and more came later
    assert (again.home / "exports" / "rows.parquet").read_bytes() == b"rows"


def restored(house: House, tmp_path: Path, keys: Path) -> House:
    home = tmp_path / "restored"
    _, missing = restore_backup(real_env(), tmp_path / "backup", home, keys, database_of(home))
    assert missing == []
    assert (home / "keys" / "coordinator").stat().st_mode & 0o077 == 0
    return open_house(home)


def test_what_is_wiped_later_is_not_half_wiped_in_it(
    house: House, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = open_segments(house)
    place = stored(house, segments, b"given")
    copy_to = State.copy_to

    def then_wipe(state: State, path: Path, at_that_moment: Callable[[], None]) -> None:
        copy_to(state, path, at_that_moment)
        segments.wipe(place)

    monkeypatch.setattr(State, "copy_to", then_wipe)
    write_backup(house, tmp_path / "backup")
    assert open_segments(restored(house, tmp_path, keys)).read(place) == b"given"


def test_no_key_lock_socket_or_unfinished_file_is_in_it(house: House, tmp_path: Path) -> None:
    (house.home / "keys").mkdir(exist_ok=True)
    for name in ("keys/operator", "lock", ".half.tmp", "devnet/lock", "lake/.merging-1.tmp"):
        (house.home / name).parent.mkdir(exist_ok=True)
        (house.home / name).write_text("secret")
    (house.home / "lake" / "rows.parquet").write_text("rows")
    made = write_backup(house, tmp_path / "backup")
    assert [file.path for file in made.files] == ["lake/rows.parquet", "state.db"]
    there = {path.relative_to(tmp_path / "backup").as_posix() for path in (tmp_path / "backup").rglob("*")}
    assert there == {"lake", "lake/rows.parquet", "state.db", "backup.json", "backup.jws"}


@pytest.mark.parametrize(
    "name", ["state.db", "segments/contributions-000000.zst", "backup.json", "backup.jws"]
)
def test_a_flipped_byte_or_a_missing_file_is_named(
    house: House, keys: Path, tmp_path: Path, name: str
) -> None:
    stored(house, open_segments(house), b"a record")
    write_backup(house, tmp_path / "backup")
    path = tmp_path / "backup" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    home = tmp_path / "restored"
    said = refused("backup_damaged", lambda: restore_backup(real_env(), tmp_path / "backup", home, keys))
    assert name in said
    path.unlink()
    assert name in refused("backup_damaged", lambda: read_backup(tmp_path / "backup"))
    assert not home.exists()


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "lake/../../x", "lake//x", ".hidden", ""])
def test_a_signed_list_cannot_lead_out_of_the_home(house: House, tmp_path: Path, path: str) -> None:
    made = write_backup(house, tmp_path / "backup")
    resigned(
        house, tmp_path / "backup", msgspec.structs.replace(made, files=[BackedUpFile(path, 0, "0" * 64)])
    )
    assert "no path" in refused("backup_damaged", lambda: read_backup(tmp_path / "backup"))


def resigned(house: House, folder: Path, backup: backup_module.Backup) -> None:
    listed = msgspec.json.encode(backup)
    (folder / "backup.json").write_bytes(listed)
    content = {"list_sha256": hashlib.sha256(listed).hexdigest()}
    (folder / "backup.jws").write_text(house.sign("backup", house.coordinator_id, content))


def test_a_backup_is_restored_with_the_keys_of_its_home_or_knowingly_without(
    house: House, keys: Path, tmp_path: Path
) -> None:
    write_backup(house, tmp_path / "backup")
    home = tmp_path / "restored"

    def restore(of: Path | None) -> list[str]:
        return restore_backup(real_env(), tmp_path / "backup", home, of)[1]

    stranger = dump_private_key(Ed25519PrivateKey.generate())
    (keys / "coordinator").write_text(stranger)
    assert "did not sign" in refused("backup_keys", lambda: restore(keys))
    (keys / "coordinator").write_text(dump_private_key(house.key))
    (keys / "operator").unlink()
    assert "owns the contracts" in refused("backup_keys", lambda: restore(keys))
    assert not home.exists()
    assert restore(None) == ["coordinator", "operator", "relayer", "personal.json"]
    assert not (home / "keys").exists()


def test_nothing_is_written_over(house: House, keys: Path, tmp_path: Path) -> None:
    write_backup(house, tmp_path / "backup")
    refused("backup_in_way", lambda: write_backup(house, tmp_path / "backup"))
    refused("backup_in_way", lambda: write_backup(house, house.home / "backup"))
    home = tmp_path / "restored"
    home.mkdir()
    (home / "state.db").write_text("another home")
    refused("backup_in_way", lambda: restore_backup(real_env(), tmp_path / "backup", home, keys))
    assert (home / "state.db").read_text() == "another home"
    (home / "state.db").unlink()
    restore_backup(real_env(), tmp_path / "backup", home, keys)  # an empty folder is no home yet


def test_a_disk_that_fails_leaves_no_backup_and_the_next_is_whole(
    house: House, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(house, open_segments(house), b"a record")
    with monkeypatch.context() as patch:
        patch.setattr(FileCopy, "catch_up", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            write_backup(house, tmp_path / "backup")
    assert {path.name for path in tmp_path.iterdir()} == {"home", "keys-copy"}
    (tmp_path / ".backup.unfinished").mkdir()  # what a kill leaves
    (tmp_path / ".backup.unfinished" / "rest").touch()
    write_backup(house, tmp_path / "backup")
    assert not (tmp_path / ".backup.unfinished").exists()
    again = restored(house, tmp_path, keys)
    place = known(again, b"a record")
    assert place is not None
    assert open_segments(again).read(place) == b"a record"
