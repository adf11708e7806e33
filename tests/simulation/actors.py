"""Nodes of the simulation: they speak the public doors as docs/protocol.md describes them, and nothing else.

A validator is the same node with a key the coordinator knows, and the node's own code for its draws. A node keeps each
record until it has its receipt, sends it again as often as it likes, and remembers every receipt and every refusal, so
that they can be checked afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from honest_records import honest_record
from simulation.web import SimulatedWeb

from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.validator import EpochSecret, Validator
from storage.env import Clock, Request, Response
from storage.simulation.network import SimulatedNetwork
from windrow_protocol.audit_draw import SECRET_BYTES
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address
from windrow_protocol.messages import (
    Contribution,
    Lease,
    LeaseRequest,
    Outcome,
    Registration,
    Report,
    Submission,
    encode_batch,
)
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request, verify

NETWORK = "windrow-simulated"
WAIT_S = 4.0
IDLE_WAIT_S_MAX = 90.0
DRAW_WAIT_S = 20.0


@dataclass
class Actor:
    """An honest node or validator. `outbox` holds what has no receipt yet, `receipts` the token for each lease."""

    name: str
    number: int
    key: Ed25519PrivateKey
    network: SimulatedNetwork
    clock: Clock
    web: SimulatedWeb
    coordinator_id: str
    randomness: Random
    outbox: dict[str, Submission] = field(default_factory=dict)
    sent: dict[str, Submission] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    honest: bool = True

    def __post_init__(self) -> None:
        self.node_id = public_id(self.key)
        self.payout = checksum_address("0x" + f"{self.number + 1:040x}")
        self._nonces = itertools.count()
        self._wait_s = WAIT_S

    async def live(self) -> None:
        """Work for ever, as slowly as there is work."""
        while await self._post("/v1/nodes", "register", self._registration()) is None:
            await self.clock.sleep(self.randomness.uniform(1, 5))
        while True:
            busy = await self.step()
            self._wait_s = WAIT_S if busy else min(self._wait_s * 2, IDLE_WAIT_S_MAX)
            await self.clock.sleep(self.randomness.uniform(0.5, 1) * self._wait_s)

    async def step(self) -> bool:
        """Send what waits, else ask for work and do it; say whether there was anything to do."""
        if not self.outbox:
            for lease in await self.take_leases(3):
                await self.clock.sleep(max(0, lease.not_before_ms - self.clock.now_ms()) / 1000)
                await self.clock.sleep(self.randomness.uniform(0.1, 2))
                self.keep(self.record_for(lease))
        if not self.outbox:
            return False
        await self.submit(self._batch())
        return True

    async def take_leases(self, count: int) -> list[Lease]:
        """Ask for leases and check each as a node must."""
        answer = await self._post("/v1/leases", "lease_request", LeaseRequest(count=count))
        return [self._open(token) for token in (answer or {}).get("leases", [])]

    def record_for(self, lease: Lease) -> Submission:
        """Fetch, and say honestly what came."""
        found = self.web.fetch(lease.url, self.clock.now_ms())
        if isinstance(found, Outcome):
            return Report(lease.lease_id, lease.url, found, self.clock.now_ms())
        return self.contribution(lease, found)

    def contribution(self, lease: Lease, text: str) -> Contribution:
        """Return a contribution of a text for a lease."""
        return honest_record(self.node_id, lease.lease_id, lease.url, text, self.clock.now_ms())

    def keep(self, record: Submission) -> None:
        """Hold a record until its receipt comes."""
        self.outbox[record.lease_id] = self.sent[record.lease_id] = record

    async def submit(self, records: list[Submission]) -> None:
        """Send a batch and take note of what each record was answered."""
        answer = await self._post("/v1/submissions", "submit", encode_batch(records))
        for record, result in zip(records, (answer or {}).get("results", []), strict=False):
            if result["ok"]:
                self._take_receipt(record.lease_id, result["receipt"])
            else:
                self.refusals.append((record.lease_id, result["error"]))
                self.outbox.pop(record.lease_id, None)

    def _take_receipt(self, lease_id: str, token: str) -> None:
        if self.receipts.setdefault(lease_id, token) != token:
            self.contradictions.append(f"{self.name}: two receipts for {lease_id}")
        self.outbox.pop(lease_id, None)

    def _batch(self) -> list[Submission]:
        """Return what waits, sometimes with something that was answered already, sometimes with one record twice."""
        records = list(self.outbox.values())[:5]
        done = sorted(self.receipts)
        if done and self.randomness.random() < 0.3:
            records.append(self.sent[self.randomness.choice(done)])
        if self.randomness.random() < 0.2:
            records.append(records[0])
        return records

    def _registration(self) -> Registration:
        return Registration(payout_address=self.payout, agent="simulated/1")

    def _open(self, token: str) -> Lease:
        statement = verify(
            token,
            signer=self.coordinator_id,
            network=NETWORK,
            purpose="lease",
            subject=self.node_id,
            now_ms=self.clock.now_ms(),
        )
        return msgspec.convert(statement.content, Lease)

    async def _post(self, path: str, purpose: str, message: Any) -> dict[str, Any] | None:
        """Return a door's answer, or None when it refused or none came."""
        try:
            response = await self._send(path, purpose, message)
        except TimeoutError:
            return None
        answer: dict[str, Any] = msgspec.json.decode(response.body)
        if response.status != 200:
            self.refusals.append(("", answer["error"]))
            return None
        return answer

    async def _send(self, path: str, purpose: str, message: Any) -> Response:
        """Send a signed request, with a nonce of its own each time. Raises TimeoutError."""
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        token = sign_request(
            self.key,
            network=NETWORK,
            purpose=purpose,
            body=body,
            nonce=f"{self.name}-{next(self._nonces)}",
            now_ms=self.clock.now_ms(),
        )
        headers = {SIGNATURE_HEADER: token}
        return await self.network.send(
            self.name, Request("POST", path, body, headers=headers, peer=f"127.{self.number}.0.1")
        )


