"""A process that writes a log as ingest does, on S3, until it is killed: `python tests/s3_writer.py HOME s3://…`.

Each line that it prints is the number of an entry that is committed, which is when a node would get its receipt.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import sqlalchemy as sa

from storage.object_store import open_store
from storage.real_env import PosixDisk
from storage.s3_disk import S3Disk
from storage.segments import Segments
from storage.state import State, sqlite_url
from storage.tables.contributions import submissions


def record_of(seq: int) -> bytes:
    """Return an entry's body; no other has the same."""
    return b"record %d of the log" % seq


def write_until_killed(home: Path, address: str) -> None:
    """Append → sync → commit → say so, from where the last process ended."""
    state = State.open(sqlite_url(home / "state.db"))
    disk = S3Disk(PosixDisk(), home, open_store(address))
    with state.read() as connection:
        segments = Segments(disk, home / "segments", "contributions", connection)
        last = connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar() or 0
    for seq in itertools.count(last + 1):
        place = segments.append(record_of(seq))
        segments.sync()
        row = {"seq": seq, "lease_id": f"l{seq}", "node_id": "n", "kind": "work", **place._asdict()}
        more = {"record_sha256": "", "head": "", "received_at_ms": seq, "receipt": ""}
        with state.write() as connection:
            connection.execute(sa.insert(submissions).values({**row, **more}))
            segments.commit(connection)
        print(seq, flush=True)


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]), sys.argv[2])
