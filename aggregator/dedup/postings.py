"""Which texts share a key: the persistent index.

    folder/manifest.json    which runs there are, which log follows them, how far they reach, what was erased
    folder/run-N.idx        a sorted run (see `run_files`), never changed
    folder/log-N.tail       what came after the runs, one record for each append (see `tail`)

Rules: an append is one record, synced, and carries the position of the house's log that it reaches. The house says at
every beginning how far it vouches (`keep`): what goes beyond was never committed and is cut off; what is missing is the
caller's to replay. Runs are made only of what was vouched for. A crash at any write leaves the old manifest or the new
one; files that no manifest names are removed; an index that is damaged, or ahead of a database that was put back from
an older copy, begins anew. Every file is written through the `Disk` port.

Does not: judge, hold texts, or know the house's tables.

Usage::

    postings = Postings(disk, home / "dedup")
    reached = postings.keep(committed)       # less than `committed`: append what is missing
    matches = postings.find(keys)            # rows of (query, column, number)
    postings.append(numbers, keys, position) # durable when it returns
    postings.keep(position)                  # once that is committed
    postings.upkeep()

Source: O'Neil et al., "The Log-Structured Merge-Tree" (1996).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import structlog

from aggregator.dedup.beside import both
from aggregator.dedup.merging import Merge
from aggregator.dedup.minhash import COLUMNS, Keys
from aggregator.dedup.postings_in_memory import MemoryPostings, Numbers, find_first
from aggregator.dedup.run_files import FileRun, run_bytes
from aggregator.dedup.runs import Matches, MemoryRun, Run
from aggregator.dedup.tail import Record, decode_records, encode_record
from storage.env import Disk
from windrow_protocol.errors import WindrowError

log = structlog.get_logger(__name__)

FLUSH_TEXTS: Final = 16_384  # in the log before they become a run
OVERDUE: Final = 4  # times as many in the log, and upkeep waits for nobody
RESIDENT_TEXTS: Final = 65_536  # a run of no more is held in memory: 7 MB
FANOUT: Final = 8  # an older run is merged once the newer one has an eighth of its texts
# Texts merged for each text appended. Above 1 + FANOUT, or merges would fall behind; well above it, because while one
# lasts both runs and the new one lie on the disk (docs/adr/0075).
MERGE_PACE: Final = 64
BESIDE_QUERIES_MIN: Final = 128  # in each half of a look-up, or two threads cost more than they save
_MANIFEST: Final = "manifest.json"
_NO_TEXTS: Final = MemoryRun(np.empty((COLUMNS, 0), np.uint64))


class _RunFile(msgspec.Struct, frozen=True):
    name: str
    texts: int


class _Manifest(msgspec.Struct, frozen=True):
    runs: list[_RunFile] = []
    log: str = "log-000000.tail"
    next_number: int = 1
    position: int = 0  # of the house's log, reached by the runs
    erased: list[int] = []


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """An open run and the file it lies in."""

    file: _RunFile
    run: Run


class Postings:
    """Postings that lie in a folder. One process at a time writes there: the home's lock sees to that."""

    def __init__(self, disk: Disk, folder: Path, *, flush_texts: int = FLUSH_TEXTS) -> None:
        self._disk = disk
        self._folder = folder
        self._flush_texts = flush_texts
        self._close_log: Callable[[], object] = lambda: None
        self._merges: list[tuple[Merge, list[_Held]]] = []
        self._held: list[_Held] = []
        self._load()

    @property
    def texts(self) -> int:
        """How many texts there are, erased ones included until a merge leaves them out."""
        return self._tail.texts + sum(held.file.texts for held in self._held)

    def find(self, keys: Keys) -> Matches:
        """Return rows of (query, column, number) of the texts that share a key, the first of each key only."""
        runs, half = [*(held.run for held in self._held), *self._tail.runs], keys.shape[0] // 2
        if half < BESIDE_QUERIES_MIN:
            return find_first(runs, keys, self._erased)
        first, later = both(
            lambda: find_first(runs, keys[:half], self._erased),
            lambda: find_first(runs, keys[half:], self._erased),
        )
        later[:, 0] += half
        return np.concatenate([first, later])

    def keep(self, committed: int) -> int:
        """Cut off what goes beyond the position that the house has committed, and return what is reached then."""
        if self.position != committed:
            self._load()  # the files decide: another index over them, or a rolled-back transaction, came between
        if self._manifest.position > committed:
            self.begin_anew("ahead of the database")
        if self.position > committed:
            self._open_log([record for record in self._records if record.position <= committed])
        if self._tail.texts >= OVERDUE * self._flush_texts:
            self.upkeep()
        return self.position

    def append(self, numbers: Numbers, keys: Keys, position: int) -> None:
        """Add texts, with which the house's log is held up to `position`; they are durable when this returns."""
        data = encode_record(numbers, keys, position)
        end = self._file.append(data) + len(data)
        self._file.sync()
        self._records.append(Record(position, end, numbers, keys))
        self._tail.append(numbers, keys)
        self._appended += int(numbers.size)
        self.position = position

    def erase(self, numbers: Sequence[int]) -> None:
        """Forget texts: they are found no more when this returns, and no later run holds them."""
        self._abandon_merges()
        erased = sorted({*self._manifest.erased, *numbers})
        self._save(msgspec.structs.replace(self._manifest, erased=erased))

    def compact(self) -> None:
        """Make one run of all there is, now: no file holds anything of an erased text when this returns."""
        self._abandon_merges()
        self._flush()
        while len(self._held) > 1 or (self._held and self._erased.size):
            older = self._held[-2:]
            newer = older.pop() if len(older) > 1 else None
            merge = self._merge_of(older[0], newer)
            while not merge.advance(self._flush_texts):
                pass
            cleared = len(self._held) <= 2
            self._finish(merge, erased=[] if cleared else self._manifest.erased)

    def close(self) -> None:
        """Close its files; nothing is lost by not calling this."""
        self._close_log()
        self._let_go(self._held)

    # --- opening ---------------------------------------------------------------------------------------------

    def _load(self) -> None:
        for merge, _ in self._merges:
            merge.close()
        self._merges, self._appended = [], 0
        path = self._folder / _MANIFEST
        try:
            manifest = (
                msgspec.json.decode(path.read_bytes(), type=_Manifest) if path.exists() else _Manifest()
            )
            self._held = [self._hold(file) for file in manifest.runs]
        except (WindrowError, msgspec.MsgspecError) as error:
            self._manifest, self._held = _Manifest(), []
            self.begin_anew(str(error))
            return
        self._manifest = manifest
        self._erased = np.array(manifest.erased, np.uint64)
        self._sweep()
        log_path = self._folder / manifest.log
        self._open_log(decode_records(log_path.read_bytes()) if log_path.exists() else [])

    def begin_anew(self, why: str) -> None:
        """Forget everything and say why; the caller gives it all again."""
        self._abandon_merges()
        self._let_go(self._held)
        log.warning("dedup_index_begun_anew", why=why)
        numbers = [int("".join(filter(str.isdigit, path.name)) or 0) for path in self._folder.iterdir()]
        number = max(numbers, default=0) + 1  # no file of before has its name
        self._held = []
        self._save(_Manifest(log=f"log-{number:06d}.tail", next_number=number + 1))
        self._sweep()
        self._open_log([])

    def _open_log(self, records: list[Record]) -> None:
        """Open the log with these records of it, cutting off what follows them."""
        self._close_log()
        end_bytes = records[-1].end_bytes if records else 0
        file = self._disk.open_append(self._folder / self._manifest.log, end_bytes)
        self._close_log = weakref.finalize(self, file.close)
        self._file, self._records, self._tail = file, records, MemoryPostings()
        self.position = records[-1].position if records else self._manifest.position
        if records:
            numbers = np.concatenate([record.numbers for record in records])
            self._tail.append(numbers, np.concatenate([record.keys for record in records]))

    def _hold(self, file: _RunFile) -> _Held:
        run = FileRun(self._folder / file.name, file.texts)
        if file.texts > RESIDENT_TEXTS:
            return _Held(file, run)
        resident = run.loaded()
        run.close()
        return _Held(file, resident)

    @staticmethod
    def _let_go(several: Sequence[_Held]) -> None:
        for held in several:
            if isinstance(held.run, FileRun):
                held.run.close()

    def _sweep(self) -> None:
        if not self._folder.is_dir():
            return
        known = {_MANIFEST, self._manifest.log, *(file.name for file in self._manifest.runs)}
        for path in sorted(self._folder.iterdir()):
            if path.name not in known:
                self._disk.remove(path)

    # --- upkeep ----------------------------------------------------------------------------------------------

    def upkeep(self) -> None:
        """Do a portion of what is due: make a run of the log, merge runs. Call it after `keep`, when nobody waits."""
        portion, self._appended = self._appended * MERGE_PACE, 0
        for merge, _ in list(self._merges):
            if portion and merge.advance(portion):
                self._finish(merge, self._manifest.erased)
        if self._tail.texts >= self._flush_texts:
            self._flush()
        busy = {id(held) for _, inputs in self._merges for held in inputs}
        for older, newer in reversed(list(pairwise(self._held))):
            fits = newer.file.texts * FANOUT >= older.file.texts
            if fits and id(older) not in busy and id(newer) not in busy:
                busy |= {id(older), id(newer)}
                self._merge_of(older, newer)

    def _flush(self) -> None:
        """Make a run of the log and begin the next one."""
        run = MemoryRun.merged([*self._tail.runs, _NO_TEXTS]).without(self._erased)
        number, runs = self._manifest.next_number, list(self._manifest.runs)
        if run.texts:
            file = _RunFile(f"run-{number:06d}.idx", run.texts)
            self._disk.write_durably(self._folder / file.name, run_bytes(run.entries))
            runs.append(file)
            self._held.append(self._hold(file))
        full = self._folder / self._manifest.log
        self._save(
            msgspec.structs.replace(
                self._manifest,
                runs=runs,
                log=f"log-{number:06d}.tail",
                next_number=number + 1,
                position=self.position,
            )
        )
        self._open_log([])
        self._disk.remove(full)

    def _merge_of(self, older: _Held, newer: _Held | None) -> Merge:
        number = self._manifest.next_number
        self._manifest = msgspec.structs.replace(self._manifest, next_number=number + 1)
        inputs = [older] if newer is None else [older, newer]
        merge = Merge(
            self._disk,
            self._folder / f"run-{number:06d}.idx",
            older.run,
            _NO_TEXTS if newer is None else newer.run,
            self._erased,
        )
        self._merges.append((merge, inputs))
        return merge

    def _finish(self, merge: Merge, erased: list[int]) -> None:
        """Put a merged run into the place of those it was made of."""
        (inputs,) = (inputs for other, inputs in self._merges if other is merge)
        self._merges = [pair for pair in self._merges if pair[0] is not merge]
        place = self._held.index(inputs[0])
        self._let_go(inputs)  # before the new one is opened, because what is held of a run is large
        new = [self._hold(_RunFile(merge.path.name, merge.texts))] if merge.texts else []
        self._held[place : place + len(inputs)] = new
        runs = [held.file for held in self._held]
        self._save(msgspec.structs.replace(self._manifest, runs=runs, erased=erased))
        for name in [held.file.name for held in inputs] + ([] if merge.texts else [merge.path.name]):
            self._disk.remove(self._folder / name)

    def _abandon_merges(self) -> None:
        for merge, _ in self._merges:
            merge.abandon()
        self._merges = []

    def _save(self, manifest: _Manifest) -> None:
        self._disk.write_durably(self._folder / _MANIFEST, msgspec.json.encode(manifest))
        self._manifest = manifest
        self._erased = np.array(manifest.erased, np.uint64)
