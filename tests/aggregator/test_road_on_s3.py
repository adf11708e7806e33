"""Segments and lake on a real S3 server that is killed, and written by a house that is killed: 0 lost, 0 double."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import s3_writer
import sqlalchemy as sa
from killing_store import KillingStore, When
from s3_server import S3Server, needs_s3
from whole_road import gone

from storage.object_store import open_store
from storage.real_env import PosixDisk, real_env
from storage.s3_disk import S3Disk
from storage.segments import Place, Segments
from storage.state import State, sqlite_url
from storage.tables.contributions import submissions

pytestmark = needs_s3
# Writes of submissions and of judged rows, and whether each is lost or only its answer.
KILLS: dict[tuple[str, int], When] = {
    ("segments", 4): "answer",
    ("lake", 1): "before",
    ("segments", 6): "before",
}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server of this file's own, because it is killed."""
    made = S3Server()
    yield made
    made.stop()


def test_the_road_from_lease_to_epoch_survives_kills_of_the_server(server: S3Server, tmp_path: Path) -> None:
    undisturbed = asyncio.run(gone(tmp_path / "home", env=real_env()))
    home, store = tmp_path / "s3", KillingStore(server, KILLS)
    env = replace(real_env(), disk=S3Disk(PosixDisk(), home, store))
    assert asyncio.run(gone(home, env=env)) == undisturbed
    assert sorted(store.killed) == sorted(KILLS)
    assert not list((home / "segments").glob("*"))
    assert not list((home / "lake").glob("*"))


def test_what_a_killed_house_acknowledged_is_there_once(server: S3Server, tmp_path: Path) -> None:
    address, told = server.address(), []
    writer = [sys.executable, str(Path(s3_writer.__file__)), str(tmp_path), address]
    for wanted in (7, 12):
        process = subprocess.Popen(
            writer, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        assert process.stdout is not None
        told += [int(process.stdout.readline()) for _ in range(wanted)]
        process.kill()  # in the middle of the next entry
        told += map(int, process.stdout.read().splitlines())
        process.wait()
        process.stdout.close()
    state = State.open(sqlite_url(tmp_path / "state.db"))
    disk = S3Disk(PosixDisk(), tmp_path, open_store(address))
    with closing(state), state.read() as connection:
        rows = connection.execute(sa.select(submissions).order_by(submissions.c.seq)).all()
        segments = Segments(disk, tmp_path / "segments", "contributions", connection)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert told == list(range(1, len(told) + 1))
    assert len(told) <= len(rows) <= len(told) + 2  # each kill may come between a commit and its word
    for row in rows:
        assert segments.read(Place(row.segment, row.offset, row.length)) == s3_writer.record_of(row.seq)
    ends = rows[-1].offset + rows[-1].length
    assert disk.names(tmp_path / "segments") == {rows[-1].segment: ends}, "what was not committed is gone"
