"""Commands to a node that runs: `node pause`, `node resume`, `node finish`, `node status`.

Rules: each writes the owner's word to the node's home and returns; the running node obeys before its next request.

Does not: hold logic (`contributor_node.owner.control`). Usage: `windrow node pause --for 1h`.
"""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from windrow.commands.node_trust import AsJson, NodeHome
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from contributor_node.owner.control import NodeControl

_UNIT_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(s|min|m|h|d|w)")
For = Annotated[
    str, typer.Option("--for", help="for how long, such as 30m, 1h or 2d (default: until resumed)")
]


def node_pause(for_: For = "", home: NodeHome = None, as_json: AsJson = False) -> None:
    """Let no new request leave this machine; what is under way ends. `--for 1h` ends by itself."""
    from contributor_node.owner import control

    until_ms = _now_ms() + round(duration_s(for_) * 1000) if for_ else None
    _told(control.pause(_home(home), until_ms), as_json)


def node_resume(home: NodeHome = None, as_json: AsJson = False) -> None:
    """Work again after a pause; also takes a `finish` back while the node still runs."""
    from contributor_node.owner import control

    _told(control.resume(_home(home)), as_json)


def node_finish(home: NodeHome = None, as_json: AsJson = False) -> None:
    """Have the running node end the pages it took, hand them in, take no more and exit."""
    from contributor_node.identity import is_running
    from contributor_node.owner import control

    if not is_running(_home(home)):
        raise WindrowError("node_not_running", str(_home(home)))
    _told(control.finish(_home(home)), as_json)


def node_status(home: NodeHome = None, as_json: AsJson = False) -> None:
    """Say whether the node runs, whether it may work and if not why, and what it used of its caps."""
    from contributor_node.owner.settings import load_settings
    from contributor_node.setup.node_status import status_of

    told = status_of(load_settings({"home": home}).values, _now_ms())
    if as_json:
        print(json.dumps(told))
        return
    for line in _sentences(told):
        print(line)


def duration_s(text: str) -> float:
    """Return a duration such as `90m` in seconds. Raises WindrowError `bad_usage`."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not float(found[1]):
        raise WindrowError("bad_usage", f"{text!r} is no duration; write 30m, 1h or 2d")
    return float(found[1]) * _UNIT_S[found[2]]


def add_to(node: typer.Typer) -> None:
    """Add these commands to `windrow node`."""
    node.command("pause")(node_pause)
    node.command("resume")(node_resume)
    node.command("finish")(node_finish)
    node.command("status")(node_status)


def _home(home: str | None) -> Path:
    from contributor_node.owner.settings import load_settings

    return Path(load_settings({"home": home}).values.home)


def _told(control: NodeControl, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"state": control.state, "paused_until_ms": control.paused_until_ms}))
    elif control.state == "paused":
        until = _local(control.paused_until_ms) if control.paused_until_ms else "you resume it"
        print(f"Paused until {until}: no new request leaves this machine.")
    elif control.state == "finishing":
        print("Finishing: it ends the pages it took, hands them in and exits.")
    else:
        print("Running: it works whenever your hours and caps allow.")


def _sentences(told: dict[str, Any]) -> list[str]:
    caps = told["caps"]
    lines = [
        f"node      {told['node_id'] or 'has no key yet'}",
        f"process   {'runs' if told['running'] else 'does not run'}",
        f"service   {told['service']}",
        f"may work  {'yes' if told['may_work'] else 'no: ' + told['why']}",
        f"today     {told['day_bytes'] / 1e6:.1f} of {caps['day_bytes_max'] / 1e6:.0f} MB (UTC day)",
        f"month     {told['month_bytes'] / 1e9:.3f} of {caps['month_bytes_max'] / 1e9:.0f} GB (UTC month)",
    ]
    if told["paused_until_ms"]:
        lines.append(f"paused    until {_local(told['paused_until_ms'])}")
    if told["newer_version"]:
        lines.append(f"version   {told['newer_version']} is out; nothing updates by itself")
    if told["last_error"]:
        lines.append(f"last said {told['last_error']}")
    return lines


def _local(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
