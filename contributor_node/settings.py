"""A node's settings: defaults, then `node.toml` in its home, then WINDROW_NODE_* variables, then flags.

Rules: only the payout *address* is known here, never its key. Endpoints in `allow_private` are exact loopback addresses
with their ports; nothing else private can ever be listed.

Does not: read the coordinator's answer or keep state.

Usage: `settings = load_settings({"coordinator": "http://127.0.0.1:8420"}).values`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from platformdirs import user_data_path

from windrow_protocol.addresses import AllowedEndpoint, parse_allowed
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_PACE_OWNER_S_MIN, HOST_PACE_S_MIN, LEASES_PER_REQUEST_MAX
from windrow_protocol.settings import Resolved, env_layer, resolve

PREFIX = "WINDROW_NODE_"
Megabytes = Annotated[int, Meta(ge=1, le=10_000_000)]


class NodeSettings(msgspec.Struct, frozen=True):
    """What a contributor decides."""

    home: str = ""
    coordinator: str = "http://127.0.0.1:8420"
    payout: str = ""
    contact: str = "https://windrow.example/bot"
    region: Annotated[str, Meta(max_length=32)] = ""
    renders: list[Literal["http", "browser"]] = msgspec.field(default_factory=lambda: ["http", "browser"])
    allow_private: list[str] = []
    pace_private_s: Annotated[float, Meta(ge=HOST_PACE_OWNER_S_MIN)] = HOST_PACE_S_MIN
    source_address: str = ""
    day_mb_max: Megabytes = 1_000
    month_gb_max: Megabytes = 20
    chromium: str = ""
    batch: Annotated[int, Meta(ge=1, le=LEASES_PER_REQUEST_MAX)] = 20
    poll_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 30.0

    def endpoints(self) -> frozenset[AllowedEndpoint]:
        """Return the private endpoints the owner lists. Raises WindrowError `bad_config`."""
        return frozenset(parse_allowed(text) for text in self.allow_private)


def load_settings(flags: Mapping[str, Any] | None = None) -> Resolved[NodeSettings]:
    """Read every layer. Raises WindrowError `bad_config`."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    environment = env_layer(os.environ, PREFIX, NodeSettings)
    chosen = given.get("home") or environment.get("home") or user_data_path("windrow", False) / "node"
    home = Path(chosen).expanduser().resolve()
    layers = [
        ("default", {"home": str(home)}),
        (str(home / "node.toml"), _read_toml(home / "node.toml")),
        ("environment", environment),
        ("flag", given),
    ]
    resolved = resolve(NodeSettings, layers)
    resolved.values.endpoints()
    return Resolved(msgspec.structs.replace(resolved.values, home=str(home)), resolved.sources)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise WindrowError("bad_config", f"{path}: {error}") from error
