"""Which rows of growing views lie in columnar blocks, and which a question still has to read from the state.

A state of ten million contributions cannot be read row by row for every question. So rows that change no more are
copied into Parquet files (`sealing`), each for an aligned range of keys:

    keys 0 … 1,023 | 1,024 … 2,047 | …      eight of them become one of 8,192 keys, and so on up to 262,144

Rules: a block is a copy, and the state is what counts; a block that is missing, or was let go because a row of it had
to change (an erasure, a new version of the annotations), is read from the state again. Blocks and the rest of the
rows never overlap, whichever moment a question falls into, because no row is changed or added below a block's last
key.

Does not: write blocks.

Usage::

    found = covered(connection, home / FOLDER, ["contributions"])["contributions"]
    query = view.select.where(found.rest(view.grows.key))       # and the rows of found.files

Source: ADR 0076.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from storage.tables.lake import view_blocks

FOLDER: Final = "views"
BLOCK_KEYS: Final = (1_024, 8_192, 65_536, 262_144)
_GAPS_MAX: Final = 100  # beyond so many, a statement would be longer than what it saves


@dataclass(frozen=True)
class Covered:
    """The files of a view, and the ranges of keys (both ends included, ascending, apart) whose rows are in them."""

    files: tuple[Path, ...]
    ranges: tuple[tuple[int, int], ...]

    def rest(self, key: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """Return the condition that holds of every row which is in none of the files."""
        if not self.ranges:
            return sa.true()
        gaps = [key < self.ranges[0][0]] if self.ranges[0][0] > 0 else []
        pairs = zip(self.ranges, self.ranges[1:], strict=False)
        gaps += [key.between(before[1] + 1, after[0] - 1) for before, after in pairs]
        return sa.or_(*gaps, key > self.ranges[-1][1])


NOTHING: Final = Covered((), ())


def covered(connection: sa.Connection, folder: Path, views: Iterable[str]) -> dict[str, Covered]:
    """Return what is in blocks of some views; a listed file that is not there does not count."""
    return {view: _covered(connection, folder, view) for view in views}


def _covered(connection: sa.Connection, folder: Path, view: str) -> Covered:
    statement = (
        sa.select(view_blocks.c.path, view_blocks.c.first_key, view_blocks.c.last_key)
        .where(view_blocks.c.view == view)
        .order_by(view_blocks.c.first_key)
    )
    files: list[Path] = []
    ranges: list[tuple[int, int]] = []
    for row in connection.execute(statement):
        if not (folder / row.path).is_file():
            continue
        if ranges and ranges[-1][1] + 1 == row.first_key:
            ranges[-1] = (ranges[-1][0], row.last_key)
        elif len(ranges) > _GAPS_MAX:
            break
        else:
            ranges.append((row.first_key, row.last_key))
        files.append(folder / row.path)
    return Covered(tuple(files), tuple(ranges))


def let_go(connection: sa.Connection, views: Collection[str], keys: Iterable[int]) -> list[str]:
    """Unlist every block of some views that may have a row with one of these keys, because that row changes.

    Called in the transaction that changes the rows. Returns the names of the files, to be deleted after its commit.
    """
    statement = sa.select(view_blocks).where(view_blocks.c.view.in_(views))
    wanted = sorted(set(keys))
    gone = [
        row.path
        for row in connection.execute(statement)
        if any(row.first_key <= key <= row.last_key for key in wanted)
    ]
    if gone:
        connection.execute(sa.delete(view_blocks).where(view_blocks.c.path.in_(gone)))
    return gone