@dataclass
class ValidatorActor(Actor):
    """A node whose key the coordinator knows as a validator's; it draws with the node's own code."""

    async def draw(self, home: Path) -> None:
        """Commit, draw and reveal for ever, with secrets that follow from the seed."""
        home.mkdir()
        validator = Validator(home, cast(CoordinatorClient, self), poll_s=DRAW_WAIT_S)
        validator._kept.epochs = {
            number: EpochSecret(self.randomness.randbytes(SECRET_BYTES).hex()) for number in range(1, 200)
        }
        await validator.run(asyncio.Event())

    async def ask(self, path: str, purpose: str, wish: Any, kind: type[Any]) -> Any:
        """Ask as the node's client does. Raises WindrowError: the door's reason, or `not_running`."""
        try:
            response = await self._send(path, purpose, wish)
        except TimeoutError as error:
            raise WindrowError("not_running", "no answer came") from error
        if response.status != 200:
            raise WindrowError(msgspec.json.decode(response.body)["error"])
        return msgspec.json.decode(response.body, type=kind)


@dataclass
class Cheat(Actor):
    """Fetches nothing: makes texts and refusals up, and now and then sends another text for an answered lease."""

    honest: bool = False

    def record_for(self, lease: Lease) -> Submission:
        """Return invented words, or say that there is no such page."""
        drawn = self.randomness.randrange(10**9)
        if drawn % 5 == 0:
            return Report(lease.lease_id, lease.url, Outcome.NOT_FOUND, self.clock.now_ms())
        return self.contribution(lease, " ".join(f"made{drawn}up{place}" for place in range(60)))

    def _batch(self) -> list[Submission]:
        records = list(self.outbox.values())[:5]
        for lease_id in sorted(self.receipts)[:1]:
            earlier = self.sent[lease_id]
            if isinstance(earlier, Contribution):
                records.append(msgspec.structs.replace(earlier, text="x", text_sha256=text_sha256("x")))
        return records
