"""The operator's key in a hardware security module, or a program that behaves as one, by PKCS #11.

Rules: the key is made in the module and never leaves it: secrets go in and out, bound to their owner. Keys of one house
have one label; the id of each begins with its number, so that the newest is known, and ends at random, so that no id
comes twice. A module that does not answer, or a token that was emptied or is another, is `key_store_failed`; `key_gone`
is only what a newer key of the same house has outlived, so that nothing is taken for lost that may come back. A wrong
PIN is tried once: a token that is asked again and again locks itself.

Does not: make tokens or set PINs (the module's own program does), or work with modules that insist on nonces of their
own.

Usage::

    keys = Pkcs11Keys(Pkcs11Token("/usr/lib/softhsm/libsofthsm2.so", "windrow", pin), account, secrets.token_bytes)

Source: OASIS PKCS #11 v2.40, CKM_AES_GCM.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from storage.wrapping_keys import KEY_BYTES, NONCE_BYTES, Tokens
from windrow_protocol.errors import WindrowError

_TAG_BITS: Final = 128
_NUMBER_BYTES: Final = 4
_RANDOM_BYTES: Final = 8


@dataclass(frozen=True)
class Pkcs11Token:
    """Where a token is: the module's library, the token's label, and the PIN of its user."""

    library: str
    label: str
    pin: str = field(repr=False)


class Pkcs11Keys:
    """Answers `storage.wrapping_keys.WrappingKeys` with keys in a token; `account` keeps houses apart that share it."""

    def __init__(self, token: Pkcs11Token, account: str, tokens: Tokens) -> None:
        """Open it. Raises WindrowError `part_missing` without python-pkcs11, `key_store_failed` without the token."""
        try:
            import pkcs11
        except ImportError as error:
            raise WindrowError("part_missing", "python-pkcs11") from error
        self._pkcs11, self._token, self._tokens = pkcs11, token, tokens
        self._label = f"windrow-personal {account}"
        self._lock = threading.Lock()  # a session answers one question at a time
        self._session: Any = None
        self._had_session = False
        self._refused = ""  # the PIN was: not asked again before the next start
        with self._opened():
            pass

    def wrap(self, secret: bytes, owner: bytes) -> tuple[str, bytes]:
        """Return (key id, wrapped secret) under the newest key, which is made the first time."""
        with self._opened() as session:
            key = (self._keys(session) or [self._made(session, 0)])[-1]
            nonce = self._tokens(NONCE_BYTES)
            return bytes(key.id).hex(), nonce + self._crypt(key.encrypt, secret, nonce, owner)

    def unwrap(self, key_id: str, wrapped: bytes, owner: bytes) -> bytes:
        """Return the secret.

        Raises WindrowError `key_gone` when a newer key has taken its place or it was not wrapped for `owner`, and
        `key_store_failed` when the token holds neither it nor a newer one.
        """
        with self._opened() as session:
            keys = self._keys(session)
            for key in keys:
                if bytes(key.id).hex() == key_id:
                    return self._unwrapped(key, wrapped, owner)
            numbers = 2 * _NUMBER_BYTES
            if keys and bytes(keys[-1].id).hex()[:numbers] > key_id[:numbers]:
                raise WindrowError("key_gone", f"the operator's key {key_id} is not in the token")
            self._close()  # it may have been pulled out: what comes next looks anew
        raise WindrowError(
            "key_store_failed", "the token does not hold this house's key: is it the right one?"
        )

    def rotate(self) -> str:
        """Make a new key and return its id."""
        with self._opened() as session:
            keys = self._keys(session)
            newest = int.from_bytes(bytes(keys[-1].id)[:_NUMBER_BYTES], "big") if keys else 0
            return bytes(self._made(session, newest + 1).id).hex()

    def retire(self) -> list[str]:
        """Destroy every key but the newest and return their ids."""
        with self._opened() as session:
            older = self._keys(session)[:-1]
            ids = [bytes(key.id).hex() for key in older]
            for key in older:
                key.destroy()
            return ids

    def has_older(self) -> bool:
        """Say whether there are keys beside the newest."""
        with self._opened() as session:
            return len(self._keys(session)) > 1

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Give the session, opened anew after anything went wrong. Raises WindrowError `key_store_failed`."""
        with self._lock:
            if self._refused:
                raise WindrowError("key_store_failed", f"{self._refused}; start again with the right PIN")
            try:
                if self._session is None:
                    self._session = self._new_session()
                yield self._session
            except (self._pkcs11.PinIncorrect, self._pkcs11.PinLocked) as error:
                self._refused = type(error).__name__
                raise WindrowError("key_store_failed", self._refused) from error
            except (self._pkcs11.PKCS11Error, RuntimeError) as error:
                self._close()
                raise WindrowError("key_store_failed", type(error).__name__) from error

    def _new_session(self) -> Any:
        library = self._pkcs11.lib(self._token.library)
        try:
            session = self._logged_in(library)
        except (self._pkcs11.PinIncorrect, self._pkcs11.PinLocked):
            raise
        except self._pkcs11.PKCS11Error:
            if not self._had_session:
                raise
            library.reinitialize()  # or a token that was pulled out and put back is not seen
            session = self._logged_in(library)
        self._had_session = True
        return session

    def _logged_in(self, library: Any) -> Any:
        token = library.get_token(token_label=self._token.label)
        try:
            return token.open(rw=True, user_pin=self._token.pin)
        except self._pkcs11.UserAlreadyLoggedIn:  # a token's user logs in once for all sessions of a program
            return token.open(rw=True)

    def _close(self) -> None:
        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        except self._pkcs11.PKCS11Error:
            return  # it is gone already

    def _keys(self, session: Any) -> list[Any]:
        """Return this house's keys, the newest last."""
        wanted = {
            self._pkcs11.Attribute.CLASS: self._pkcs11.ObjectClass.SECRET_KEY,
            self._pkcs11.Attribute.LABEL: self._label,
        }
        return sorted(session.get_objects(wanted), key=lambda key: bytes(key.id))

    def _made(self, session: Any, number: int) -> Any:
        attribute = self._pkcs11.Attribute
        return session.generate_key(
            self._pkcs11.KeyType.AES,
            KEY_BYTES * 8,
            id=number.to_bytes(_NUMBER_BYTES, "big") + self._tokens(_RANDOM_BYTES),
            label=self._label,
            store=True,
            template={attribute.SENSITIVE: True, attribute.EXTRACTABLE: False},
        )

    def _crypt(self, work: Callable[..., bytes], data: bytes, nonce: bytes, owner: bytes) -> bytes:
        mechanism = self._pkcs11.Mechanism.AES_GCM
        parameters = self._pkcs11.GCMParams(nonce=nonce, aad=owner, tag_bits=_TAG_BITS)
        return bytes(work(data, mechanism=mechanism, mechanism_param=parameters))

    def _unwrapped(self, key: Any, wrapped: bytes, owner: bytes) -> bytes:
        """Return a secret; where it does not open, the same key is asked to open something of its own first.

        Modules answer a wrong tag with whatever code they like, the one for a broken module included.
        """
        nonce = wrapped[:NONCE_BYTES]
        try:
            return self._crypt(key.decrypt, wrapped[NONCE_BYTES:], nonce, owner)
        except self._pkcs11.PKCS11Error as error:
            nonce = self._tokens(NONCE_BYTES)
            self._crypt(key.decrypt, self._crypt(key.encrypt, b"probe", nonce, owner), nonce, owner)
            raise WindrowError("key_gone", "it does not open") from error
