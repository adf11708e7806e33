"""A house whose validators speak through its doors with the node's own code, epoch after epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
from aggregator_world import World
from real_house import Node, words_of

from aggregator.audit_routes import AuditDoors
from aggregator.verification.audits.judging import decide_audits
from aggregator.verification.audits.settling import settle_draws
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from aggregator.verification.epochs.audit_files import audit_folder
from contributor_node.validator import Validator as Drawing
from storage.env import Route
from windrow_protocol.messages import Lease
from windrow_protocol.trust_rules import TrustRules

T = TypeVar("T")
# Half of what nodes hand in is audited from the first document on.
HALF = TrustRules(probation_documents=0, audit_rate_min_ppm=500_000, audit_rate_max_ppm=500_000)

# Nearly everything is audited, so that no test depends on luck.
MOST = TrustRules(probation_documents=0, audit_rate_min_ppm=900_000, audit_rate_max_ppm=900_000)


class DoorClient:
    """What the node's own validator code asks through: signed requests straight into the doors."""

    def __init__(self, node: Node, routes: list[Route]) -> None:
        self._node = node
        self._doors = {route.pattern: route.handle for route in routes}
        self.said: list[tuple[str, msgspec.Struct]] = []

    async def ask(self, path: str, purpose: str, message: msgspec.Struct, kind: type[T]) -> T:
        self.said.append((path, message))
        request = self._node.request(purpose, msgspec.json.encode(message))
        answer = await self._doors[path](request)
        return msgspec.json.decode(answer.body, type=kind)


class AuditWorld(World):
    """One house, validators of some operators with homes of their own, and a contributor."""

    def __init__(self, home: Path, operators: int = 3, rules: TrustRules = HALF) -> None:
        super().__init__(home, rules=rules, operators=operators)
        self.routes = AuditDoors(self.house).routes()
        self.clients = [DoorClient(validator, self.routes) for validator in self.validators]
        self.drawing = [self.drawing_of(number) for number in range(operators)]
        self.pages = 0

    def drawing_of(self, number: int) -> Drawing:
        """Return a validator's code as it starts anew on its home."""
        home = self.house.home / f"validator-{number}"
        home.mkdir(exist_ok=True)
        return Drawing(home, self.clients[number], poll_s=0.01)  # type: ignore[arg-type]

    async def ready(self) -> Node:
        """Register everybody and have the validators commit; return a contributor."""
        for validator in self.validators:
            await self._registered(validator)
        await self.draw_all()
        return await self.node()

    async def draw_all(self) -> None:
        """Let every validator take its turn until it has nothing more to do."""
        for drawing in self.drawing:
            while await drawing.round():
                pass

    async def hand_in(self, node: Node, count: int, fakes: int = 0) -> dict[str, str]:
        """Have a node answer `count` leases, the last `fakes` of them invented; return what the pages really hold."""
        self.seed(self.pages + count)
        self.pages += count
        truth: dict[str, str] = {}
        while len(truth) < count:
            leases = await self.take(node, min(8, count - len(truth)))
            assert leases, "a newcomer gets its first leases at once"
            records = []
            for lease in leases:
                is_fake = len(truth) >= count - fakes
                truth[lease.url] = self.page(lease)
                text = words_of(9_000 + len(truth)) if is_fake else truth[lease.url]
                records.append(node.contribution(lease, text))
            answers = await node.submit(self.doors.submissions, list(records))
            assert all(answer["ok"] for answer in answers)
        return truth

    @staticmethod
    def page(lease: Lease) -> str:
        """Return what a page holds."""
        return words_of(int(lease.url.rpartition("p")[2]))

    async def audit(self, truth: dict[str, str]) -> None:
        """Let validators draw and fetch and their truths decide, until nothing is left."""
        busy = 1
        while busy:
            await self.draw_all()
            busy = await self.validate(truth) + settle_draws(self.house)
            busy += decide_audits(self.house, self.segments)

    async def close(self, truth: dict[str, str]) -> Path:
        """End the open epoch, have it revealed and published, and return its folder."""
        epoch_id = end_epoch(self.house)
        assert epoch_id is not None
        await self.audit(truth)
        assert close_epochs(self.house, self.segments, self.house.rules.draw_wait_ms) == 0
        return audit_folder(self.house.home, epoch_id)
