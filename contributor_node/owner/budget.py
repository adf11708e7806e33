"""May this node use the line now: the owner's word, hours, caps and conditions, asked before every request.

Rules: `decide` is pure. What was used is in the operating system's hands after every chunk, and beside it, for each
connection under way, as much as may have arrived uncounted (`HELD_BYTES`): it counts as used if the node is killed.
Near a cap connections give way until one is left, so that together they overshoot by one chunk. Days and months are
UTC, hours of the schedule local. A speed cap makes both sides wait, over any stretch of time. A condition that cannot
be known holds nothing back but `idle_only_min`, which asks for what must be known.

Does not: ask sensors itself (`tell` hands over what they said), or count what others on this machine use.

Usage::

    budget = Budget(home, rules_of(settings), now_ms)
    budget.decision().allowed
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from contributor_node.egress.relay import CHUNK_BYTES, RECEIVE_BYTES_MAX, Way
from contributor_node.egress.speed import SpeedCap
from contributor_node.owner.control import ControlWatch, NodeControl
from contributor_node.owner.schedule import Schedule
from contributor_node.owner.sensors import Conditions
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.errors import WindrowError

USAGE_FILE = "usage.json"
# ours and the kernel's buffers; it takes twice what is asked
HELD_BYTES: Final = CHUNK_BYTES + 2 * RECEIVE_BYTES_MAX
_RECORD_BYTES = 192  # one fixed-size write, so that a kill cannot leave half of it behind a shorter one
Why = Literal[
    "", "paused", "out_of_hours", "on_battery", "metered", "in_use", "idle_unknown", "day_cap", "month_cap"
]
SENTENCES: Final[dict[Why, str]] = {
    "": "it may work",
    "paused": "its owner paused it",
    "out_of_hours": "its schedule is closed now",
    "on_battery": "this machine runs on battery",
    "metered": "this machine's line is metered",
    "in_use": "somebody is using this machine",
    "idle_unknown": "this machine cannot tell whether somebody is using it",
    "day_cap": "the cap of this day (UTC) is reached",
    "month_cap": "the cap of this month (UTC) is reached",
}


@dataclass(frozen=True, slots=True)
class Caps:
    """What the owner allows, in bytes of both directions; speeds in bytes a second, 0 for none."""

    day_bytes_max: int
    month_bytes_max: int
    down_bytes_s_max: int = 0
    up_bytes_s_max: int = 0


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """When and how much: `idle_s_min` seconds without a user, 0 for whenever."""

    caps: Caps
    schedule: Schedule = field(default_factory=Schedule)
    on_battery: bool = True
    on_metered: bool = True
    idle_s_min: int = 0

    def needs_sensors(self) -> bool:
        """Whether any rule depends on the machine's conditions."""
        return not self.on_battery or not self.on_metered or self.idle_s_min > 0


def rules_of(settings: NodeSettings) -> OwnerRules:
    """Return what a node's settings say of its budget."""
    caps = Caps(
        settings.day_mb_max * 10**6,
        settings.month_gb_max * 10**9,
        settings.down_kb_s_max * 1000,
        settings.up_kb_s_max * 1000,
    )
    schedule = Schedule.parse(settings.schedule)
    return OwnerRules(caps, schedule, settings.on_battery, settings.on_metered, settings.idle_only_min * 60)


