"""The line log: one row for every request, in the operating system's hands before the request leaves.

Rules: `sent` writes its row and returns only when the whole row is written; when it cannot (disk full, no
right) the request must not leave, so it raises. `done` adds what came of it. A row without its `done` is a
request whose end nobody saw (power cut, kill -9). Refused requests are kept too, as refusals: they never left,
so they are no rows.

Does not: fsync (a killed process loses nothing; only a power cut may take the last rows), count money, or send
anything.

Usage::

    log = LineLog(home / "line_log.ndjson", now_ms)
    request_id = log.sent(url=url, purpose="page", client="crawl", lease_id=lease_id)
    log.done(request_id, status=200, bytes_up=310, bytes_down=4096)
    for row in read_rows(home / "line_log.ndjson"): ...
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LINE_LOG_FILE_BYTES_MAX, URL_CHARS_MAX


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request that left this machine. `status` is 0 and `done_at_ms` None while nobody has seen its end."""

    request_id: str
    sent_at_ms: int
    method: str
    url: str
    purpose: str
    client: str
    lease_id: str = ""
    address: str = ""
    robots: str = ""
    done_at_ms: int | None = None
    status: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    error: str = ""


class RefusalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was not allowed to leave, and the code of the reason."""

    at_ms: int
    url: str
    purpose: str
    client: str
    lease_id: str
    error: str


class LineLog:
    """An append-only NDJSON file. One process may hold several; several processes may append to one file."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        """Open the log. Raises WindrowError `line_log_unwritable` when the file cannot be opened."""
        self.path = path
        self._now_ms = now_ms
        self._count = 0
        self._run = f"{now_ms():x}-{secrets.token_hex(4)}"
        self._fd, self._size, self._torn = -1, 0, False
        self._open()

    def sent(
        self,
        *,
        url: str,
        purpose: str,
        client: str,
        method: str = "GET",
        lease_id: str = "",
        address: str = "",
        robots: str = "",
    ) -> str:
        """Write the row of a request that is about to leave and return its id; `robots` is robots.txt's verdict on it.

        Raises WindrowError `line_log_unwritable`: the request must then not be sent.
        """
        self._count += 1
        request_id = f"{self._run}-{self._count:x}"
        self._append(
            {
                "event": "sent",
                "request_id": request_id,
                "sent_at_ms": self._now_ms(),
                "method": method,
                "url": url[:URL_CHARS_MAX],
                "purpose": purpose,
                "client": client,
                "lease_id": lease_id,
                "address": address,
                "robots": robots,
            }
        )
        return request_id

    def leased(self, lease_id: str, token: str) -> None:
        """Keep the signed lease that later rows name: it shows who ordered them. Raises `line_log_unwritable`."""
        self._append({"event": "lease", "at_ms": self._now_ms(), "lease_id": lease_id, "token": token})

    def done(
        self,
        request_id: str,
        *,
        status: int,
        bytes_up: int,
        bytes_down: int,
        error: str = "",
        address: str = "",
    ) -> None:
        """Add the end of a request, and its peer where only the end knows it.

        A disk that filled meanwhile leaves the row open; the next `sent` will say so.
        """
        row = {
            "event": "done",
            "request_id": request_id,
            "done_at_ms": self._now_ms(),
            "status": status,
            "bytes_up": bytes_up,
            "bytes_down": bytes_down,
            "error": error,
        } | ({"address": address} if address else {})
        try:
            self._append(row)
        except WindrowError:
            return

    def refused(self, *, url: str, purpose: str, client: str, lease_id: str, error: str) -> None:
        """Keep a refusal. It never left, so a full disk is no reason to fail here."""
        row = {
            "event": "refused",
            "at_ms": self._now_ms(),
            "url": url[:URL_CHARS_MAX],
            "purpose": purpose,
            "client": client,
            "lease_id": lease_id,
            "error": error,
        }
        try:
            self._append(row)
        except WindrowError:
            return

    def close(self) -> None:
        """Close the file. Using the log afterwards raises `line_log_unwritable`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
            self._torn = self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"
        except OSError as error:
            raise WindrowError("line_log_unwritable", str(error)) from error

    def _append(self, row: dict[str, Any]) -> None:
        line = msgspec.json.encode(row) + b"\n"
        if self._torn:
            line = b"\n" + line
        try:
            if self._size > LINE_LOG_FILE_BYTES_MAX:
                self._rotate()
            written = os.write(self._fd, line)
        except OSError as error:
            raise WindrowError("line_log_unwritable", str(error)) from error
        self._size += written
        self._torn = written != len(line)
        if self._torn:
            raise WindrowError("line_log_unwritable", f"only {written} of {len(line)} bytes were written")

    def _rotate(self) -> None:
        os.rename(self.path, rotated_path(self.path, last_turn(self.path) + 1))
        os.close(self._fd)
        self._open()


def rotated_path(path: Path, turn: int) -> Path:
    """Return the name of a log's file once it is rotated; turns count from 1."""
    return path.with_name(f"{path.stem}.{turn:06d}{path.suffix}")


def last_turn(path: Path) -> int:
    """Return the turn of the newest rotated file, 0 where there is none."""
    return max((int(file.name[len(path.stem) + 1 :][:6]) for file in _rotated(path)), default=0)


def log_files(path: Path) -> list[Path]:
    """Return the rotated files of a log, oldest first, then the one in use."""
    return [*sorted(_rotated(path)), *([path] if path.exists() else [])]


def _rotated(path: Path) -> Iterator[Path]:
    return path.parent.glob(f"{path.stem}.[0-9][0-9][0-9][0-9][0-9][0-9]{path.suffix}")


def read_events(path: Path, since_ms: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the events of a log as written, rotated files included, but for files that ended before a time."""
    for file in log_files(path):
        if file.stat().st_mtime_ns // 1_000_000 < since_ms:
            continue
        with file.open("rb") as lines:
            for line in lines:
                event = event_of(line)
                if event is not None:
                    yield event


def event_of(line: bytes) -> dict[str, Any] | None:
    """Return what one line says, None for one torn by a full disk or a kill: that request never left."""
    try:
        event = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return event if isinstance(event, dict) else None


def read_rows(path: Path, since_ms: int = 0) -> Iterator[LineRow]:
    """Yield one row per request that left (since a time), in the order they left, rotated files included.

    Rows wait in memory only until the end of the requests before them has been read.
    """
    open_rows: dict[str, dict[str, Any]] = {}
    for event in read_events(path, since_ms):
        if event.get("event") == "sent" and event["sent_at_ms"] >= since_ms:
            open_rows[event["request_id"]] = event
        elif event.get("event") == "done" and event["request_id"] in open_rows:
            open_rows[event["request_id"]].update(event)
        while open_rows and next(iter(open_rows.values())).get("event") == "done":
            yield msgspec.convert(open_rows.pop(next(iter(open_rows))), LineRow)
    for event in open_rows.values():
        yield msgspec.convert(event, LineRow)


def read_refusals(path: Path) -> Iterator[RefusalRow]:
    """Yield the requests that were not allowed to leave, in order."""
    for event in read_events(path):
        if event.get("event") == "refused":
            yield msgspec.convert(event, RefusalRow)
