"""A world of three validator operators in which a test says what each page holds, and can close audit epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aggregator_world import Validator, World
from real_house import Node, words_of

from aggregator.assignment.frontier import add_urls
from aggregator.trust_routes import TrustDoors
from aggregator.verification.drawing.audit_epochs import advance, end_epoch, epoch_of, seal_epoch
from rewards.accountant import run_accountant
from storage.tables.trust import appeals, audit_outcomes, consequences
from windrow_protocol.messages import Appeal, Departure, DisclosureRequest, Lease, Outcome, Submission
from windrow_protocol.trust_rules import TrustRules

NO_LOTTERY = ("sybil_limits", "lease_limits", "placement")  # a test says who gets which page
ALL_AUDITED = TrustRules(probation_documents=10**6, vest_age_ms=0, vest_audits=1, off=NO_LOTTERY)
INVENTED = words_of(999)


class TrustWorld(World):
    """One house; `pages` is what the web holds, `lies` what one validator gets instead: {node id: {URL: text}}."""

    def __init__(
        self, home: Path, rules: TrustRules = ALL_AUDITED, canary_hosts: tuple[str, ...] = ()
    ) -> None:
        super().__init__(home, rules=rules, operators=3, canary_hosts=canary_hosts)
        self.trust = TrustDoors(self.house)
        self.pages: dict[str, str] = {}
        self.lies: dict[str, dict[str, str]] = {}

    async def hand_in(self, node: Node, url: str, text: str) -> str:
        """Have a node get the lease for a URL and answer it with a text; return the contribution's id."""
        self.pages.setdefault(url, text)
        with self.house.state.write() as connection:
            add_urls(connection, [(url, "http")], self.house.now_ms())
        for _ in range(60):
            for lease in await self.take(node, 50):
                if lease.url == url:
                    self.clock.ahead_ms += max(0, lease.not_before_ms - self.house.now_ms())
                    record = node.contribution(lease, text)
                    (answer,) = await node.submit(self.doors.submissions, [record])
                    assert answer["ok"], answer
                    return record.contribution_id
                await node.submit(self.doors.submissions, [node.report(lease, Outcome.TIMEOUT)])
            self.clock.ahead_ms += 10_000  # until the host's pace and the lottery of places allow it
        raise AssertionError(f"no lease for {url}")

    async def work(self, node: Node, first: int, count: int) -> list[str]:
        """Have a node hand in some true pages, each of a host of its own."""
        return [
            await self.hand_in(node, f"http://site{n}.example/page", words_of(n))
            for n in range(first, first + count)
        ]

    async def look(self) -> None:
        """Let validators and verification work until nothing is left to do; nothing is judged or paid."""
        while await self.validate(self._answer) + self._draw() + self.pipeline.verify():
            pass

    async def look_and_pay(self) -> None:
        """Let everything work: validators, the whole pipeline, the accountant."""
        await self.settle(self._answer)
        run_accountant(self.house)

    def close_epoch(self) -> None:
        """End the open audit epoch and close it, as the operator's command does once all is revealed."""
        epoch_id = end_epoch(self.house)
        assert epoch_id is not None, "nothing was committed in it"
        with self.house.state.read() as connection:
            ended = epoch_of(connection, epoch_id)
        seal_epoch(self.house, ended)
        with self.house.state.write() as connection:
            advance(connection, epoch_of(connection, epoch_id), "publish")

    async def told(self, node: Node, **wish: Any) -> Any:
        """Ask what a node may know."""
        return await node.ask(self.trust.disclosures, "disclosures", DisclosureRequest(**wish))

    async def appeal(self, node: Node, contribution_id: str) -> Any:
        """Appeal a verdict."""
        return await node.ask(self.trust.appeals, "appeal", Appeal(contribution_id=contribution_id))

    async def leave(self, node: Node) -> Any:
        """Leave the network."""
        return await node.ask(self.trust.leave, "leave", Departure())

    def followed(self, node: Node) -> list[tuple[str, str]]:
        """Return (kind, contribution) of everything that followed for a node, in order."""
        return [(row.kind, row.contribution_id) for row in self.consequences(node)]

    def consequences(self, node: Node) -> list[Any]:
        """Return a node's rows of the log."""
        return self.rows(consequences, node, consequences.c.consequence_seq)

    def outcomes(self, node: Node) -> list[Any]:
        """Return what the folds saw of a node."""
        return self.rows(audit_outcomes, node, audit_outcomes.c.outcome_seq)

    def appeal_states(self, node: Node) -> dict[str, str]:
        """Return the state of each appeal of a node."""
        rows = self.rows(appeals, node, appeals.c.received_at_ms)
        return {row.contribution_id: row.state for row in rows}

    def rows(self, table: sa.Table, node: Node, order: sa.Column[Any]) -> list[Any]:
        with self.house.state.read() as connection:
            mine = sa.select(table).where(table.c.node_id == node.node_id).order_by(order)
            return list(connection.execute(mine))

    def _answer(self, validator: Validator, lease: Lease) -> Submission | None:
        seen = self.lies.get(validator.node_id, {}).get(lease.url) or self.pages.get(lease.url)
        if seen is None:
            return validator.report(lease, Outcome.SERVER_ERROR)
        return validator.contribution(lease, seen)
