"""A file for an internet provider that got a complaint: what this node is, and every request that left it.

Rules: made from the line log alone, so it says what was written before each request left. Each row names the signed
lease that ordered it and the lease's digest; the leases themselves follow the rows, for whoever wants to check them.
Inside HTTPS this machine's line log sees the host alone: the page is then the one that the lease orders.

Does not: send the file anywhere, leave rows out, or judge them.

Usage: `write_evidence(line_log_path, since_ms, who, Path("evidence.csv"), now_ms)`: text, or CSV by its suffix.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from contributor_node.egress.line_log import LineRow, read_events, read_rows
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LEASE_MEMORY_MS

COLUMNS = (
    *("sent_at_utc", "method", "url", "address", "purpose", "client", "robots", "status", "bytes_up"),
    *("bytes_down", "ended_at_utc", "error", "lease_id", "lease_url", "lease_sha256", "request_id"),
)
_ROBOTS = {"allowed": "allowed by robots.txt", "no_robots": "the host has no robots.txt"}


@dataclass(frozen=True, slots=True)
class Who:
    """What a node is known by; fields that it does not know yet are empty."""

    node_id: str
    network: str
    coordinator: str
    coordinator_id: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class SignedLease:
    """A lease as it came: its digest (SHA-256 of the token) and the URL it orders."""

    token: str
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What a file of evidence holds."""

    rows: int
    hosts: int
    bytes_moved: int
    leases: int


def write_evidence(line_log: Path, since_ms: int, who: Who, out: Path, now_ms: int) -> Totals:
    """Write the file and return what is in it. Raises WindrowError `disk_failed`."""
    leases = _leases(line_log, since_ms)
    totals = _totals(line_log, since_ms)
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            is_csv = out.suffix.lower() == ".csv"
            _write_head(file, "# " if is_csv else "", who, totals, since_ms, now_ms)
            rows = (_fields(row, leases) for row in read_rows(line_log, since_ms))
            used = _write_csv(file, rows) if is_csv else _write_text(file, rows)
            _write_leases(file, "# " if is_csv else "", {key: leases[key] for key in used if key in leases})
    except OSError as error:
        raise WindrowError("disk_failed", f"{out}: {error.strerror}") from error
    return totals


def _leases(line_log: Path, since_ms: int) -> dict[str, SignedLease]:
    found = {}
    for event in read_events(line_log, since_ms - LEASE_MEMORY_MS):
        if event.get("event") == "lease":
            token = str(event.get("token", ""))
            digest = hashlib.sha256(token.encode()).hexdigest()
            found[str(event.get("lease_id"))] = SignedLease(token, digest, _url_of(token))
    return found


def _url_of(token: str) -> str:
    """Return the URL a lease orders, unchecked: the token beside it is what proves it."""
    try:
        payload = token.split(".")[1]
        said = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(said["content"]["url"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, msgspec.DecodeError):
        return ""


def _totals(line_log: Path, since_ms: int) -> Totals:
    count, moved, hosts, leases = 0, 0, set(), set()
    for row in read_rows(line_log, since_ms):
        count += 1
        moved += row.bytes_up + row.bytes_down
        hosts.add(row.url.split("/")[2:3][0] if row.url.count("/") >= 2 else row.url)
        leases.add(row.lease_id)
    return Totals(count, len(hosts), moved, len(leases - {""}))


def _fields(row: LineRow, leases: dict[str, SignedLease]) -> dict[str, Any]:
    lease = leases.get(row.lease_id)
    return {
        "sent_at_utc": _utc(row.sent_at_ms),
        "ended_at_utc": _utc(row.done_at_ms) if row.done_at_ms is not None else "",
        "lease_url": lease.url if lease else "",
        "lease_sha256": lease.sha256 if lease else "",
        **{name: getattr(row, name) for name in COLUMNS if hasattr(row, name)},
    }


def _write_csv(file: TextIO, rows: Iterable[dict[str, Any]]) -> list[str]:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    used: dict[str, None] = {}
    for row in rows:
        writer.writerow({name: _tame(value) for name, value in row.items()})
        used[row["lease_id"]] = None
    return list(used)


def _tame(value: Any) -> Any:
    """Keep a spreadsheet from running what a server said as a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _write_text(file: TextIO, rows: Iterable[dict[str, Any]]) -> list[str]:
    used: dict[str, None] = {}
    for row in rows:
        used[row["lease_id"]] = None
        file.write("\n".join(_sentences(row)) + "\n\n")
    return list(used)


def _sentences(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['sent_at_utc']}  {row['method']} {row['url']}"
    if row["lease_url"] and row["lease_url"] != row["url"]:
        yield f"    on the way to the page ordered: {row['lease_url']}"
    if row["ended_at_utc"]:
        end = f"ended {row['ended_at_utc']}, status {row['status'] or 'none'}"
    else:
        end = "nobody saw its end (the node was stopped)"
    yield f"    to {row['address'] or 'an address not known'}, {end}{', ' + row['error'] if row['error'] else ''}"
    yield f"    {row['bytes_up']} bytes sent, {row['bytes_down']} bytes received"
    robots = _ROBOTS.get(row["robots"], "asks for robots.txt itself" if row["purpose"] == "robots" else "")
    yield f"    purpose: {row['purpose']}{'; ' + robots if robots else ''}"
    if row["lease_id"]:
        yield f"    ordered by lease {row['lease_id']}, SHA-256 {row['lease_sha256'] or 'no longer kept'}"


def _write_head(file: TextIO, mark: str, who: Who, totals: Totals, since_ms: int, now_ms: int) -> None:
    for line in _head(who, totals, since_ms, now_ms):
        file.write(f"{mark}{line}".rstrip() + "\n")


def _head(who: Who, totals: Totals, since_ms: int, now_ms: int) -> Iterator[str]:
    yield "What this computer requested from the web, and on whose order"
    yield ""
    yield "This computer takes part in Windrow, an open network that collects public web pages as training data."
    yield "It is no proxy, VPN or exit node: nobody else's traffic passes through it. It sends GET requests of its own,"
    yield "each ordered by a lease that the network's coordinator signed, asks each host's robots.txt first, waits at"
    yield "least two seconds between pages of one host, sends no cookie and no login, and says who it is:"
    yield f"    User-Agent: {who.user_agent}"
    yield ""
    yield f"Node:             {who.node_id or 'has no key yet'}"
    yield f"Network:          {who.network or 'not met yet'}"
    yield f"Coordinator:      {who.coordinator}"
    yield f"Its signing key:  {who.coordinator_id or 'not met yet'} (Ed25519)"
    yield f"Period:           {_utc(since_ms)} to {_utc(now_ms)}; all times are UTC"
    yield f"Requests:         {totals.rows} to {totals.hosts} hosts, {totals.bytes_moved} bytes, {totals.leases} leases"
    yield ""
    yield "Each row was written before its request left; a request that could not be written down was not sent."
    yield "A lease is a JSON Web Signature (RFC 7515): the tokens at the end can be checked with the signing key above."
    yield ""


def _write_leases(file: TextIO, mark: str, leases: dict[str, SignedLease]) -> None:
    file.write(f"{mark}The signed leases, one a line: lease, SHA-256 of the token, token\n")
    for lease_id, lease in leases.items():
        file.write(f"{mark}{lease_id} {lease.sha256} {lease.token}\n")


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(max(at_ms, 0) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
