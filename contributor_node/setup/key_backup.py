"""A backup of the node's key, and its return: who has the key has the node's standing, though never its money.

Rules: with a passphrase the file is PEM, PKCS #8, encrypted (readable by openssl too); without one it is the key as the
node keeps it. Either is readable by its owner alone and never written over another file. A restored key takes nobody's
place: a home that holds another key is refused.

Does not: back up receipts, line log or settings, which are files to copy.

Usage: `backup_key(home, Path("node-key.pem"), "a passphrase")`, `restore_key(other_home, file, "a passphrase")`.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from contributor_node.identity import KEY_FILE, hold_home, load_or_make_key, write_whole
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import dump_private_key, load_private_key, public_id

BACKUP_BYTES_MAX = 16_384


def backup_key(home: Path, out: Path, passphrase: str = "") -> str:
    """Write the backup and return the node's id. Raises WindrowError `no_node_key`, `backup_refused`."""
    if not (home / KEY_FILE).exists():
        raise WindrowError("no_node_key", str(home))
    if out.is_symlink() or out.exists():
        raise WindrowError("backup_refused", f"{out} exists already; nothing is written over it")
    key = load_or_make_key(home)
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
        data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    else:
        data = dump_private_key(key).encode()
    write_whole(out, data)
    return public_id(key)


def restore_key(home: Path, backup: Path, passphrase: str = "") -> str:
    """Put a backed-up key into a home whose node does not run, and return the node's id.

    Raises WindrowError `backup_refused`, `node_running` or `home_unwritable`.
    """
    key = _read(backup, passphrase)
    with hold_home(home):
        path = home / KEY_FILE
        if path.exists():
            if public_id(load_or_make_key(home)) != public_id(key):
                raise WindrowError(
                    "backup_refused", f"{home} holds the key of another node; give another --home"
                )
        else:
            write_whole(path, dump_private_key(key).encode())
    return public_id(key)


def _read(backup: Path, passphrase: str) -> Ed25519PrivateKey:
    try:
        with backup.open("rb") as file:
            data = file.read(BACKUP_BYTES_MAX)
    except OSError as error:
        raise WindrowError("backup_refused", f"{backup}: {error.strerror}") from error
    if not data.startswith(b"-----BEGIN"):
        try:
            return load_private_key(data)
        except WindrowError as error:
            raise WindrowError("backup_refused", f"{backup} is no backup of a node's key") from error
    try:
        key = load_pem_private_key(data, passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise WindrowError("backup_refused", f"{backup} does not open with this passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise WindrowError("backup_refused", f"{backup} holds a key of another kind")
    return key
