"""Where the bridge lives and whom it speaks to, found without flags, because a browser starts it with none.

Rules: the home is `--home`, else WINDROW_NODE_HOME, else the platform's data folder; `bridge.json` in it names the
coordinator; environment and flags win over the file. Only the origins listed here may speak to the bridge.

Does not: hold the node key's bytes longer than a run, or write anything but `bridge.json`.

Usage::

    home = bridge_home(None, os.environ)
    settings = read_settings(home, os.environ, coordinator_url=None)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from platformdirs import user_data_path

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import REQUEST_BYTES_MAX
from windrow_protocol.settings import resolve
from windrow_protocol.signing import load_private_key

# The first 32 hex digits of SHA-256 over the public key in the extension's manifest, written a–p.
CHROMIUM_EXTENSION_ID: Final = "enjalkopbflbghnjapjnijmiopdaknap"
FIREFOX_EXTENSION_ID: Final = "donate@windrow"
CHROMIUM_ORIGIN: Final = f"chrome-extension://{CHROMIUM_EXTENSION_ID}/"
ALLOWED_ORIGINS: Final = frozenset({CHROMIUM_ORIGIN, FIREFOX_EXTENSION_ID})

HOME_VARIABLE: Final = "WINDROW_NODE_HOME"
SETTINGS_FILE: Final = "bridge.json"
OUTBOX_FILE: Final = "bridge.db"
KEY_FILE: Final = "node_key"


class BridgeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `bridge.json` may say."""

    coordinator_url: str = ""


def bridge_home(flag: str | None, environ: Mapping[str, str]) -> Path:
    """Return the node's home folder."""
    named = flag or environ.get(HOME_VARIABLE)
    return Path(named).expanduser().absolute() if named else user_data_path("windrow", False) / "node"


def read_settings(home: Path, environ: Mapping[str, str], coordinator_url: str | None) -> BridgeSettings:
    """Return the settings of a home. Raises WindrowError `bad_config`."""
    path = home / SETTINGS_FILE
    try:
        with path.open("rb") as file:
            table = msgspec.json.decode(file.read(REQUEST_BYTES_MAX), type=dict[str, str])
    except FileNotFoundError:
        table = {}
    except (OSError, msgspec.DecodeError) as error:
        raise WindrowError("bad_config", f"{SETTINGS_FILE}: {error}") from error
    layers: list[tuple[str, Mapping[str, Any]]] = [
        (SETTINGS_FILE, table),
        ("environment", {"coordinator_url": environ.get("WINDROW_COORDINATOR_URL")}),
        ("flag", {"coordinator_url": coordinator_url}),
    ]
    return resolve(BridgeSettings, layers).values


def write_settings(home: Path, settings: BridgeSettings) -> Path:
    """Write `bridge.json` and return its path. Raises WindrowError `home_unwritable`."""
    path = home / SETTINGS_FILE
    fresh = path.with_suffix(".new")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(settings)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise WindrowError("home_unwritable", f"{home}: {error}") from error
    return path


def read_node_key(home: Path) -> Ed25519PrivateKey:
    """Return the node's key. Raises WindrowError `no_node_key` or `bad_config`."""
    try:
        with (home / KEY_FILE).open("rb") as file:
            return load_private_key(file.read(256))
    except FileNotFoundError as error:
        raise WindrowError("no_node_key", str(home)) from error
    except OSError as error:
        raise WindrowError("bad_config", f"{KEY_FILE} cannot be read: {error}") from error
