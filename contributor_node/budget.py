"""May this node use the line now: the owner's caps on bytes per day and month, and the pause.

Rules: `decide` is pure. What was used is in the operating system's hands after every chunk, so that a killed node
overshoots by one chunk at most. Days and months are UTC. The owner's pause (`control`) stops new requests.

Does not: shape speed, look at battery or schedule, or count what others on this machine use.

Usage::

    budget = Budget(home, Caps(day_bytes_max=10**9, month_bytes_max=2 * 10**10), now_ms)
    budget.decision().allowed
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from contributor_node.control import ControlWatch, NodeControl
from windrow_protocol.errors import WindrowError

USAGE_FILE = "usage.json"
_RECORD_BYTES = 128  # one fixed-size write, so that a kill cannot leave half of it behind a shorter one


@dataclass(frozen=True, slots=True)
class Caps:
    """What the owner allows, in bytes of both directions."""

    day_bytes_max: int
    month_bytes_max: int


class Usage(msgspec.Struct, frozen=True):
    """What was used on one day and in one month (UTC, ISO 8601)."""

    day: str
    day_bytes: int
    month: str
    month_bytes: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether new requests may leave, and why not."""

    allowed: bool
    reason: Literal["", "paused", "day_cap", "month_cap"] = ""


def usage_at(usage: Usage, now_ms: int) -> Usage:
    """Return the usage as it counts now: a new day or month begins at zero."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()
    month = today[:7]
    return Usage(
        day=today,
        day_bytes=usage.day_bytes if usage.day == today else 0,
        month=month,
        month_bytes=usage.month_bytes if usage.month == month else 0,
    )


def decide(usage: Usage, caps: Caps, *, paused: bool) -> Decision:
    """Say whether a request may leave."""
    if paused:
        return Decision(False, "paused")
    if usage.day_bytes >= caps.day_bytes_max:
        return Decision(False, "day_cap")
    if usage.month_bytes >= caps.month_bytes_max:
        return Decision(False, "month_cap")
    return Decision(True)


class Budget:
    """The caps of one node; also the `Meter` that the egress proxy asks and tells."""

    def __init__(self, home: Path, caps: Caps, now_ms: Callable[[], int]) -> None:
        """Open the usage file. Raises WindrowError `home_unwritable`."""
        self._caps = caps
        self._control = ControlWatch(home)
        self._now_ms = now_ms
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(home / USAGE_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise WindrowError("home_unwritable", f"{home}: {error.strerror}") from error
        self._usage = _read(self._descriptor)

    @property
    def usage(self) -> Usage:
        """What counts as used now."""
        return usage_at(self._usage, self._now_ms())

    def decision(self) -> Decision:
        """Say whether a request may leave now."""
        return decide(self.usage, self._caps, paused=self.control().state == "paused")

    def control(self) -> NodeControl:
        """Return what the owner last told this node."""
        return self._control.control(self._now_ms())

    async def before_request(self) -> None:
        """Raise WindrowError `budget_exhausted` when no request may leave now."""
        self._refuse_if_spent()

    async def count(self, bytes_n: int) -> None:
        """Count a chunk of a page. Raises WindrowError `budget_exhausted` once a cap is exceeded."""
        self.add(bytes_n)
        if (
            self._usage.day_bytes > self._caps.day_bytes_max
            or self._usage.month_bytes > self._caps.month_bytes_max
        ):
            self._refuse_if_spent()

    def add(self, bytes_n: int) -> None:
        """Count bytes that went over the line, such as those of a talk with the coordinator, which no cap cuts off."""
        now = self.usage
        self._usage = Usage(now.day, now.day_bytes + bytes_n, now.month, now.month_bytes + bytes_n)
        os.pwrite(self._descriptor, msgspec.json.encode(self._usage).ljust(_RECORD_BYTES), 0)

    def _refuse_if_spent(self) -> None:
        decision = self.decision()
        if not decision.allowed:
            raise WindrowError("budget_exhausted", decision.reason)

    def close(self) -> None:
        """Close the usage file."""
        os.close(self._descriptor)


def _read(descriptor: int) -> Usage:
    data = os.pread(descriptor, _RECORD_BYTES, 0)
    if not data.strip():
        return Usage("", 0, "", 0)
    try:
        return msgspec.json.decode(data, type=Usage)
    except msgspec.DecodeError as error:
        raise WindrowError("bad_config", f"{USAGE_FILE} is damaged; delete it to begin at zero") from error
