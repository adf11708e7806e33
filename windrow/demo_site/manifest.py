"""What the demo site holds: each address on each host, the file behind it, and what a polite node should make of it.

Rules: the manifest is the server's whole routing table; an address that is not in it does not exist. `entries` are the
addresses a crawl is asked for, `assets` the rest (style sheets, scripts, robots.txt, index pages).

Does not: read or write page files, or decide what a node really does: `expect` is a promise that tests hold it to.

Usage::

    manifest = load_manifest(root)
    urls = frontier_urls(manifest, ["http://127.0.20.1:8001", ...])
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Final, Literal

import msgspec

HOSTS_COUNT: Final = 8
MANIFEST_NAME: Final = "site.json"

Kind = Literal["module", "readme", "licence", "special", "asset"]
Expect = Literal["fetched", "rendered", "robots_denied", "optout_denied", "unsafe_address", "not_found"]
Render = Literal["http", "browser"]


class SiteEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address on one host. `path` may carry a query; `file` is relative to the site's root."""

    host_index: int
    path: str
    kind: Kind
    expect: Expect
    render: Render = "http"
    headers: dict[str, str] = {}
    status: int = 200
    file: str = ""
    content_type: str = "text/html; charset=utf-8"


class SiteManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole site. `skipped` counts the modules that cannot be imported here or say too little."""

    entries: list[SiteEntry]
    assets: list[SiteEntry]
    skipped: int = 0

    def counts(self) -> dict[str, int]:
        """How many entries there are of each kind."""
        return dict(Counter(entry.kind for entry in self.entries))


def save_manifest(manifest: SiteManifest, root: Path) -> None:
    """Write `site.json`, one fixed form for one content."""
    (root / MANIFEST_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def load_manifest(root: Path) -> SiteManifest:
    """Read `site.json`. Raises FileNotFoundError, or msgspec.ValidationError when it is no manifest."""
    return msgspec.json.decode((root / MANIFEST_NAME).read_bytes(), type=SiteManifest)


def frontier_urls(manifest: SiteManifest, hosts: list[str]) -> list[tuple[str, str]]:
    """Every address to crawl as (url, render), special pages first, then host by host in turn.

    `hosts` are the base URLs of the eight hosts in order, as the server's ready file lists them. The turn matters:
    each host is paced, so neighbours in the list should be on different hosts. Raises ValueError on a wrong count.
    """
    if len(hosts) != HOSTS_COUNT:
        raise ValueError(f"the site has {HOSTS_COUNT} hosts, {len(hosts)} base URLs were given")
    queues: list[list[SiteEntry]] = [[] for _ in hosts]
    for entry in sorted(manifest.entries, key=lambda entry: entry.kind != "special"):
        queues[entry.host_index].append(entry)
    turns = [entry for turn in zip_longest(*queues) for entry in turn if entry is not None]
    return [(hosts[entry.host_index].rstrip("/") + entry.path, entry.render) for entry in turns]
