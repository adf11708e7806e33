"""The index of one house: its postings brought to where the database is, and texts judged against them.

Rules: texts are judged inside the transaction that records the judgements and moves the cursor; before it, the index
follows the database, and after it, upkeep is done, so that neither is waited for by whoever wants to write. What the
index holds beyond the cursor is cut off, and what it lacks (it was removed, an older copy was put back) is read again
from the stored texts; so index and database agree after any crash. An index that finds itself damaged begins anew and
says so: whoever asked asks again. Opened at first use and again when its files went their own way.

Does not: begin or commit transactions, or record judgements.

Usage::

    index = HouseIndex(house.env.disk, house.home / "dedup", segments)
    index.follow(state, committed)
    with state.write() as connection:
        duplicates = index.judge(connection, committed, incoming, position)
        ...                                   # record them, and set the cursor to `position`
    index.upkeep(position)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from aggregator.dedup.minhash import COLUMNS, sketch_all
from aggregator.dedup.postings import Postings
from aggregator.dedup.seen import Duplicate, Incoming, SeenIndex
from aggregator.dedup.stored import StoredDocuments, erased_among, heir_of, judged_after
from storage.env import Disk
from storage.segments import Segments
from storage.state import State
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SKETCH_TEXTS_MAX


class HouseIndex:
    """Everything a house has ever seen."""

    def __init__(self, disk: Disk, folder: Path, segments: Segments) -> None:
        self._disk = disk
        self._folder = folder
        self._segments = segments
        self._opened: Postings | None = None

    def judge(
        self, connection: sa.Connection, committed: int, incoming: Sequence[Incoming], position: int
    ) -> list[Duplicate]:
        """Judge texts that stand behind the place `committed` of the log and up to `position`, in their order.

        They are durable in the index when this returns, and forgotten again if the caller's transaction is not
        committed. Raises OSError when a stored text cannot be read, WindrowError `damaged_index`.
        """
        with self._mending():
            postings = self._postings_at(connection, committed)
            stored = StoredDocuments(connection, self._segments)
            erased = erased_among(connection, {each.sketch.text_sha256 for each in incoming})
            judged = SeenIndex(postings).judge(incoming, stored, erased)
            postings.append(judged.numbers, judged.keys, position)
        return judged.duplicates

    def follow(self, state: State, committed: int) -> None:
        """Bring the index to where the database is, a few texts at a time, while others may write."""
        reached = -1
        while reached < committed:
            with self._mending():
                reached = self._postings().keep(committed)
                if reached < committed:
                    with state.read() as connection:
                        self._append_missing(connection, reached, committed)

    def upkeep(self, committed: int) -> None:
        """Do a portion of the index's own work; called when the transaction that judged is committed."""
        with self._mending():
            if self._postings().keep(committed) == committed:
                self._postings().upkeep()

    def erase(self, connection: sa.Connection, committed: int, numbers: Sequence[int]) -> None:
        """Forget texts; called before their rows and bodies go, in the transaction that takes them away.

        Where somebody else gave the same text, it is found under that contribution from now on. Nothing of the erased
        keys is left in any file when this returns. An erasure whose transaction fails has to be repeated.
        """
        with self._mending():
            postings = self._postings_at(connection, committed)
            going = set(numbers)
            heirs = sorted(
                {heir for number in going if (heir := heir_of(connection, number, going)) is not None}
            )
            self._append(connection, postings, heirs, committed)
            postings.erase(sorted(going))
            postings.compact()

    @contextmanager
    def _mending(self) -> Iterator[None]:
        """Begin anew where the index is damaged, and let the caller know."""
        try:
            yield
        except WindrowError as error:
            if error.code == "damaged_index" and self._opened is not None:
                self._opened.begin_anew(error.detail)
            raise

    def _postings(self) -> Postings:
        if self._opened is None:
            self._opened = Postings(self._disk, self._folder)
        return self._opened

    def _postings_at(self, connection: sa.Connection, committed: int) -> Postings:
        """Return the postings, holding exactly what was judged up to that place of the log."""
        postings = self._postings()
        while postings.keep(committed) < committed:
            self._append_missing(connection, postings.position, committed)
        return postings

    def _append_missing(self, connection: sa.Connection, reached: int, committed: int) -> None:
        """Add the next few texts that were judged and are not in the index."""
        missing = list(judged_after(connection, reached, committed, SKETCH_TEXTS_MAX))
        position = missing[-1][0] if len(missing) == SKETCH_TEXTS_MAX else committed
        self._append(connection, self._postings(), [number for _, number in missing], position)
        self._postings().keep(position)
        self._postings().upkeep()

    def _append(
        self, connection: sa.Connection, postings: Postings, numbers: Sequence[int], position: int
    ) -> None:
        stored = StoredDocuments(connection, self._segments)
        stored.documents(numbers)
        found = stored.texts(numbers)
        texts = {number: found[number] for number in numbers if number in found}
        if texts:
            keys = np.stack([sketch.keys for sketch in sketch_all(list(texts.values()))])
            postings.append(np.array(list(texts), np.uint32), keys, position)
        elif postings.position < position:
            postings.append(np.empty(0, np.uint32), np.empty((0, COLUMNS), np.uint32), position)
