"""The process that reads strangers' archives: `python -m windrow.warc.child FILE AFTER`, one line of JSON for each
step.

    ["begin", 17]           it now looks at record 17
    ["document", 17, {…}]   and this is what it says
    ["skip", 17, "reason"]  or why it says nothing
    ["end", "cut_short"]    the file is over; empty when it was whole

Rules: memory ends at a limit and no file can be written, so what a page does to a parser ends this process and no
other. Records up to and with number `AFTER` are passed without being looked at.

Does not: store, retry, or decide what a death means (`reading` does).

Usage: see `reading.read_warc`.
"""

from __future__ import annotations

import resource
import sys
from typing import Any, BinaryIO

import msgspec
from fastwarc.warc import ArchiveIterator

from windrow.warc.records import Skip, document_of
from windrow_protocol.limits import CHILD_MEMORY_BYTES_MAX, WARC_HEADER_BYTES_MAX


def run(file: BinaryIO, after: int, out: BinaryIO) -> None:
    """Read a file and write what was found."""
    ended, number = "", 0
    try:
        for number, record in enumerate(_records(file), start=1):
            if number <= after:
                continue
            _say(out, ["begin", number])
            found = document_of(record)
            if isinstance(found, Skip):
                _say(out, ["skip", number, found.reason])
                ended = "cut_short" if found.cut_short else ended
            else:
                _say(out, ["document", number, found])
    except OSError as error:
        ended = f"unreadable after record {number}: {str(error)[:200]}"
    _say(out, ["end", ended or ("" if number else "no_record")])


def _records(file: BinaryIO) -> Any:
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
