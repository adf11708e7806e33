"""A node's settings: defaults, then `node.toml` in its home, then WINDROW_NODE_* variables, then flags.

Rules: only the payout *address* is known here, never its key. Endpoints in `allow_private` are exact loopback addresses
with their ports; nothing else private can ever be listed. A wrong value is refused with its name, where it came from
and what would be right.

Does not: read the coordinator's answer or keep state.

Usage: `settings = load_settings({"coordinator": "http://127.0.0.1:8420"}).values`.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from platformdirs import user_data_path

from contributor_node.egress.owner_domains import OwnerDomains, category_paths, domain_of
from contributor_node.owner.schedule import Schedule
from windrow_protocol.addresses import AllowedEndpoint, parse_allowed
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_PACE_OWNER_S_MIN, HOST_PACE_S_MIN, LEASES_PER_REQUEST_MAX
from windrow_protocol.merkle import checksum_address
from windrow_protocol.settings import Resolved, env_layer, resolve

PREFIX = "WINDROW_NODE_"
SETTINGS_FILE = "node.toml"
Cap = Annotated[int, Meta(ge=0, le=10_000_000)]
Render = Literal["http", "browser"]


class NodeSettings(msgspec.Struct, frozen=True):
    """What a contributor decides."""

    home: str = ""
    coordinator: str = "http://127.0.0.1:8420"
    payout: str = ""
    region: Annotated[str, Meta(max_length=32)] = ""
    renders: list[Render] = msgspec.field(default_factory=lambda: ["http", "browser"])
    allow_private: list[str] = []
    pace_private_s: Annotated[float, Meta(ge=HOST_PACE_OWNER_S_MIN)] = HOST_PACE_S_MIN
    source_address: str = ""
    day_mb_max: Cap = 1_000
    month_gb_max: Cap = 20
    down_kb_s_max: Cap = 0  # 0: no cap on speed
    up_kb_s_max: Cap = 0
    schedule: str = ""  # always
    on_battery: bool = False
    on_metered: bool = False
    idle_only_min: Annotated[int, Meta(ge=0, le=1_440)] = 0  # 0: whether somebody uses the machine or not
    deny_domains: list[str] = []
    allow_domains: list[str] = []  # empty: all that are not denied
    deny_categories: list[str] = []  # files `categories/NAME.txt` in the home
    chromium: str = ""
    batch: Annotated[int, Meta(ge=1, le=LEASES_PER_REQUEST_MAX)] = 20
    poll_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 30.0
    dashboard_port: Annotated[int, Meta(ge=0, le=65_535)] = 0  # 0: any free one
    no_dashboard: bool = False
    validator: bool = False  # work only as one; a node that the operator lists is one anyway

    def endpoints(self) -> frozenset[AllowedEndpoint]:
        """Return the private endpoints the owner lists. Raises WindrowError `bad_config`."""
        return frozenset(parse_allowed(text) for text in self.allow_private)

    def domains(self) -> OwnerDomains:
        """Return the owner's lists of domains, files read. Raises WindrowError `bad_config`."""
        files = category_paths(Path(self.home), self.deny_categories)
        return OwnerDomains.of(self.deny_domains, self.allow_domains, files)


def load_settings(flags: Mapping[str, Any] | None = None) -> Resolved[NodeSettings]:
    """Read every layer. Raises WindrowError `bad_config`, naming the setting and its source."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    environment = _environment()
    chosen = given.get("home") or environment.get("home") or user_data_path("windrow", False) / "node"
    home = Path(chosen).expanduser().resolve()
    layers = [
        ("default", {"home": str(home)}),
        (str(home / SETTINGS_FILE), read_toml(home / SETTINGS_FILE)),
        ("environment", environment),
        ("flag", given),
    ]
    resolved = check_settings(layers)
    return Resolved(msgspec.structs.replace(resolved.values, home=str(home)), resolved.sources)


def check_settings(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Resolved[NodeSettings]:
    """Merge layers and check every setting. Raises WindrowError `bad_config`, naming the setting and its source."""
    resolved = resolve(NodeSettings, layers)
    for name, check in _CHECKS.items():
        try:
            check(resolved.values)
        except (WindrowError, ValueError) as error:
            why = error.detail if isinstance(error, WindrowError) else str(error)
            raise WindrowError("bad_config", f"`{name}` from {resolved.sources[name]}: {why}") from error
    return resolved


def require_payout(settings: NodeSettings) -> None:
    """Refuse to work for nobody. Raises WindrowError `bad_config`."""
    if not settings.payout:
        raise WindrowError(
            "bad_config",
            f"`payout` is not set: give --payout 0x…, {PREFIX}PAYOUT, or `payout` in {SETTINGS_FILE}",
        )


def _environment() -> dict[str, Any]:
    layer = env_layer(os.environ, PREFIX, NodeSettings)
    if isinstance(layer.get("renders"), str):
        layer["renders"] = [part.strip() for part in layer["renders"].split(",") if part.strip()]
    return layer


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a settings file says; nothing where there is none. Raises WindrowError `bad_config`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise WindrowError("bad_config", f"{path}: {error}") from error
    if "home" in table:
        raise WindrowError("bad_config", f"{path} names `home`, which it lies in: use --home or {PREFIX}HOME")
    return table


def _check_coordinator(settings: NodeSettings) -> None:
    url = urlsplit(settings.coordinator)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError(f"{settings.coordinator!r} is not an address such as http://127.0.0.1:8420")
    _ = url.port  # raises ValueError for a port that is none


def _check_payout(settings: NodeSettings) -> None:
    if settings.payout:
        try:
            checksum_address(settings.payout)
        except WindrowError as error:
            raise ValueError(f"{settings.payout[:60]!r}: {error.reason.remedy}") from error


def _check_source_address(settings: NodeSettings) -> None:
    if settings.source_address and not ip_address(settings.source_address).is_loopback:
        raise ValueError(f"{settings.source_address} is not a loopback address (127.0.0.0/8)")


def _check_schedule(settings: NodeSettings) -> None:
    Schedule.parse(settings.schedule)


def _check_domains(settings: NodeSettings) -> None:
    for text in (*settings.deny_domains, *settings.allow_domains):
        domain_of(text)


def _check_categories(settings: NodeSettings) -> None:
    category_paths(Path(settings.home), settings.deny_categories)


def _check_renders(settings: NodeSettings) -> None:
    if not settings.renders:
        raise ValueError("name `http`, `browser` or both")


def _check_chromium(settings: NodeSettings) -> None:
    if settings.chromium and shutil.which(settings.chromium) is None:
        raise ValueError(f"{settings.chromium!r} cannot be run; give the path of a Chromium, or nothing")


_CHECKS = {
    "coordinator": _check_coordinator,
    "payout": _check_payout,
    "source_address": _check_source_address,
    "renders": _check_renders,
    "schedule": _check_schedule,
    "chromium": _check_chromium,
    "allow_private": NodeSettings.endpoints,
    "deny_domains": _check_domains,
    "allow_domains": _check_domains,
    "deny_categories": _check_categories,
}
