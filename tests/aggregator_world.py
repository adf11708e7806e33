"""One aggregator for tests: a real house with its doors, pipeline and lake, and nodes that speak to it by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from real_house import PAYOUT, Node, open_house, open_segments

from aggregator.assignment.frontier import add_urls
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.pipeline import Pipeline
from aggregator.routes import Doors
from aggregator.verification.drawing.draws import Signed, commit, log_page, record_draws
from storage.lake import Lake
from storage.tables.trust import audit_secrets
from windrow_protocol.audit_draw import commitment_of, is_drawn
from windrow_protocol.messages import (
    AuditCommitment,
    AuditDraws,
    AuditEntry,
    AuditLogRequest,
    Lease,
    LeaseRequest,
    Outcome,
    Registration,
    Submission,
)
from windrow_protocol.trust_rules import TrustRules

# What validators get at a URL: a text, no text (a refusal), or an answer made for one validator and lease.
Truth = Mapping[str, str]
Answer = Callable[["Validator", Lease], Submission | None]


class MovableClock:
    """Real time, plus what a test has moved it by."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    async def sleep(self, wait_s: float) -> None:
        self.ahead_ms += int(wait_s * 1000)


@dataclass
class Validator(Node):
    """A validator that commits to a secret, draws by it, and answers its leases as a test tells it to."""

    operator: str = ""
    secret: bytes = bytes(32)
    drawn: set[str] = field(default_factory=set)
    drawn_seq: int = 0

    def commit(self) -> None:
        """Fix its secret for the open epoch."""
        wish = AuditCommitment(epoch_id=1, commitment=commitment_of(self.secret))
        with self.house.state.write() as connection:
            commit(self.house, connection, self.node_id, wish, Signed("", ""))

    def draw(self) -> int:
        """Draw what is new in the log and say so; return how many places of the log were passed."""
        with self.house.state.write() as connection:
            page = log_page(self.house, connection, self.node_id, AuditLogRequest(after_seq=self.drawn_seq))
            mine = [entry for entry in page.entries if self._draws(entry)]
            double = self.house.rules.doubled_ppm
            said = AuditDraws(
                epoch_id=1,
                upto_seq=page.upto_seq,
                lease_ids=[entry.lease_id for entry in mine],
                doubled=[entry.lease_id for entry in mine if self._draws(entry, double, "double")],
            )
            record_draws(self.house, connection, self.node_id, said)
        self.drawn.update(said.lease_ids)
        passed, self.drawn_seq = page.upto_seq - self.drawn_seq, page.upto_seq
        return passed

    def _draws(self, entry: AuditEntry, share_ppm: int | None = None, purpose: Any = "audit") -> bool:
        share_ppm = entry.share_ppm if share_ppm is None else share_ppm
        return is_drawn(self.secret, entry.lease_id, entry.content_sha256, share_ppm, purpose)


class World:
    """One house with its doors, and validators of as many operators as asked for."""

    def __init__(
        self,
        home: Path,
        lease_life_ms: int = 600_000,
        rules: TrustRules | None = None,
        operators: int = 1,
        canary_hosts: tuple[str, ...] = (),
    ) -> None:
        self.clock = MovableClock()
        self.house = open_house(home, rules=rules, clock=self.clock, canary_hosts=canary_hosts)
        self.segments = open_segments(self.house)
        self.validators = [
            Validator(self.house, operator=f"operator-{number}", secret=bytes([number + 1] * 32))
            for number in range(operators)
        ]
        self.validator = self.validators[0]
        self._lease_life_ms = lease_life_ms
        self._personal = Personal(self.house, open_segments(self.house, "personal"))
        self.doors = self.doors_anew()

    def doors_anew(self) -> Doors:
        """Doors as a house makes them at its start: they remember nothing."""
        return Doors(
            self.house,
            Ingest(self.house, self.segments),
            self._personal,
            validators=[f"{each.node_id}@{each.operator}" for each in self.validators],
            lease_life_ms=self._lease_life_ms,
        )

    async def node(self) -> Node:
        node = Node(self.house)
        await node.ask(self.doors.register, "register", Registration(payout_address=PAYOUT))
        return node

    def seed(self, count: int) -> None:
        with self.house.state.write() as connection:
            add_urls(
                connection,
                [(f"http://h{i % 3}.example/p{i}", "http") for i in range(count)],
                self.house.now_ms(),
            )

    @property
    def pipeline(self) -> Pipeline:
        """A pipeline as a house makes it at start: it remembers nothing."""
        return Pipeline(self.house, self.segments, Lake(self.house.env, self.house.home / "lake"))

    async def take(self, node: Node, count: int) -> list[Lease]:
        """Have a node ask for leases."""
        answer = await node.ask(self.doors.leases, "lease_request", LeaseRequest(count=count))
        return node.open_leases(answer["leases"])

    async def validators_ready(self) -> None:
        """Register every validator and have it commit to its secret."""
        for validator in self.validators:
            await self._registered(validator)
            validator.commit()

    async def validate(self, truth: Truth | Answer) -> int:
        """Have the validators answer every audit as told; a URL that `truth` does not hold is reported."""
        answer = truth if callable(truth) else _honest(truth)
        answered = 0
        for validator in self.validators:
            await self._registered(validator)
            leases = await self.take(validator, 50)
            records = [each for lease in leases if (each := answer(validator, lease)) is not None]
            if records:
                await validator.submit(self.doors.submissions, records)
            answered += len(leases)
        return answered

    async def settle(self, truth: Truth | Answer) -> None:
        """Let validators and pipeline work until none of them has anything to do."""
        while await self.validate(truth) + self._draw() + self.pipeline.step():
            pass

    def _draw(self) -> int:
        with self.house.state.read() as connection:
            committed = set(connection.execute(sa.select(audit_secrets.c.validator_id)).scalars())
        return sum(each.draw() for each in self.validators if each.node_id in committed)

    async def _registered(self, validator: Validator) -> None:
        if not validator.nonces:
            await validator.ask(self.doors.register, "register", Registration(payout_address=PAYOUT))


def _honest(truth: Truth) -> Answer:
    def answer(validator: Validator, lease: Lease) -> Submission:
        if lease.url in truth:
            return validator.contribution(lease, truth[lease.url])
        return validator.report(lease, Outcome.SERVER_ERROR)

    return answer


@contextmanager
def turns_of_the_writer(world: World, event: Literal["begin", "commit"]) -> Iterator[list[int]]:
    """Count how often somebody begins, or commits, as the one who writes, while the block runs."""
    counted = [0]

    def count(_connection: sa.Connection) -> None:
        counted[0] += 1

    sa.event.listen(world.house.state._writer, event, count)
    try:
        yield counted
    finally:
        sa.event.remove(world.house.state._writer, event, count)


def commits_of(world: World) -> AbstractContextManager[list[int]]:
    """Count what is committed while a block runs."""
    return turns_of_the_writer(world, "commit")
