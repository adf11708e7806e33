"""Nonces of requests that changed nothing, in memory.

Rules: a nonce is remembered until its signature has expired, as those in the database are. What is held is bounded:
when `has_room` says no, whoever asks has to write the nonce down. A restart forgets them all, and a request that had no
effect may then have its one effect, which is what its sender had asked for.

Does not: check signatures, or know the nonces of requests that had an effect (`requests.spend`).

Usage: `if heard.has_room(now_ms) and caller not in heard: heard.add(caller)`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from aggregator.requests import Caller, nonce_kept_until_ms

_PRUNE_EVERY_MS: Final = 10_000


class HeardNonces:
    """The nonces that one process heard; 16 bytes of a digest of each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept_until_ms: dict[bytes, int] = {}
        self._pruned_ms = 0

    def __contains__(self, caller: Caller) -> bool:
        return _key(caller) in self._kept_until_ms

    def has_room(self, now_ms: int) -> bool:
        """Forget what has expired, now and then, and say whether one more can be remembered."""
        if now_ms - self._pruned_ms >= _PRUNE_EVERY_MS:
            self._pruned_ms = now_ms
            self._kept_until_ms = {key: ms for key, ms in self._kept_until_ms.items() if ms >= now_ms}
        return len(self._kept_until_ms) < self._most

    def add(self, caller: Caller) -> None:
        """Remember a request's nonce."""
        self._kept_until_ms[_key(caller)] = nonce_kept_until_ms(caller)


def _key(caller: Caller) -> bytes:
    said = f"{caller.node_id}\n{caller.statement.nonce}".encode()  # a node's id holds no line end
    return hashlib.blake2b(said, digest_size=16).digest()
