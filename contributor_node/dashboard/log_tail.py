"""Two views of the line log that stay cheap as it grows: its newest rows, and bytes per day.

Rules: each byte is read once. The tail follows the file across its rotation and skips ahead when it is far behind; the
sums remember how far they read each file. A line that cannot be read is no row, as in `line_log`.

Does not: write, or hold more rows than it was told.

Usage::

    tail = LogTail(home / "line_log.ndjson"); tail.rows()      # the newest first
    sums = DaySums(home / "line_log.ndjson"); sums.of_days(first_day, last_day)
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from contributor_node.egress.line_log import log_files
from windrow_protocol.limits import DASHBOARD_LOG_ROWS_MAX, DASHBOARD_TAIL_BYTES_MAX

DAY_MS = 86_400_000


class LogEvent(msgspec.Struct):
    """A line of the log, or a request as far as its lines tell; `event` is its latest: sent, done or refused."""

    event: str
    request_id: str = ""
    sent_at_ms: int = 0
    at_ms: int = 0
    done_at_ms: int = 0
    method: str = ""
    url: str = ""
    purpose: str = ""
    client: str = ""
    lease_id: str = ""
    address: str = ""
    status: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    error: str = ""


class DayTraffic(NamedTuple):
    """What one UTC day's ended requests moved."""

    requests: int
    bytes_up: int
    bytes_down: int


_DECODER = msgspec.json.Decoder(LogEvent)


def _decoded(line: bytes) -> LogEvent | None:
    try:
        return _DECODER.decode(line)
    except msgspec.DecodeError:
        return None  # torn by a full disk or a kill


class LogTail:
    """The newest rows, followed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._rows: OrderedDict[str, LogEvent] = OrderedDict()
        self._refusals = 0
        self.version = 0

    def rows(self) -> list[LogEvent]:
        """Return the newest requests and refusals, the newest first; `version` changes when they do."""
        while True:
            if self._file is None and not self._open():
                break
            self._read_on()
            if not self._was_rotated():
                break
            self.close()
        return list(reversed(self._rows.values()))

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            return False
        self._rest = b""
        return True

    def _was_rotated(self) -> bool:
        assert self._file is not None
        try:
            return os.stat(self._path).st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def _read_on(self) -> None:
        assert self._file is not None
        behind = os.fstat(self._file.fileno()).st_size - self._file.tell()
        skipped = behind > DASHBOARD_TAIL_BYTES_MAX
        if skipped:
            self._file.seek(-DASHBOARD_TAIL_BYTES_MAX, os.SEEK_END)
            self._rest = b""
        lines = (self._rest + self._file.read(2 * DASHBOARD_TAIL_BYTES_MAX)).split(b"\n")
        self._rest = lines.pop()
        for line in lines[1:] if skipped else lines:
            if event := _decoded(line):
                self._take(event)

    def _take(self, event: LogEvent) -> None:
        self.version += 1
        if event.event == "sent":
            self._rows[event.request_id] = event
        elif event.event == "refused":
            self._refusals += 1
            self._rows[f"refused {self._refusals}"] = event
        elif row := self._rows.get(event.request_id):
            row.event, row.done_at_ms, row.status = "done", event.done_at_ms, event.status
            row.bytes_up, row.bytes_down, row.error = event.bytes_up, event.bytes_down, event.error
        while len(self._rows) > DASHBOARD_LOG_ROWS_MAX:
            self._rows.popitem(last=False)


class DaySums:
    """Bytes per UTC day, of requests whose end the log has."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[int, tuple[int, dict[int, DayTraffic]]] = {}

    def of_days(self, first_day: int, last_day: int) -> dict[int, DayTraffic]:
        """Return the traffic of days counted from 1970-01-01; a day without requests is absent."""
        seen = {}
        for path in log_files(self._path):
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_mtime * 1000 >= first_day * DAY_MS:
                    seen[found.st_ino] = self._file_sums(found.st_ino, file)
        self._files = seen
        total: dict[int, DayTraffic] = {}
        for _, sums in seen.values():
            for day, traffic in sums.items():
                if first_day <= day <= last_day:
                    total[day] = _plus(total.get(day), traffic)
        return total

    def _file_sums(self, inode: int, file: BinaryIO) -> tuple[int, dict[int, DayTraffic]]:
        position, sums = self._files.get(inode, (0, {}))
        file.seek(position)
        for line in _whole_lines(file):
            position += len(line)
            if b'"event":"done"' in line and (event := _decoded(line)):
                day = event.done_at_ms // DAY_MS
                sums[day] = _plus(sums.get(day), DayTraffic(1, event.bytes_up, event.bytes_down))
        return position, sums


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if line.endswith(b"\n"):
            yield line


def _plus(one: DayTraffic | None, other: DayTraffic) -> DayTraffic:
    if one is None:
        return other
    return DayTraffic(*(mine + theirs for mine, theirs in zip(one, other, strict=True)))
