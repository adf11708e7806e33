"""Commands about what left this machine: `node log`, `node evidence`.

Rules: they read the line log alone, whether the node runs or not. `--json` prints one object a line.

Does not: hold logic (`contributor_node.egress.line_log`, `contributor_node.egress.evidence`).

Usage: `windrow node log --follow`, `windrow node evidence --since 2026-11-01 --out evidence.csv`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from windrow.commands.node_trust import AsJson, NodeHome
from windrow_protocol.errors import WindrowError

LOOK_EVERY_S = 0.25
LINE_LOG = "line_log.ndjson"
SINCE = "a date or time such as 2026-11-01 or 2026-11-01T18:00 (local unless it names a zone), or 2h, 3d ago"


def node_log(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on with what leaves from now on")
    ] = False,
    since: Annotated[str, typer.Option(help=f"only from then on: {SINCE}")] = "",
    home: NodeHome = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a line")] = False,
) -> None:
    """Show every request that left this machine: each was written down before it left."""
    from contributor_node.egress.line_log import read_rows

    path = _line_log(home)
    if follow and not since:
        _follow(path, as_json)
        return
    for row in read_rows(path, moment_ms(since) if since else 0):
        told = msgspec.to_builtins(row)
        print(json.dumps(told) if as_json else _row(told), flush=follow)
    if follow:
        _follow(path, as_json)


def node_evidence(
    since: Annotated[str, typer.Option(help=SINCE)],
    out: Annotated[Path, typer.Option(help="file to write: text, or a table where it ends in .csv")],
    home: NodeHome = None,
    as_json: AsJson = False,
) -> None:
    """Write a file that an internet provider can read: what this node is, and each request with who ordered it."""
    from contributor_node.egress.evidence import write_evidence
    from contributor_node.owner.facts import who_is

    now_ms = time.time_ns() // 1_000_000
    totals = write_evidence(_line_log(home), moment_ms(since), who_is(_settings(home)), out, now_ms)
    if as_json:
        print(json.dumps({"file": str(out), **msgspec.to_builtins(totals)}))
    else:
        print(f"{out}: {totals.rows} requests to {totals.hosts} hosts, ordered by {totals.leases} leases.")


def moment_ms(text: str) -> int:
    """Return a moment as Unix time in ms. Raises WindrowError `bad_usage`."""
    from windrow.commands.node_control import duration_s

    try:
        return round(datetime.fromisoformat(text.strip()).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        return round((time.time() - duration_s(text)) * 1000)
    except WindrowError as error:
        raise WindrowError("bad_usage", f"{text!r} is no moment; write {SINCE}") from error


def add_to(node: typer.Typer) -> None:
    """Add these commands to `windrow node`."""
    node.command("log")(node_log)
    node.command("evidence")(node_evidence)


def _settings(home: str | None) -> Any:
    from contributor_node.owner.settings import load_settings

    return load_settings({"home": home}).values


def _line_log(home: str | None) -> Path:
    return Path(_settings(home).home) / LINE_LOG


def _follow(path: Path, as_json: bool) -> None:
    from contributor_node.egress.log_follow import follow

    for event in follow(path, lambda: time.sleep(LOOK_EVERY_S)):
        if as_json:
            print(json.dumps(event), flush=True)
        else:
            for line in _event(event):
                print(line, flush=True)


def _event(event: dict[str, Any]) -> Iterator[str]:
    kind = event.get("event")
    if kind == "sent":
        yield f"{_time(event['sent_at_ms'])}  → {event['method']} {event['url']} ({event['purpose']})"
    elif kind == "done":
        moved = f"{event['bytes_up']} B up, {event['bytes_down']} B down"
        yield f"{_time(event['done_at_ms'])}  ← {event['status'] or event['error']}  {moved}"
    elif kind == "refused":
        yield f"{_time(event['at_ms'])}  ✕ {event['url']} did not leave [{event['error']}]"


def _row(row: dict[str, Any]) -> str:
    end = str(row["status"] or row["error"] or "no end seen")
    moved = f"{row['bytes_up']:>7} up {row['bytes_down']:>9} down"
    return f"{_time(row['sent_at_ms'])}  {end:>4}  {moved}  {row['purpose']:<11} {row['method']} {row['url']}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")
