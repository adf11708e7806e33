"""The process that reads strangers' archives: `python -m windrow.warc.child FILE AFTER`, one line of JSON for each
step.

    ["begin", 17]           it now looks at record 17
    ["document", 17, {…}]   and this is what it says
    ["skip", 17, "reason"]  or why it says nothing
    ["end", "cut_short"]    the file is over; empty when it was whole

Rules: memory ends at a limit and no file can be written, so what a page does to a parser ends this process and no
other. Records up to and with number `AFTER` are passed without being looked at. What cannot be read is one record more,
skipped as `damaged`, and the file goes on behind it where its records are compressed each by itself (`damage`).

Does not: store, retry, or decide what a death means (`reading` does).

Usage: see `reading.read_warc`.
"""

from __future__ import annotations

import resource
import sys
from typing import Any, BinaryIO

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecord

from windrow.warc.damage import is_by_members, next_record
from windrow.warc.records import Skip, document_of
from windrow_protocol.limits import CHILD_MEMORY_BYTES_MAX, WARC_DAMAGES_MAX, WARC_HEADER_BYTES_MAX


def run(file: BinaryIO, after: int, out: BinaryIO) -> None:
    """Read a file and write what was found."""
    reading = _Reading(file, after, out)
    while reading.to_the_end_or_damage():
        pass
    _say(out, ["end", reading.ended or ("" if reading.number else "no_record")])


class _Reading:
    """How far one file is read; `number` counts records, the damaged ones too."""

    def __init__(self, file: BinaryIO, after: int, out: BinaryIO) -> None:
        self.number, self.ended = 0, ""
        self._file, self._after, self._out = file, after, out
        self._by_members = is_by_members(file)
        self._begin = self._damages = 0
        self._told = False  # of what stands where reading goes on, should it be what could not be read

    def to_the_end_or_damage(self) -> bool:
        """Read until something cannot be read; return whether there is more behind it."""
        inside = False
        try:
            for record in _records(self._file, self._begin):
                self.number, self._begin, self._told = self.number + 1, record.stream_pos, False
                inside = True
                self._look_at(record)
                inside = False
        except OSError as error:
            return self._pass_over(inside, str(error)[:200])
        return False

    def _look_at(self, record: WarcRecord) -> None:
        if self.number <= self._after:
            return
        _say(self._out, ["begin", self.number])
        found = document_of(record)
        if not isinstance(found, Skip):
            _say(self._out, ["document", self.number, found])
            return
        _say(self._out, ["skip", self.number, found.reason])
        self.ended = "cut_short" if found.cut_short else self.ended

    def _pass_over(self, inside: bool, reason: str) -> bool:
        """Go behind what cannot be read: the record that was begun, or the one behind it."""
        if inside or not self._told:
            self.number += not inside
            self._damages += 1
            self.ended = f"{self._damages} damaged, the last as record {self.number}: {reason}"
            if self.number > self._after:
                _say(self._out, ["skip", self.number, "damaged"])
        self._told = not inside
        following = next_record(self._file, self._begin) if self._by_members else None
        self._begin = following or self._begin
        return following is not None and self._damages < WARC_DAMAGES_MAX


def _records(file: BinaryIO, begin: int) -> Any:
    file.seek(begin)
    return ArchiveIterator(file, parse_http=False, quirks_mode=True, max_header_len=WARC_HEADER_BYTES_MAX)


def _say(out: BinaryIO, step: list[Any]) -> None:
    out.write(msgspec.json.encode(step) + b"\n")
    out.flush()


def main() -> None:
    """Open the file, give up what is not needed, read."""
    with open(sys.argv[1], "rb") as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (CHILD_MEMORY_BYTES_MAX, CHILD_MEMORY_BYTES_MAX))
        run(file, int(sys.argv[2]), sys.stdout.buffer)


if __name__ == "__main__":
    main()
