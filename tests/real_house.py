"""A real house for tests: SQLite and files in a temporary folder, and a node that signs like any other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from files_place import env_for
from honest_records import honest_record
from state_database import state_url

from storage.env import Clock, Env, Handler, Request
from storage.house import House
from storage.segments import Segments
from storage.state import State
from windrow_protocol.content import normalise_text
from windrow_protocol.messages import (
    Contribution,
    Lease,
    Outcome,
    Report,
    Submission,
    encode_batch,
)
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request, verify
from windrow_protocol.trust_rules import TrustRules

NETWORK = "windrow-test"
PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
_numbers = itertools.count(1)
_opened: list[State | Segments] = []


def address_of_its_own() -> str:
    """Return an address of 127/8 in a /24 that no other node of this run has."""
    high, low = divmod(next(_numbers), 256)
    return f"127.{64 + high}.{low}.1"


@dataclass
class Node:
    """A contributor or validator that speaks the protocol by hand, from an address of its own."""

    house: House
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    nonces: int = 0
    address: str = field(default_factory=address_of_its_own)

    @property
    def node_id(self) -> str:
        return public_id(self.key)

    def request(self, purpose: str, body: bytes, *, now_ms: int | None = None, nonce: str = "") -> Request:
        """Return a signed request with a nonce of its own."""
        self.nonces += 1
        token = sign_request(
            self.key,
            network=NETWORK,
            purpose=purpose,
            body=body,
            nonce=nonce or f"n{self.nonces}",
            now_ms=now_ms or self.house.now_ms(),
        )
        return Request("POST", "/", body, headers={SIGNATURE_HEADER: token}, peer=self.address)

    async def ask(self, handler: Handler, purpose: str, message: Any) -> Any:
        """Send one JSON message and return the decoded answer."""
        answer = await handler(self.request(purpose, msgspec.json.encode(message)))
        return msgspec.json.decode(answer.body)

    def open_leases(self, tokens: list[str]) -> list[Lease]:
        """Check and decode leases as a node does."""
        opened = []
        for token in tokens:
            statement = verify(
                token,
                signer=self.house.coordinator_id,
                network=NETWORK,
                purpose="lease",
                subject=self.node_id,
                now_ms=self.house.now_ms(),
            )
            opened.append(msgspec.convert(statement.content, Lease))
        return opened

    def contribution(self, lease: Lease, text: str, /, **changes: Any) -> Contribution:
        """Return an honest contribution of some text for a lease."""
        text = normalise_text(text)
        record = honest_record(self.node_id, lease.lease_id, lease.url, text, self.house.now_ms())
        told = {"title": "A page", "extractor_version": "test/1", **changes}
        return msgspec.structs.replace(record, **told)

    def report(self, lease: Lease, outcome: Outcome) -> Report:
        """Return an honest report without text."""
        return Report(
            lease_id=lease.lease_id, url=lease.url, outcome=outcome, fetched_at_ms=self.house.now_ms()
        )

    async def submit(self, handler: Handler, records: list[Submission]) -> list[dict[str, Any]]:
        """Submit a batch and return the answer to each record."""
        answer = await handler(self.request("submit", encode_batch(records)))
        return list(msgspec.json.decode(answer.body)["results"])


def open_state(home: Path, *schemas: Any, address: str = "") -> State:
    """Open the state of a home, wherever tests keep it, or at an address."""
    state = State.open(address or state_url(home), *schemas)
    _opened.append(state)
    return state


@contextmanager
def closing_what_opens() -> Iterator[None]:
    """Close every state and segment file that is opened within the block."""
    before = len(_opened)
    try:
        yield
    finally:
        while len(_opened) > before:
            _opened.pop().close()


def open_house(
    home: Path,
    *schemas: Any,
    key: Ed25519PrivateKey | None = None,
    rules: TrustRules | None = None,
    clock: Clock | None = None,
    canary_hosts: tuple[str, ...] = (),
    address: str = "",
    env: Env | None = None,
) -> House:
    """Return a real house in a folder."""
    env, state = env or env_for(home), open_state(home, *schemas, address=address)
    return House(
        env if clock is None else replace(env, clock=clock),
        state,
        home,
        NETWORK,
        key or Ed25519PrivateKey.generate(),
        rules or TrustRules(),
        canary_hosts,
    )


def open_segments(house: House, family: str = "contributions") -> Segments:
    """Open one family of segments as a house does at start."""
    with house.state.read() as connection:
        segments = Segments(house.env.disk, house.home / "segments", family, connection)
    _opened.append(segments)
    return segments


def words_of(seed: int, count: int = 120) -> str:
    """Return a text of made-up words that shares no shingle with another seed's."""
    return " ".join(f"w{seed}x{i}" for i in range(count))
