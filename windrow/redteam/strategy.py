"""What a cheat is to the arena: something that answers leases. This one is honest; the others change what they must.

Rules: a strategy answers leases through a `Client` and may use what a real cheat could have: old copies of pages (its
`archive`), its other identities, and its own lies. It never sees the aggregator from inside. `guards` names the
defences without each of which it should profit.

Does not: count or judge (see `arena`). Usage: `record = await Strategy(kit).answer(client, lease)`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from windrow.redteam.client import Client
from windrow.redteam.invention import fluent_text
from windrow_protocol.messages import Lease, Submission


@dataclass
class Kit:
    """What a cheat brings along: texts of earlier days by URL, older ones of the same pages, and chance."""

    archive: dict[str, str]
    chance: random.Random
    older: dict[str, str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)


class Strategy:
    """Honest work: fetch the page and hand in what it says."""

    name: ClassVar[str] = "honest"
    guards: ClassVar[tuple[str, ...]] = ()
    identities: ClassVar[int] = 1
    hears: ClassVar[bool] = True  # says which leases arrived
    rejoins: ClassVar[bool] = False  # as soon as an identity is worth nothing
    replays: ClassVar[bool] = False  # and so needs an archive

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.worked = 0
        self.answered = 0

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Return what is handed in for a lease, or None to let it expire."""
        self.answered += 1
        if self.is_fake(lease):
            return self.fake(client, lease)
        self.worked += 1
        return client.record(lease, await client.fetch(lease.url))

    def is_fake(self, lease: Lease) -> bool:
        """Say whether this lease is answered with a lie."""
        return False

    def fake(self, client: Client, lease: Lease) -> Submission | None:
        """Return the lie."""
        return client.contribution(lease, fluent_text(lease.url, self.kit.chance))

    def unasked(self, client: Client, room: int) -> list[Submission]:
        """Return up to `room` records that no lease asked for."""
        return []

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Give the coordinator what was answered."""
        await client.submit(records)

    async def learn(self, client: Client, disclosed: Sequence[dict[str, Any]]) -> None:
        """Hear which verdicts were disclosed since it joined, once a day."""

    @property
    def work_share(self) -> float:
        """The share of its leases for which it really did the work."""
        return self.worked / self.answered if self.answered else 0.0
