"""`windrow node doctor`: whether this node would earn anything, and if not, exactly why.

Rules: each check says *passed*, *failed* (then nothing is earned), *limited* (less is earned) or *not checked*, and
none claims what it did not do. Nothing on the web is fetched: without a lease this node may not, so no check does.

Does not: change anything but the line log, where its questions to the coordinator stand.

Usage: `findings = examine(settings, desk); because(findings)`.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from contributor_node.coordinator.facts import FactsDesk, now_ms
from contributor_node.crawling.chromium import find_chromium
from contributor_node.identity import is_running, read_pin
from contributor_node.owner.budget import decide, read_usage, rules_of, usage_at
from contributor_node.owner.control import read
from contributor_node.owner.payout import read_payout
from contributor_node.owner.sensors import Conditions, MachineSensors, sense
from contributor_node.owner.settings import NodeSettings
from contributor_node.owner.status import read_status
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX
from windrow_protocol.release import RELEASE, is_newer

State4 = Literal["passed", "failed", "limited", "not checked"]
DISK_FREE_BYTES_MIN: Final = 500_000_000
STATUS_AGE_MS_MAX: Final = 600_000
_WITHOUT_STANDING: Final = {
    "activity_low": "it lets too many of its leases go unanswered, and gets few for a day",
    "egress_crowded": "its fetches come from another address range than its messages, where three nodes work already",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `detail` of a failed one is why nothing would be earned."""

    name: str
    state: State4
    detail: str


Check = Callable[[NodeSettings, FactsDesk], Iterator[Finding]]


def examine(settings: NodeSettings, desk: FactsDesk) -> list[Finding]:
    """Run every check. A check that is refused by a reason has failed for that reason."""
    found: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            found += check(settings, desk)
        except WindrowError as error:
            found.append(Finding(name, "failed", str(error)))
    return found


def because(findings: list[Finding]) -> str:
    """Return the verdict in one sentence."""
    failed = [finding for finding in findings if finding.state == "failed"]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        why = failed[0].detail
        return f"This node will earn nothing because {why[:1].lower()}{why[1:]}{more}"
    unsure = sum(finding.state == "not checked" for finding in findings)
    return f"Nothing was found that keeps this node from earning; {unsure} things were not checked."


