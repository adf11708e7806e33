"""A file opened for appending, once closed, leaves alone whatever has got its descriptor's number since."""

from __future__ import annotations

from pathlib import Path

from storage.real_env import PosixDisk


def test_closing_again_closes_nothing_else(tmp_path: Path) -> None:
    disk = PosixDisk()
    closed = disk.open_append(tmp_path / "first", 0)
    closed.close()
    other = disk.open_append(tmp_path / "second", 0)
    closed.close()
    assert other.append(b"kept") == 0
    other.sync()
    assert (tmp_path / "second").read_bytes() == b"kept"
    other.close()
