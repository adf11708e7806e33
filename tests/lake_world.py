"""A lake with rows that tell where they come from, over a real database and a real or a simulated disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from files_place import env_for
from state_database import state_url

from storage.env import Env
from storage.lake import LAKE_SCHEMA, Lake
from storage.lake.compaction import Compaction
from storage.lake.manifest import files_of, latest_snapshot
from storage.state import State, get_cursor, set_cursor

START_MS = 1_760_000_000_000


def row(seq: int, **given: Any) -> dict[str, Any]:
    """Return one row; its text has a mark that no other row has."""
    blank = dict.fromkeys(LAKE_SCHEMA.names)
    time_ms = START_MS + seq * 1000
    made = {
        "seq": seq,
        "contribution_id": f"c{seq:031x}",
        "text": f"marker-{seq}-of-row",
        "received_at_ms": time_ms,
    }
    return {**blank, **made, "url": f"https://a.example/{seq}", "token_count": seq, **given}


class LakeWorld:
    """One lake; `append` does what the pipeline does: file, then file row and cursor in one transaction."""

    def __init__(self, home: Path, env: Env | None = None, state: State | None = None) -> None:
        self.env = env or env_for(home)
        self.state = state or State.open(state_url(home))
        self.lake = Lake(self.env, home / "lake")
        with self.state.read() as connection:
            self.swept = self.lake.sweep(connection)

    @property
    def cursor(self) -> int:
        with self.state.read() as connection:
            return get_cursor(connection, "judged")

    def append(self, rows: int) -> int:
        """Append the next rows of the log and return the snapshot."""
        first = self.cursor + 1
        last = first + rows - 1
        file = self.lake.write([row(seq) for seq in range(first, last + 1)], first, last)
        with self.state.write() as connection:
            self.lake.commit(connection, file)
            set_cursor(connection, "judged", last)
        return self.snapshot()

    def snapshot(self) -> int:
        with self.state.read() as connection:
            return latest_snapshot(connection)

    def seqs(self, snapshot: int | None = None) -> list[int]:
        """Return the rows of a snapshot as they lie in the lake's files."""
        with self.state.read() as connection:
            table = self.lake.dataset(connection, snapshot).to_table(columns=["seq", "text"])
        for seq, text in zip(table["seq"].to_pylist(), table["text"].to_pylist(), strict=True):
            assert text == f"marker-{seq}-of-row"
        return list(table["seq"].to_pylist())

    def paths(self) -> list[str]:
        with self.state.read() as connection:
            return [file.path for file in files_of(connection)]

    def compact(self, everything: bool = False, **options: Any) -> int:
        """Compact until nothing is left to do and return in how many steps."""
        compaction, steps = Compaction(self.state, self.lake, **options), 0
        while compaction.step(everything):
            steps += 1
        return steps

    def query(self, statement: sa.Select[Any]) -> list[Any]:
        with self.state.read() as connection:
            return list(connection.execute(statement))
