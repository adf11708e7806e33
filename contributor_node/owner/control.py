"""What the owner told a running node to do: run, pause (for a while), or finish. One small file in the node's home.

Rules: `_STEPS` is every step there is. The file is written whole and durably by whoever commands (`windrow node`, the
dashboard) and read before each request by the egress proxy's meter, the one place that every client's requests pass.
A pause with an end is over at that time by itself, after a restart too. A file that cannot be read pauses the node.

Does not: stop a process, or end requests that had left before: those are let through to their end.

Usage::

    pause(home, until_ms=now_ms + 3_600_000)    # None: until it is resumed
    read(home).at(now_ms).state                 # "running", "paused" or "finishing"
    resume(home); finish(home)
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

import msgspec

from contributor_node.identity import write_whole
from windrow_protocol.errors import WindrowError

CONTROL_FILE = "control.json"
CONTROL_BYTES_MAX = 1_024
State = Literal["running", "paused", "finishing"]
Event = Literal["pause", "resume", "finish", "pause_over", "exited"]

log = logging.getLogger(__name__)

_STEPS: dict[tuple[State, Event], State] = {
    ("running", "pause"): "paused",
    ("running", "finish"): "finishing",
    ("paused", "pause"): "paused",
    ("paused", "resume"): "running",
    ("paused", "pause_over"): "running",
    ("paused", "finish"): "finishing",
    ("finishing", "pause"): "paused",
    ("finishing", "resume"): "running",
    ("finishing", "exited"): "running",
}


class NodeControl(msgspec.Struct, frozen=True):
    """The owner's last word. `paused_until_ms` (Unix time) is None unless the state is `paused` with an end."""

    state: State = "running"
    paused_until_ms: int | None = None

    def after(self, event: Event, *, until_ms: int | None = None) -> NodeControl:
        """Return the control after an event; one that has no step changes nothing. `until_ms` is a pause's end."""
        state = _STEPS.get((self.state, event))
        if state is None:
            return self
        return NodeControl(state, until_ms if state == "paused" else None)

    def at(self, now_ms: int) -> NodeControl:
        """Return what counts at a time: a pause whose end has come is over."""
        if self.paused_until_ms is not None and now_ms >= self.paused_until_ms:
            return self.after("pause_over")
        return self


def read(home: Path) -> NodeControl:
    """Return the owner's last word; `running` where nothing was ever said. Raises WindrowError `bad_config`."""
    try:
        with (home / CONTROL_FILE).open("rb") as file:
            return msgspec.json.decode(file.read(CONTROL_BYTES_MAX), type=NodeControl)
    except FileNotFoundError:
        return NodeControl()
    except (OSError, msgspec.DecodeError) as error:
        raise WindrowError(
            "bad_config", f"{home / CONTROL_FILE}: {error}; `windrow node resume` writes it anew"
        ) from error


def pause(home: Path, until_ms: int | None = None) -> NodeControl:
    """Let no new request leave, until a Unix time in ms or until resumed. Raises WindrowError `home_unwritable`."""
    return _tell(home, "pause", until_ms)


def resume(home: Path) -> NodeControl:
    """Work again; also takes a `finish` back while the node still runs. Raises WindrowError `home_unwritable`."""
    return _tell(home, "resume")


def finish(home: Path) -> NodeControl:
    """Have the node end its open leases, hand in, take no more and exit. Raises WindrowError `home_unwritable`."""
    return _tell(home, "finish")


def exited(home: Path) -> NodeControl:
    """Say that a finishing node has ended, so that its next start works. Raises WindrowError `home_unwritable`."""
    return _tell(home, "exited")


def _tell(home: Path, event: Event, until_ms: int | None = None) -> NodeControl:
    try:
        before = read(home)
    except WindrowError:
        before = NodeControl("paused")  # as a running node takes it
    after = before.after(event, until_ms=until_ms)
    write_whole(home / CONTROL_FILE, msgspec.json.encode(after))
    return after


class ControlWatch:
    """The file as the running node sees it: read again only when it was replaced, so asking costs one `stat`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / CONTROL_FILE
        self._seen: tuple[int, int, int] | None = None
        self._control = NodeControl()

    def control(self, now_ms: int) -> NodeControl:
        """Return what counts now; `paused` while the file cannot be read."""
        seen = file_mark(self._path)
        if seen != self._seen or seen is None:
            self._control = self._read()
            self._seen = seen
        return self._control.at(now_ms)

    def _read(self) -> NodeControl:
        try:
            return read(self._home)
        except WindrowError as error:
            log.error("paused", extra={"reason": error.code, "error": str(error)})
            return NodeControl("paused")


def file_mark(path: Path) -> tuple[int, int, int] | None:
    """Return what differs once a file was replaced or written to; None where it cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
