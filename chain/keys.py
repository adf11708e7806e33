"""An EVM key in a file that only its owner can read.

Rules: the file is made with mode 0600 and never overwritten; one that others can read is refused. The key is 32 bytes
as 64 hex digits. eth_account is imported only when a key is used.

Does not: hold a contributor's payout key: that never comes near Windrow. These are the operator's, the relayer's and a
buyer's spending keys.

Usage::

    key = load_or_make_key(home / "relayer.key")
    key.address
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


def key_from_hex(text: str) -> LocalAccount:
    """Read a private key of 64 hex digits, with or without 0x. Raises WindrowError `bad_config`, never echoing it."""
    from eth_account import Account

    digits = text.strip().removeprefix("0x")
    try:
        if len(digits) != 64:
            raise ValueError
        account: LocalAccount = Account.from_key(bytes.fromhex(digits))
    except Exception:
        # The cause is dropped on purpose: libraries quote the key in theirs.
        raise WindrowError("bad_config", "an EVM key is 64 hex digits below the curve's order") from None
    return account


def load_key(path: Path) -> LocalAccount:
    """Load a key. Raises WindrowError `not_found`, or `bad_config` when it is exposed or no key."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text()
    except FileNotFoundError as error:
        raise WindrowError("not_found", f"the key file {path.name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WindrowError("bad_config", f"the key file {path.name} cannot be read") from error
    if mode & 0o077:
        raise WindrowError("bad_config", f"others can read {path.name}; run chmod 600 on it")
    return key_from_hex(text)


def make_key(path: Path, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> LocalAccount:
    """Make a key and write it to a new file, durably. Raises WindrowError `bad_config` when the file exists."""
    key = key_from_hex(random_bytes(32).hex())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise WindrowError("bad_config", f"the key file {path.name} exists already") from error
    except OSError as error:
        raise WindrowError("home_unwritable", f"{path.name}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(bytes(key.key).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return key


def load_or_make_key(path: Path, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> LocalAccount:
    """Load a key, making it where there is none. Raises as `load_key` and `make_key` do."""
    return load_key(path) if path.exists() else make_key(path, random_bytes)
