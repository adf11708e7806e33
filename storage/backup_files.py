"""The files of a backup: taken through the `Disk` port wherever a home keeps them, and put back wherever it will.

Rules: a segment that grows while it is copied is followed from where the last copy ended. What goes to a store goes
into an empty prefix, in which nothing is left when it fails.

Does not: sign, list or check a backup (`storage/backup.py`).

Usage: `copy = FileCopy(disk, source, target); copy.catch_up(size)`; `settle_files(staged, home, disk, address)`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from storage.env import Disk
from storage.s3_disk import STORED, S3Disk
from storage.state import get_meta, set_meta, sqlite_url
from windrow_protocol.errors import WindrowError

CHUNK_BYTES: Final = 8 << 20


class FileCopy:
    """A file being copied that may grow meanwhile: each `catch_up` takes what came since."""

    def __init__(self, disk: Disk, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        self._disk, self._source, self._target = disk, source, target
        self._digest, self.bytes = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        """The digest of what was copied so far."""
        return self._digest.hexdigest()

    def catch_up(self, size: int) -> None:
        """Copy from where the last call ended to a size in bytes. Raises OSError."""
        with self._target.open("ab") as target:
            while self.bytes < size:
                chunk = self._disk.read_range(self._source, self.bytes, min(size - self.bytes, CHUNK_BYTES))
                target.write(chunk)
                self._digest.update(chunk)
                self.bytes += len(chunk)


def stored_files(disk: Disk, home: Path) -> dict[str, int]:
    """Return the finished files of segments, lake and exports, by their path in the home, with their sizes in bytes."""
    return {
        f"{folder}/{name}": size
        for folder in STORED
        for name, size in sorted(disk.tree(home / folder).items())
    }


def settle_files(staged: Path, home: Path, disk: Disk, address: str) -> None:
    """Send a restored home's segments, lake and exports to where it will keep them, and let its state know the place.

    `staged` is the folder in which the home is put together, its state still a SQLite file; `address` is the setting
    `files`. Raises WindrowError `backup_in_way` for a prefix with something in it, OSError as the store does.
    """
    state_id = _remember(staged / "state.db", address)
    if not isinstance(disk, S3Disk):
        return
    if disk.store.list(""):
        raise WindrowError("backup_in_way", address)
    try:
        for folder in STORED:
            for path in sorted((staged / folder).glob("*")):
                _send(path, home / folder / path.name, disk)
        disk.store.claim(state_id, begun=False)
    except BaseException:
        disk.store.delete("")
        raise


def _send(source: Path, target: Path, disk: S3Disk) -> None:
    if target.parent.name != "segments":
        disk.adopt_durably(source, target)
        return
    file = disk.open_append(target, 0)
    with source.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            file.append(chunk)
            file.sync()
    file.close()
    source.unlink()


def _remember(database: Path, address: str) -> str:
    engine = sa.create_engine(sqlite_url(database))
    try:
        with engine.begin() as connection:
            set_meta(connection, "files", address)
            return get_meta(connection, "state_id") or ""
    finally:
        engine.dispose()
