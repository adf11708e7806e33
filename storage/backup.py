"""A home copied while it works, and such a copy made a home again.

Rules: a backup is a folder of plain files, `backup.json` that lists each with its size and SHA-256, and `backup.jws`,
in which the coordinator signs that list; it has its name only when all of it is on the disk. The state is a SQLite file
in it, whichever engine held it, and goes back into either. The order makes it whole: the segments first, then, in a
moment in which nothing can be committed, what they grew by and the database's snapshot, then everything else, which may
be newer than the database as it may be after a crash. Nothing is written over.

Does not: copy keys, or the rows of exports about people, which only a house can take out again: a house restored from a
backup has to publish these anew. Whoever has a backup and no keys can read what else was published and can sign
nothing, and personal data in it opens with the operator's key alone; once that is rotated, no older backup opens. Does
not stop what changes files in place: the caller holds the pipeline and compaction still.

Usage::

    write_backup(house, Path("backups/monday"))
    restore_backup(env, Path("backups/monday"), Path("home"), keys=Path("keys-copy"))

Source: SQLite's online backup API; the order of write-ahead logging (log before index).
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from storage.backup_files import FileCopy, settle_files, stored_files
from storage.env import Disk, Env
from storage.house import House
from storage.state import move_into
from storage.tables.person_months import export_months
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import PROVENANCE_NAME, SAMPLE_NAME
from windrow_protocol.limits import BACKUP_FILES_MAX, BACKUP_LIST_BYTES_MAX, JWS_CHARS_MAX
from windrow_protocol.messages import Hex64, TimeMs
from windrow_protocol.signing import load_private_key, public_id, verify

FORMAT: Final = "windrow-backup-1"
LIST_NAME: Final = "backup.json"
SIGNATURE_NAME: Final = "backup.jws"
PURPOSE: Final = "backup"
DATABASE: Final = "state.db"
KEYS: Final = "keys"
# What each file of `keys` is for, said when it is missing; without the first two a home is another network's.
LOST_WITHOUT: Final = {
    "coordinator": "nodes, validators and buyers know this network by it and would refuse another",
    "operator": "it owns the contracts: without it nothing can be paid or sold on this chain any more",
    "relayer": "it pays the gas of claims; another is made, which needs some",
    "personal.json": "personal data opens with it alone, unless your key lies in a keyring",
}
REQUIRED_KEYS: Final = ("coordinator", "operator")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


class BackedUpFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file; `path` is relative to the home, with slashes."""

    path: Annotated[str, Meta(max_length=1000)]
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Hex64


class Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `backup.json` says."""

    format: str
    network: str
    coordinator_id: Hex64
    made_at_ms: TimeMs
    files: Annotated[list[BackedUpFile], Meta(max_length=BACKUP_FILES_MAX)]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)


def write_backup(house: House, target: Path) -> Backup:
    """Copy a home into a new folder. The pipeline, exports and compaction stand still meanwhile; ingest goes on.

    Raises WindrowError `backup_in_way` where something is there already, or the folder would lie in the home; OSError
    as the disk does, and then nothing is at `target`.
    """
    home, target = house.home.resolve(), target.resolve()
    if target.exists() or target.is_relative_to(home):
        raise WindrowError("backup_in_way", str(target))
    unfinished = target.with_name(f".{target.name}.unfinished")
    house.env.disk.remove(unfinished)
    unfinished.mkdir(parents=True)
    try:
        backup = Backup(
            FORMAT, house.network, house.coordinator_id, house.now_ms(), _copied(house, home, unfinished)
        )
        listed = msgspec.json.encode(backup)
        (unfinished / LIST_NAME).write_bytes(listed)
        (unfinished / SIGNATURE_NAME).write_text(
            house.sign(PURPOSE, house.coordinator_id, {"list_sha256": hashlib.sha256(listed).hexdigest()})
        )
        house.env.disk.adopt_durably(unfinished, target)
    except BaseException:
        house.env.disk.remove(unfinished)
        raise
    return backup


def _copied(house: House, home: Path, folder: Path) -> list[BackedUpFile]:
    disk, copies = house.env.disk, dict[str, FileCopy]()

    def copy(path: str, size: int) -> None:
        if path not in copies:
            copies[path] = FileCopy(disk, home / path, folder / path)
        copies[path].catch_up(size)

    def follow_segments() -> None:
        for path, size in stored_files(disk, home).items():
            if path.startswith("segments/"):
                copy(path, size)

    follow_segments()
    house.state.copy_to(folder / DATABASE, follow_segments)
    about_people = tuple(_rows_about_people(house))
    for path, size in stored_files(disk, home).items():
        if path.startswith(("lake/", "exports/")) and not path.startswith(about_people):
            copy(path, size)
    for path in _relative_files(home, home):
        if not path.startswith(("segments/", "lake/", "exports/", "views/", DATABASE)):
            copy(path, (home / path).stat().st_size)
    listed = [BackedUpFile(path, copy.bytes, copy.sha256) for path, copy in sorted(copies.items())]
    size, digest = _size_and_digest(folder / DATABASE)
    return [*listed, BackedUpFile(DATABASE, size, digest)]


def _rows_about_people(house: House) -> list[str]:
    """Name the rows of exports about people: what is taken back tomorrow must not be readable in a backup of today."""
    of_months = sa.select(export_months.c.dataset, export_months.c.version).distinct()
    with house.state.read() as connection:
        sold = connection.execute(of_months.order_by(*of_months.selected_columns)).all()
    return [
        f"exports/{row.dataset}/{row.version}/{name}"
        for row in sold
        for name in ("data/", SAMPLE_NAME, PROVENANCE_NAME)
    ]


def _relative_files(folder: Path, home: Path) -> Iterator[str]:
    """Name what belongs to a backup: neither keys, locks, sockets and links nor what is still being written."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(home)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or relative.parts[0] == KEYS or path.name == "lock" or path.is_symlink():
            continue
        if path.is_file():
            yield relative.as_posix()


