"""The operator's key, under which every contributor's data key is wrapped: in a file, in the OS keyring, or in a KMS.

Rules: `WrappingKeys` is the port; a key is named by an id that follows from it, so that what was wrapped says with
which key. `rotate` makes a new one and keeps the old for unwrapping until `retire`, after which backups that were made
before are noise. What is wrapped is bound to its owner by additional data.

Does not: decide when to rotate, or touch data keys (see `aggregator.personal_vault`).

Usage::

    keys = FileKeys(home / "keys" / "personal.json", secrets.token_bytes)
    key_id, wrapped = keys.wrap(data_key, b"node id")
    data_key = keys.unwrap(key_id, wrapped, b"node id")

Source: NIST SP 800-38D (AES-GCM); a KMS answers the same two questions (encrypt and decrypt with a context).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from windrow_protocol.errors import WindrowError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
Tokens = Callable[[int], bytes]


class WrappingKeys(Protocol):
    """The port: wraps and unwraps short secrets, never shows its keys."""

    def wrap(self, secret: bytes, owner: bytes) -> tuple[str, bytes]:
        """Return (key id, wrapped secret) under the newest key."""

    def unwrap(self, key_id: str, wrapped: bytes, owner: bytes) -> bytes:
        """Return the secret.

        Raises WindrowError `key_gone` when its key was destroyed, `key_store_failed` when the store does not answer, or
        is empty: then nothing is lost that may not come back.
        """

    def rotate(self) -> str:
        """Make a new key, used from now on, and return its id."""

    def retire(self) -> list[str]:
        """Destroy every key but the newest and return their ids; what only they could unwrap is lost."""

    def has_older(self) -> bool:
        """Say whether there are keys beside the newest: a rotation is under way, or was cut."""


class _Ring(msgspec.Struct):
    """Keys as hex, the newest last."""

    keys: list[str] = []


class LocalKeys:
    """Keys held on this machine; `read` and `write` say where."""

    def __init__(
        self, read: Callable[[], bytes | None], write: Callable[[bytes], None], tokens: Tokens
    ) -> None:
        self._read, self._write, self._tokens = read, write, tokens

    def wrap(self, secret: bytes, owner: bytes) -> tuple[str, bytes]:
        """Return (key id, wrapped secret) under the newest key, which is made the first time."""
        ring = self._ring()
        if not ring.keys:
            self.rotate()
            ring = self._ring()
        key = bytes.fromhex(ring.keys[-1])
        return key_id_of(key), seal(key, secret, owner, self._tokens)

    def unwrap(self, key_id: str, wrapped: bytes, owner: bytes) -> bytes:
        """Return the secret.

        Raises WindrowError `key_gone` without its key, or when it was not wrapped for `owner`, and `key_store_failed`
        where there is no key at all: whoever wrapped something had one.
        """
        keys = self._ring().keys
        for text in keys:
            key = bytes.fromhex(text)
            if key_id_of(key) == key_id:
                return unseal(key, wrapped, owner)
        if not keys:
            raise WindrowError("key_store_failed", "there is no key of the operator's where it should be")
        raise WindrowError("key_gone", f"the operator's key {key_id} is not here")

    def rotate(self) -> str:
        """Make a new key and return its id."""
        key = self._tokens(KEY_BYTES)
        self._keep([*self._ring().keys, key.hex()])
        return key_id_of(key)

    def retire(self) -> list[str]:
        """Destroy every key but the newest and return their ids."""
        keys = self._ring().keys
        self._keep(keys[-1:])
        return [key_id_of(bytes.fromhex(key)) for key in keys[:-1]]

    def has_older(self) -> bool:
        """Say whether there are keys beside the newest."""
        return len(self._ring().keys) > 1

    def _ring(self) -> _Ring:
        held = self._read()
        if held is None:
            return _Ring()
        try:
            return msgspec.json.decode(held, type=_Ring)
        except msgspec.DecodeError as error:
            raise WindrowError("bad_config", "the operator's key for personal data is damaged") from error

    def _keep(self, keys: list[str]) -> None:
        self._write(msgspec.json.encode(_Ring(keys)))


class FileKeys(LocalKeys):
    """Keys in a file that only its owner can read.

        name ──linked as .old──▶ .new takes the name, durably ──▶ .old is overwritten and gone

    At any moment the name leads to a whole ring; a start after a crash overwrites what is left of an older one.
    """

    def __init__(self, path: Path, tokens: Tokens) -> None:
        self._path, self._old, self._new = path, path.with_suffix(".old"), path.with_suffix(".new")
        self._recover()
        super().__init__(self._load, self._store, tokens)

    def _recover(self) -> None:
        """Finish what a crash cut. Raises OSError."""
        if self._old.exists():
            if not self._path.exists():
                self._old.rename(self._path)  # as earlier versions could leave it
            elif self._old.samefile(self._path):
                self._old.unlink()
            else:
                _overwrite(self._old)
        if self._new.exists():
            _overwrite(self._new)

    def _load(self) -> bytes | None:
        return self._path.read_bytes() if self._path.exists() else None

    def _store(self, data: bytes) -> None:
        """Write it whole and durably; the old file's bytes are overwritten before its name is taken."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._recover()
        descriptor = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        is_first = not self._path.exists()
        if not is_first:
            os.link(self._path, self._old)
        self._new.replace(self._path)
        # before the old one is destroyed: a name may come back after a power cut
        _sync_folder(self._path.parent)
        if not is_first:
            _overwrite(self._old)
            _sync_folder(self._path.parent)


class KeyringKeys(LocalKeys):
    """Keys in the operating system's keyring."""

    def __init__(self, account: str, tokens: Tokens) -> None:
        """Use the keyring of this user. Raises WindrowError `part_missing` where there is none."""
        try:
            import keyring
        except ImportError as error:
            raise WindrowError("part_missing", "keyring") from error
        service = "windrow-personal"

        def read() -> bytes | None:
            held = keyring.get_password(service, account)
            return None if held is None else held.encode()

        def write(data: bytes) -> None:
            keyring.set_password(service, account, data.decode())

        super().__init__(read, write, tokens)


def key_id_of(key: bytes) -> str:
    """Return the id of a key, from which it cannot be guessed."""
    return hashlib.sha256(b"windrow/wrapping-key/" + key).hexdigest()[:16]


def seal(key: bytes, secret: bytes, owner: bytes, tokens: Tokens) -> bytes:
    """Return a nonce and the secret under AES-256-GCM, bound to `owner`."""
    nonce = tokens(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, owner)


def unseal(key: bytes, sealed: bytes, owner: bytes) -> bytes:
    """Return what was sealed. Raises WindrowError `key_gone` under any other key or for another owner."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner)
    except (InvalidTag, ValueError) as error:
        raise WindrowError("key_gone", "it does not open") from error


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
