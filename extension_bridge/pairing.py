"""How a browser that cannot start programs gets in: a code of eight digits, typed once, becomes a token.

    offered ──right code──▶ paired
       └──── five wrong codes, 120 s, or one use ────▶ void

Rules: one code at a time; it is gone before its token is answered; a token holds for the origin that typed the code and
for no other. Files are readable by their owner only and hold digests, never the code or a token.

Does not: speak to anybody (see `loopback`). Usage: `code = Pairing(home, clock_ms).offer()`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from extension_bridge.settings import CHROMIUM_ORIGIN
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PAIRED_MAX, PAIRING_CODE_MS, PAIRING_TRIES_MAX, REQUEST_BYTES_MAX

FILE: Final = "bridge_pairs.json"
_FIREFOX_ORIGIN: Final = re.compile(
    r"moz-extension://[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)


class _Offer(msgspec.Struct, frozen=True):
    salt: str
    code_sha256: str
    until_ms: int
    tries: int = 0


class _Pair(msgspec.Struct, frozen=True):
    origin: str
    token_sha256: str


class _State(msgspec.Struct, frozen=True):
    offer: _Offer | None = None
    pairs: list[_Pair] = []


def may_pair(origin: str) -> bool:
    """Say whether an origin can be the extension's: Firefox gives each install one of its own, Chromium does not."""
    return origin == CHROMIUM_ORIGIN.rstrip("/") or _FIREFOX_ORIGIN.fullmatch(origin) is not None


class Pairing:
    """The pairs of one home. `clock_ms` gives the time."""

    def __init__(self, home: Path, clock_ms: Callable[[], int]) -> None:
        self._path, self._clock_ms = home / FILE, clock_ms

    def offer(self) -> str:
        """Return a new code; one offered before is void. Raises WindrowError `home_unwritable`."""
        code, salt = f"{secrets.randbelow(10**8):08d}", secrets.token_hex(16)
        offer = _Offer(salt, _digest(salt + code), self._clock_ms() + PAIRING_CODE_MS)
        self._write(_State(offer, self._read().pairs))
        return code

    def redeem(self, code: str, origin: str) -> str:
        """Return a token for the right code, once. Raises WindrowError `not_paired` or `wrong_origin`."""
        if not may_pair(origin):
            raise WindrowError("wrong_origin")
        state = self._read()
        offer = state.offer
        if offer is None or self._clock_ms() > offer.until_ms:
            raise WindrowError("not_paired", "no code is offered")
        if not hmac.compare_digest(_digest(offer.salt + code), offer.code_sha256):
            tries = offer.tries + 1
            left = msgspec.structs.replace(offer, tries=tries) if tries < PAIRING_TRIES_MAX else None
            self._write(_State(left, state.pairs))
            raise WindrowError("not_paired", "the code is another one")
        token = secrets.token_urlsafe(32)
        self._write(_State(None, [*state.pairs, _Pair(origin, _digest(token))][-PAIRED_MAX:]))
        return token

    def require(self, token: str, origin: str) -> None:
        """Raise WindrowError `not_paired` unless this token was given to this origin."""
        sent = _digest(token)
        for pair in self._read().pairs:
            if hmac.compare_digest(pair.token_sha256, sent) and pair.origin == origin:
                return
        raise WindrowError("not_paired")

    def _read(self) -> _State:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(REQUEST_BYTES_MAX), type=_State)
        except FileNotFoundError:
            return _State()
        except (OSError, msgspec.DecodeError) as error:
            raise WindrowError("bad_config", f"{FILE}: {error}") from error

    def _write(self, state: _State) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(state))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise WindrowError("home_unwritable", str(error)) from error


def _digest(text: str) -> str:
    return hashlib.sha256(f"windrow/pairing/{text}".encode()).hexdigest()
