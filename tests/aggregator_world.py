"""One aggregator for tests: a real house with its doors, pipeline and lake, and nodes that speak to it by hand."""

from __future__ import annotations

from pathlib import Path

from real_house import PAYOUT, Node, open_house, open_segments

from aggregator.assignment.frontier import add_urls
from aggregator.dedup import dedup_metadata
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.pipeline import Pipeline
from aggregator.routes import Doors
from storage.lake import Lake
from windrow_protocol.messages import Lease, LeaseRequest, Outcome, Registration


class World:
    """One house with its doors, and a registered node."""

    def __init__(self, home: Path, lease_life_ms: int = 600_000) -> None:
        self.house = open_house(home, dedup_metadata)
        self.segments = open_segments(self.house)
        self.validator = Node(self.house)
        self.doors = Doors(
            self.house,
            Ingest(self.house, self.segments),
            Personal(self.house, open_segments(self.house, "personal")),
            validators=[self.validator.node_id],
            lease_life_ms=lease_life_ms,
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

    async def validate(self, truth: dict[str, str]) -> int:
        """Have the validator answer every audit with what each URL really holds; a URL it cannot fetch is reported."""
        if not self.validator.nonces:
            await self.validator.ask(self.doors.register, "register", Registration(payout_address=PAYOUT))
        leases = await self.take(self.validator, 50)
        records = [
            self.validator.contribution(lease, truth[lease.url])
            if lease.url in truth
            else self.validator.report(lease, Outcome.SERVER_ERROR)
            for lease in leases
        ]
        if records:
            await self.validator.submit(self.doors.submissions, records)
        return len(leases)

    async def settle(self, truth: dict[str, str]) -> None:
        """Let validator and pipeline work until neither has anything to do."""
        while await self.validate(truth) + self.pipeline.step():
            pass
