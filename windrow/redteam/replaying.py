"""Cheats that hand in what was there before: old copies, others' texts, their own submissions, leases of others.

Rules: those of `strategy`. Does not: count or judge (see `arena`).

Usage: `STRATEGIES["static_replay"](kit)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from windrow.redteam.client import Client
from windrow.redteam.invention import fluent_text
from windrow.redteam.strategy import Kit, Strategy
from windrow_protocol.messages import Appeal, Lease, Submission


class StaleReplay(Strategy):
    """Old copies instead of fetches, wherever there is one."""

    name, guards, replays = "stale_replay", ("canaries",), True

    def is_fake(self, lease: Lease) -> bool:
        """Wherever the archive has the page."""
        return lease.url in self.kit.archive

    def fake(self, client: Client, lease: Lease) -> Submission:
        """The old copy."""
        return client.contribution(lease, self.kit.archive[lease.url])


class StaticReplay(StaleReplay):
    """Old copies of pages that seem not to change."""

    name, guards = "static_replay", ("canaries",)

    def is_fake(self, lease: Lease) -> bool:
        """Where the archive's two copies, taken days apart, are the same."""
        return lease.url in self.kit.archive and self.kit.older[lease.url] == self.kit.archive[lease.url]


class Copies(Strategy):
    """Two fetches feed ten answers: one text of its own goes out for every page that might be a mirror of it."""

    name, guards = "copies", ("audits",)

    def is_fake(self, lease: Lease) -> bool:
        """From the second lease on."""
        return bool(self.kit.shared) and self.answered % 5 != 1

    def fake(self, client: Client, lease: Lease) -> Submission:
        """Somebody's text for this page's mirror, else the last one seen."""
        number = lease.url.rsplit("/", 1)[1]
        text = self.kit.shared.get(number) or list(self.kit.shared.values())[-1]
        return client.contribution(lease, text)

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Remember the texts that were fetched."""
        record = await super().answer(client, lease)
        text = getattr(record, "text", "")
        if text:
            self.kit.shared.setdefault(lease.url.rsplit("/", 1)[1], text)
        return record


class ReplayedSubmissions(Strategy):
    """Honest work, handed in again and again: the same batch, the same signed request, the text under other leases."""

    name = "replayed_submissions"

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Submit three times, once with the very same signature."""
        await client.submit(records)
        await client.submit(records)
        await client.submit_twice_signed_once(records)


class ForgedReceipts(Strategy):
    """Says "done" for leases it does not hold, under ids of its own making, and appeals verdicts that never were."""

    name = "forged_receipts"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._seen: list[Lease] = []

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Remember the page, to answer for it again when there are no leases left."""
        self._seen.append(lease)
        return await super().answer(client, lease)

    def unasked(self, client: Client, room: int) -> list[Submission]:
        """Go on without leases."""
        return [self.fake(client, self.kit.chance.choice(self._seen)) for _ in range(room) if self._seen]

    def is_fake(self, lease: Lease) -> bool:
        """Always: the lease is answered with another's id."""
        return True

    def fake(self, client: Client, lease: Lease) -> Submission:
        """A contribution for a lease that somebody else may hold."""
        other = msgspec.structs.replace(lease, lease_id="l" + f"{self.kit.chance.getrandbits(124):031x}")
        return client.contribution(other, fluent_text(lease.url, self.kit.chance))

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Submit, and appeal."""
        await client.submit(records)
        for record in records[:2]:
            appeal = Appeal(contribution_id="c" + record.lease_id[1:], reason="I have a receipt")
            await client.ask("/v1/appeals", "appeal", appeal)
