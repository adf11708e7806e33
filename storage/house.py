"""What every server room is handed: the Env port, the state, the home folder, the network's name, its key and rules.

Rules: built once, at the front door; rooms take what they need from it and keep no globals.

Does not: start or stop anything. Usage: `house = House(env, state, home, "windrow-dev", key)`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.env import Env
from storage.runner import LocalRunner, Runner
from storage.state import State
from windrow_protocol.economics import Economics
from windrow_protocol.messages import Message
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.signing import public_id, sign
from windrow_protocol.trust_rules import TrustRules


@dataclass(frozen=True)
class House:
    """The server side of one network on one home folder."""

    env: Env
    state: State
    home: Path
    network: str
    key: Ed25519PrivateKey
    rules: TrustRules = field(default_factory=TrustRules)
    canary_hosts: tuple[str, ...] = ()  # `http://host:port` of its own control pages
    economics: Economics = field(default_factory=Economics)  # for epochs that begin from now on
    runner: Runner = field(default_factory=LocalRunner)  # of batch work
    ranked: RankedDomains | None = None  # None: every domain counts as known

    @cached_property
    def coordinator_id(self) -> str:
        """The public id of the coordinator key that nodes pin."""
        return public_id(self.key)

    def now_ms(self) -> int:
        """The time now in milliseconds since the Unix epoch."""
        return self.env.clock.now_ms()

    def new_id(self, letter: str) -> str:
        """Return a new identifier: a letter for its kind and 31 random hex digits."""
        return letter + self.env.randomness.token(16).hex()[:31]

    def keyed(self, purpose: str, *parts: str) -> bytes:
        """Return 32 bytes that follow from the parts and that nobody without the coordinator's key can foresee."""
        message = "\n".join(("windrow", purpose, *parts)).encode()
        return hmac.digest(self.key.private_bytes_raw(), message, "sha256")

    def sign(self, purpose: str, subject: str, content: Mapping[str, Any] | Message, life_ms: int = 0) -> str:
        """Return a statement of the coordinator as JWS; it never expires unless `life_ms` is given."""
        return sign(
            self.key,
            network=self.network,
            purpose=purpose,
            subject=subject,
            now_ms=self.now_ms(),
            life_ms=life_ms,
            content=content,
            kid=self.coordinator_id,
        )