def read_backup(folder: Path) -> Backup:
    """Check a backup from its signature to every byte of its files and return its list.

    Raises WindrowError `backup_damaged`, naming the file.
    """
    listed = _bounded(folder / LIST_NAME, BACKUP_LIST_BYTES_MAX)
    try:
        backup = msgspec.json.decode(listed, type=Backup)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WindrowError("backup_damaged", f"{LIST_NAME}: {error}"[:300]) from error
    if backup.format != FORMAT:
        raise WindrowError("backup_damaged", f"{LIST_NAME}: it is of format {backup.format[:40]!r}")
    _check_signature(folder, backup, listed)
    for file in backup.files:
        _check_file(folder, file)
    return backup


def _check_signature(folder: Path, backup: Backup, listed: bytes) -> None:
    token = _bounded(folder / SIGNATURE_NAME, JWS_CHARS_MAX).decode("ascii", "replace")
    try:
        statement = verify(
            token,
            signer=backup.coordinator_id,
            network=backup.network,
            purpose=PURPOSE,
            now_ms=backup.made_at_ms,
        )
    except WindrowError as error:
        raise WindrowError("backup_damaged", f"{SIGNATURE_NAME}: {error.reason.sentence}") from error
    if (statement.content or {}).get("list_sha256") != hashlib.sha256(listed).hexdigest():
        raise WindrowError("backup_damaged", f"{LIST_NAME} is not the list that was signed")


def _check_file(folder: Path, file: BackedUpFile) -> None:
    if not all(_PART.fullmatch(part) for part in file.path.split("/")):
        raise WindrowError("backup_damaged", f"{file.path[:200]!r} is no path of a home")
    try:
        found = _size_and_digest(folder / file.path)
    except OSError as error:
        raise WindrowError("backup_damaged", f"{file.path}: {error.strerror}") from error
    if found != (file.bytes, file.sha256):
        raise WindrowError("backup_damaged", f"{file.path}: its bytes are not those that were signed")


def restore_backup(
    env: Env,
    folder: Path,
    home: Path,
    keys: Path | None,
    database_url: str = "",
    files: tuple[Disk, str] | None = None,
) -> tuple[Backup, list[str]]:
    """Make a backup a home again and return it with the names of the keys that are missing.

    `keys` is a copy of the home's folder of keys; None leaves a home that will make new ones. `database_url` is of an
    empty database that the state goes into; empty: it stays a file of the home. `files` is the disk of the new home and
    its address, where segments, lake and exports do not lie in the home. Raises WindrowError `backup_in_way`,
    `backup_damaged`, or `backup_keys` where a required key is missing or of another home.
    """
    if home.exists() and any(home.iterdir()):
        raise WindrowError("backup_in_way", str(home))
    backup = read_backup(folder)
    missing = _missing_keys(backup, keys)
    unfinished = home.with_name(f".{home.name}.unfinished")
    env.disk.remove(unfinished)
    try:
        for file in backup.files:
            (unfinished / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.path, unfinished / file.path)
        if keys is not None:
            _copy_keys(keys, unfinished / KEYS)
        settle_files(unfinished, home, *(files or (env.disk, "")))
        if database_url:
            move_into(unfinished / DATABASE, database_url)
        if home.exists():
            home.rmdir()
        env.disk.adopt_durably(unfinished, home)
    except BaseException:
        env.disk.remove(unfinished)
        raise
    return backup, missing


def _missing_keys(backup: Backup, keys: Path | None) -> list[str]:
    if keys is None:
        return list(LOST_WITHOUT)
    missing = [name for name in LOST_WITHOUT if not (keys / name).is_file()]
    for name in REQUIRED_KEYS:
        if name in missing:
            raise WindrowError("backup_keys", f"{keys / name} is missing: {LOST_WITHOUT[name]}")
    key = load_private_key((keys / "coordinator").read_text())
    if public_id(key) != backup.coordinator_id:
        raise WindrowError("backup_keys", f"{keys / 'coordinator'} did not sign this backup")
    return missing


def _copy_keys(keys: Path, target: Path) -> None:
    target.mkdir(mode=0o700, parents=True)
    for name in LOST_WITHOUT:
        if (keys / name).is_file():
            (target / name).touch(0o600)
            shutil.copyfile(keys / name, target / name)


def _bounded(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise WindrowError("backup_damaged", f"{path.name}: {error.strerror}") from error
    if len(data) > bytes_max:
        raise WindrowError("backup_damaged", f"{path.name} has more than {bytes_max} bytes")
    return data


def _size_and_digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
