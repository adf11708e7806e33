"""What `windrow node status` and other programs are told of a node, whether it runs or not.

Rules: what can be read now is read now (the owner's word, caps, usage, whether the process lives); what only the
running node knows comes from its last status and only while it runs.

Does not: ask the coordinator, or change anything. Usage: `status_of(settings, now_ms)["why"]`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from contributor_node.identity import is_running
from contributor_node.owner.budget import decide, read_usage, rules_of, usage_at
from contributor_node.owner.control import read
from contributor_node.owner.sensors import Conditions, MachineSensors, sense
from contributor_node.owner.settings import NodeSettings
from contributor_node.owner.status import read_status
from contributor_node.setup.service import service_state
from windrow_protocol.errors import WindrowError


def status_of(settings: NodeSettings, now_ms: int) -> dict[str, Any]:
    """Return it for JSON. Raises WindrowError `bad_config`."""
    home, rules = Path(settings.home), rules_of(settings)
    running, told, control = is_running(home), _last_told(home), _control(home, now_ms)
    usage = usage_at(read_usage(home), now_ms)
    conditions = sense(MachineSensors()) if rules.needs_sensors() else Conditions()
    local = datetime.fromtimestamp(now_ms / 1000)
    decision = decide(usage, rules, conditions, local, paused=control["state"] == "paused")
    return {
        "node_id": told.get("node_id", ""),
        "home": str(home),
        "running": running,
        "service": service_state(),
        "control": control["state"],
        "paused_until_ms": control["until_ms"],
        "may_work": decision.allowed,
        "reason": decision.reason,
        "why": decision.sentence,
        "day_bytes": usage.day_bytes,
        "month_bytes": usage.month_bytes,
        "caps": {
            "day_bytes_max": rules.caps.day_bytes_max,
            "month_bytes_max": rules.caps.month_bytes_max,
            "down_bytes_s_max": rules.caps.down_bytes_s_max,
            "up_bytes_s_max": rules.caps.up_bytes_s_max,
        },
        "outbox": told.get("outbox", {}),
        "in_flight": told.get("in_flight", 0) if running else 0,
        "newer_version": told.get("newer_version", "") if running else "",
        "last_error": told.get("last_error", "") if running else "",
        "at_ms": now_ms,
    }


def _last_told(home: Path) -> dict[str, Any]:
    try:
        return read_status(home)
    except WindrowError:
        return {}  # only what it told last; everything that counts is read from its own file


def _control(home: Path, now_ms: int) -> dict[str, Any]:
    try:
        control = read(home).at(now_ms)
    except WindrowError:
        return {"state": "paused", "until_ms": None}  # as the running node takes it
    return {"state": control.state, "until_ms": control.paused_until_ms}