class Usage(msgspec.Struct, frozen=True):
    """What was used on one day and in one month (UTC, ISO 8601), and what connections under way may add uncounted."""

    day: str
    day_bytes: int
    month: str
    month_bytes: int
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether new requests may leave, and why not."""

    allowed: bool
    reason: Why = ""

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return SENTENCES[self.reason]


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


def decide(
    usage: Usage, rules: OwnerRules, conditions: Conditions, local: datetime, *, paused: bool
) -> Decision:
    """Say whether a request may leave at a local time."""
    refusals: list[tuple[bool, Why]] = [
        (paused, "paused"),
        (not rules.schedule.is_open(local), "out_of_hours"),
        (not rules.on_battery and conditions.on_battery is True, "on_battery"),
        (not rules.on_metered and conditions.metered is True, "metered"),
        (rules.idle_s_min > 0 and conditions.idle_s is None, "idle_unknown"),
        (rules.idle_s_min > (conditions.idle_s or 0), "in_use"),
        (usage.day_bytes >= rules.caps.day_bytes_max, "day_cap"),
        (usage.month_bytes >= rules.caps.month_bytes_max, "month_cap"),
    ]
    return next((Decision(False, why) for refused, why in refusals if refused), Decision(True))


class Budget:
    """The owner's rules for one node; also the `Meter` that the egress proxy asks and tells."""

    def __init__(self, home: Path, rules: OwnerRules, now_ms: Callable[[], int]) -> None:
        """Open the usage file. Raises WindrowError `home_unwritable`."""
        self._control = ControlWatch(home)
        self._now_ms = now_ms
        self._conditions = Conditions()
        self._speed: dict[Way, SpeedCap] = {"up": SpeedCap(), "down": SpeedCap()}
        self.change(rules)
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(home / USAGE_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise WindrowError("home_unwritable", f"{home}: {error.strerror}") from error
        self._open = 0  # connections
        self._usage = _with_what_was_held(_read(self._descriptor))

    def change(self, rules: OwnerRules) -> None:
        """Go by other rules from now on."""
        self.rules = rules
        self._speed["up"].bytes_s_max = rules.caps.up_bytes_s_max
        self._speed["down"].bytes_s_max = rules.caps.down_bytes_s_max

    def tell(self, conditions: Conditions) -> None:
        """Hear what the sensors said."""
        self._conditions = conditions

    @property
    def usage(self) -> Usage:
        """What counts as used now."""
        return usage_at(self._usage, self._now_ms())

    def decision(self) -> Decision:
        """Say whether a request may leave now."""
        local = datetime.fromtimestamp(self._now_ms() / 1000)  # local on purpose: hours are the owner's
        paused = self.control().state == "paused"
        return decide(self.usage, self.rules, self._conditions, local, paused=paused)

    def control(self) -> NodeControl:
        """Return what the owner last told this node."""
        return self._control.control(self._now_ms())

    async def before_request(self) -> None:
        """Hold what a connection may take in uncounted, until `after_request`.

        Raises WindrowError `budget_exhausted` when no request may leave now.
        """
        self._refuse_unless(self.decision())
        if self._open:
            self._refuse_unless(self._room(HELD_BYTES))
        self._open += 1
        self._keep()

    def after_request(self) -> None:
        """Hold nothing for that connection any more."""
        self._open -= 1
        self._keep()

    async def count(self, bytes_n: int, way: Way) -> None:
        """Count a chunk of a page, and wait as the speed cap says.

        Raises WindrowError `budget_exhausted` once a cap is exceeded.
        """
        self.add(bytes_n)
        held_by_the_last = HELD_BYTES if self._open == 1 else 0
        self._refuse_unless(self._room(-held_by_the_last))
        wait_s = self._speed[way].wait_s(bytes_n, asyncio.get_running_loop().time())
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def add(self, bytes_n: int) -> None:
        """Count bytes that went over the line, such as those of a talk with the coordinator, which no cap cuts off."""
        now = self.usage
        self._usage = Usage(now.day, now.day_bytes + bytes_n, now.month, now.month_bytes + bytes_n)
        self._keep()

    def _keep(self) -> None:
        record = msgspec.structs.replace(self._usage, held_bytes=self._open * HELD_BYTES)
        os.pwrite(self._descriptor, msgspec.json.encode(record).ljust(_RECORD_BYTES), 0)

    def _room(self, more_bytes: int) -> Decision:
        """Say whether what was used, what is held and so much more stay within the caps."""
        now, caps, held = self.usage, self.rules.caps, self._open * HELD_BYTES + more_bytes
        if now.day_bytes + held > caps.day_bytes_max:
            return Decision(False, "day_cap")
        return Decision(now.month_bytes + held <= caps.month_bytes_max, "month_cap")

    def _refuse_unless(self, decision: Decision) -> None:
        if not decision.allowed:
            raise WindrowError("budget_exhausted", decision.sentence)

    def close(self) -> None:
        """Close the usage file."""
        os.close(self._descriptor)


def read_usage(home: Path) -> Usage:
    """Return what a home's node has used, running or not. Raises WindrowError `bad_config`."""
    try:
        with (home / USAGE_FILE).open("rb") as file:
            return _decoded(file.read(_RECORD_BYTES))
    except FileNotFoundError:
        return Usage("", 0, "", 0)
    except OSError as error:
        raise WindrowError("bad_config", f"{home / USAGE_FILE}: {error.strerror}") from error


def _read(descriptor: int) -> Usage:
    return _decoded(os.pread(descriptor, _RECORD_BYTES, 0))


def _with_what_was_held(last: Usage) -> Usage:
    """Return the usage that a node finds at its start: what connections held when it was killed counts as used."""
    held = last.held_bytes
    return Usage(last.day, last.day_bytes + held, last.month, last.month_bytes + held)


def _decoded(data: bytes) -> Usage:
    if not data.strip():
        return Usage("", 0, "", 0)
    try:
        return msgspec.json.decode(data, type=Usage)
    except msgspec.DecodeError as error:
        raise WindrowError("bad_config", f"{USAGE_FILE} is damaged; delete it to begin at zero") from error
