"""Who this node is: its Ed25519 key, the coordinator it pinned on first contact, and its hold on its own home.

Rules: files are written whole and durably, the key readable by its owner alone. A coordinator whose key changed is
refused; only the owner may remove the pin. One home, one running node.

Does not: hold the payout key, which never comes near a node.

Usage: `key = load_or_make_key(home)`, `pin = pin_coordinator(home, url, network, coordinator_id)`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import dump_private_key, load_private_key
from windrow_protocol.user_agent import PublishersUrl

KEY_FILE = "node_key"
PIN_FILE = "coordinator.json"
LOCK_FILE = "node.lock"
LOCK_TRIES, LOCK_WAIT_S = 4, 0.05


class Pin(msgspec.Struct, frozen=True):
    """The coordinator this node trusts, and the page that it said last it wants publishers pointed to."""

    coordinator: str
    network: str
    coordinator_id: str
    publishers_url: PublishersUrl = ""


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Keep other nodes out of this home until the block, or this process, ends.

    Raises WindrowError `node_running` or `home_unwritable`.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WindrowError("home_unwritable", f"{home}: {error.strerror}") from error
    try:
        _lock(descriptor, home)
        yield
    finally:
        os.close(descriptor)


def is_running(home: Path) -> bool:
    """Say whether a node holds this home now."""
    try:
        descriptor = os.open(home / LOCK_FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, home: Path) -> None:
    for _ in range(LOCK_TRIES):  # somebody may be asking `is_running` just now
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(LOCK_WAIT_S)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WindrowError("node_running", str(home)) from error


def write_whole(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Write a file so that a kill leaves the old one or the new one, and a power cut too where `durable`.

    Raises WindrowError `home_unwritable`.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise WindrowError("home_unwritable", f"{path}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_or_make_key(home: Path) -> Ed25519PrivateKey:
    """Load this node's key, making it the first time. Raises WindrowError `bad_config` or `home_unwritable`."""
    path = home / KEY_FILE
    if not path.exists():
        write_whole(path, dump_private_key(Ed25519PrivateKey.generate()).encode())
    try:
        return load_private_key(path.read_bytes())
    except OSError as error:
        raise WindrowError("home_unwritable", f"{path}: {error.strerror}") from error
    except WindrowError as error:
        raise WindrowError("bad_config", f"{path}: {error.detail}; restore it from your backup") from error


def read_pin(home: Path) -> Pin | None:
    """Return the pinned coordinator, or None before first contact. Raises WindrowError `bad_config`."""
    try:
        return msgspec.json.decode((home / PIN_FILE).read_bytes(), type=Pin)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise WindrowError("bad_config", f"{home / PIN_FILE}: {error}") from error


def pin_coordinator(
    home: Path, coordinator: str, network: str, coordinator_id: str, publishers_url: str = ""
) -> Pin:
    """Pin on first contact; afterwards refuse any other key or network. Raises WindrowError `coordinator_changed`.

    `publishers_url` may change, and is kept as it was said last.
    """
    pin = Pin(coordinator, network, coordinator_id, publishers_url)
    known = read_pin(home)
    if known is None:
        write_whole(home / PIN_FILE, msgspec.json.encode(pin))
        return pin
    if (known.network, known.coordinator_id) != (network, coordinator_id):
        raise WindrowError("coordinator_changed", f"{coordinator} has key {coordinator_id[:16]}…")
    if known.publishers_url != publishers_url:
        kept = msgspec.structs.replace(known, publishers_url=publishers_url)
        write_whole(home / PIN_FILE, msgspec.json.encode(kept))
    return pin
