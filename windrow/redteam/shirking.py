"""Cheats that choose: they refuse what is work, hoard leases, or fetch only what is their own.

Rules: those of `strategy`. Does not: count or judge (see `arena`).

Usage: `STRATEGIES["lease_hoarder"](kit)`.
"""

from __future__ import annotations

from windrow.redteam.client import Client
from windrow.redteam.strategy import Strategy
from windrow_protocol.messages import Lease, Outcome, Submission


class EasyLeasesOnly(Strategy):
    """Fetches what is quick and calls the rest blocked."""

    name, guards = "easy_leases_only", ("refusal_audits",)

    def is_fake(self, lease: Lease) -> bool:
        """Everything but the first half of the alphabet of addresses."""
        return sum(lease.url.encode()) % 2 == 0

    def fake(self, client: Client, lease: Lease) -> Submission:
        """A refusal that never happened."""
        return client.report(lease, Outcome.BLOCKED, 403)


class LeaseHoarder(Strategy):
    """Takes all the leases it can get and answers one in ten."""

    name, guards = "lease_hoarder", ("lease_limits",)

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Let most of them expire."""
        if self.kit.chance.random() < 0.9:
            return None
        return await super().answer(client, lease)


class DeafHoarder(LeaseHoarder):
    """The same, and says that it never heard of the leases that it lets expire."""

    name, guards, hears = "deaf_hoarder", ("lease_limits",), False


class OwnSites(Strategy):
    """Hosts of its own that invent text without end; it fetches those and calls everything else blocked."""

    name, guards = "own_sites", ("domain_caps",)

    def is_fake(self, lease: Lease) -> bool:
        """Whatever is not its own."""
        return "/own/" not in lease.url

    def fake(self, client: Client, lease: Lease) -> Submission:
        """A refusal that never happened."""
        return client.report(lease, Outcome.BLOCKED, 403)


class OwnMirrors(OwnSites):
    """Hosts of its own with one text at every address."""

    name, guards = "own_mirrors", ("novelty",)