def check_payout(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """There is an address to be paid at."""
    if not settings.payout:
        yield Finding("payout", "failed", "no payout address is set: `windrow node setup` asks for one.")
        return
    payout = read_payout(settings.payout)
    yield Finding("payout", "passed", f"{payout.address}; whether you hold its key cannot be checked here")


def check_home(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """The home takes files, so that the line log can be written."""
    home = Path(settings.home)
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as probe:  # a full disk is found by writing only
            probe.write(b"\0" * 65_536)
            probe.flush()
    except OSError as error:
        raise WindrowError("line_log_unwritable", f"{place}: {error.strerror}") from error
    free = shutil.disk_usage(place).free
    state: State4 = "passed" if free >= DISK_FREE_BYTES_MIN else "limited"
    yield Finding("disk", state, f"{place} can be written, {free // 10**6} MB are free")


def check_caps(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """The caps leave room."""
    for name in ("day_mb_max", "month_gb_max"):
        if getattr(settings, name) == 0:
            yield Finding("caps", "failed", f"`{name}` is 0, which stops all work; raise it in node.toml.")
            return
    yield Finding("caps", "passed", f"{settings.day_mb_max} MB a day, {settings.month_gb_max} GB a month")


def check_hours(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """The schedule opens at some time."""
    opening = rules_of(settings).schedule.next_opening(datetime.now())
    if opening is None:
        yield Finding("schedule", "failed", f"`schedule` {settings.schedule!r} never opens.")
    else:
        yield Finding("schedule", "passed", f"{settings.schedule or 'always'}; open at {opening:%a %H:%M}")


def check_now(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """Nothing of the owner's own rules holds it back at this moment."""
    home, rules, at_ms = Path(settings.home), rules_of(settings), now_ms()
    control = read(home).at(at_ms)
    if control.state == "paused" and control.paused_until_ms is None:
        yield Finding("owner", "failed", "it is paused until you say `windrow node resume`.")
        return
    conditions = sense(MachineSensors()) if rules.needs_sensors() else Conditions()
    usage = usage_at(read_usage(home), at_ms)
    paused = control.state == "paused"
    decision = decide(usage, rules, conditions, datetime.now(), paused=paused)
    if decision.reason == "idle_unknown":
        yield Finding("owner", "failed", f"{decision.sentence}, and `idle_only_min` asks for just that.")
    elif decision.allowed:
        yield Finding("owner", "passed", "your own rules let it work now")
    else:
        yield Finding("owner", "limited", f"not now: {decision.sentence}")
    senses = {"battery": conditions.on_battery, "metered line": conditions.metered}
    for name in (name for name, told in senses.items() if rules.needs_sensors() and told is None):
        yield Finding(name, "not checked", "this machine does not say, so nothing is held back by it")


def check_coordinator(settings: NodeSettings, desk: FactsDesk) -> Iterator[Finding]:
    """The coordinator answers, is the one that was pinned, and agrees on the time."""
    asked_ms = now_ms()
    says = desk.network()
    heard_ms = now_ms()
    pin = read_pin(Path(settings.home))
    if pin is not None and (pin.network, pin.coordinator_id) != (says.network, says.coordinator_id):
        raise WindrowError(
            "coordinator_changed", f"{settings.coordinator} has key {says.coordinator_id[:16]}…"
        )
    yield Finding("coordinator", "passed", f"{settings.coordinator} serves {says.network}")
    if not says.server_time_ms:
        yield Finding("clock", "not checked", "the coordinator does not say what time it has")
    else:
        early, late = says.server_time_ms - heard_ms, asked_ms - says.server_time_ms
        skew_ms = max(early, late, 0)
        if skew_ms > CLOCK_SKEW_MS_MAX:
            raise WindrowError(
                "clock_skew", f"this clock is {skew_ms // 1000} s {'slow' if early > late else 'fast'}"
            )
        yield Finding("clock", "passed", f"within {skew_ms / 1000:.1f} s of the coordinator's")
    if is_newer(says.node_version, RELEASE):
        yield Finding(
            "version", "limited", f"{says.node_version} is out, this is {RELEASE}; nothing updates by itself"
        )


def check_place(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """The network has room for a node of this address range."""
    home = Path(settings.home)
    told = read_status(home) if is_running(home) else {}
    if not told.get("state") or now_ms() - int(told.get("at_ms", 0)) > STATUS_AGE_MS_MAX:
        start = (
            "" if is_running(home) else "; none runs here now: `windrow node install`, or `windrow node run`"
        )
        why = f"only a running node hears whether its address range is full{start}"
        yield Finding("place", "not checked", why)
    elif told["state"] == "queued":
        place = f"this one is number {told['queue_position']} in the queue"
        yield Finding("place", "failed", f"its address range is full: three nodes of it work, {place}.")
    else:
        yield Finding("place", "passed", f"the network has this node as {told['state']}")
        for code in told.get("standing_lacks", ()):
            yield Finding("standing", "limited", _WITHOUT_STANDING.get(code, f"no standing: {code}"[:80]))


def check_chromium(settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """There is a browser where pages are to be rendered."""
    if "browser" not in settings.renders:
        yield Finding("chromium", "not checked", "rendered pages are not asked for")
        return
    try:
        yield Finding("chromium", "passed", find_chromium(settings.chromium, os.environ))
    except WindrowError as error:
        only = settings.renders == ["browser"]
        yield Finding("chromium", "failed" if only else "limited", str(error))


def check_loopback(_settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """The egress proxy can listen on loopback and be reached there."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(3)
            with socket.create_connection(listener.getsockname(), timeout=3):
                listener.accept()[0].close()
    except OSError as error:
        why = f"programs cannot reach each other on 127.0.0.1 here ({error}), and every request goes through there."
        yield Finding("proxy", "failed", why)
    else:
        yield Finding("proxy", "passed", "the egress proxy can listen on 127.0.0.1")


def check_web(_settings: NodeSettings, _desk: FactsDesk) -> Iterator[Finding]:
    """Said for honesty: whether pages can be reached is seen with the first lease only."""
    yield Finding("web", "not checked", "nothing on the web is fetched without a lease, not even to try")


CHECKS: Final[dict[str, Check]] = {
    "payout": check_payout,
    "disk": check_home,
    "caps": check_caps,
    "schedule": check_hours,
    "owner": check_now,
    "proxy": check_loopback,
    "coordinator": check_coordinator,
    "place": check_place,
    "chromium": check_chromium,
    "web": check_web,
}
