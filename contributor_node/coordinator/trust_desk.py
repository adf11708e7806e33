"""What a contributor asks about trust: the verdicts on their work, an appeal, and leaving.

Rules: speaks with the node's own key and its pinned coordinator, whether the node runs or not. Every verdict's
signature is checked before it is shown; one that does not hold is an error, never left out. Each request stands in
the line log like any other.

Does not: crawl, keep anything but the pin, or print.

Usage::

    async with trust_desk(settings) as desk:
        told = await desk.disclosures()
        state = await desk.appeal(contribution_id, "it had changed")

Source: docs/protocol.md, "Doors".
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.egress.line_log import LineLog
from contributor_node.identity import KEY_FILE, load_or_make_key, pin_coordinator
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Appeal, Departure, DisclosureRequest, Verdict


class DisclosedConsequence(msgspec.Struct, frozen=True):
    """What followed from a verdict, in the coordinator's words. Documents and shares in millionths."""

    consequence_id: str
    kind: str
    contribution_id: str
    sentence: str
    remedy: str
    documents_ppm: int
    share_ppm: int
    undoes: str
    epoch_id: int
    at_ms: int


class AppealState(msgspec.Struct, frozen=True):
    """What became of an appeal."""

    contribution_id: str
    state: str


class DepartureState(msgspec.Struct, frozen=True):
    """When a leaving node is settled at the latest, and when its bond comes back."""

    state: str
    settle_by_ms: int
    bond_due_at_ms: int


class _Page(msgspec.Struct, frozen=True):
    verdicts: list[str]
    consequences: list[DisclosedConsequence]
    standing: dict[str, Any]
    appeals: list[AppealState]
    departure: DepartureState | None
    next: str


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Everything a node may know of its verdicts by now; `standing` is what that adds up to."""

    verdicts: list[Verdict]
    consequences: list[DisclosedConsequence]
    standing: dict[str, Any]
    appeals: list[AppealState]
    departure: DepartureState | None


class TrustDesk:
    """One node's conversation about trust."""

    def __init__(self, client: CoordinatorClient) -> None:
        self._client = client

    async def disclosures(self) -> Disclosed:
        """Return all verdicts and consequences of closed audit epochs. Raises WindrowError, also `bad_signature`."""
        verdicts: list[Verdict] = []
        consequences: list[DisclosedConsequence] = []
        after = ""
        while True:
            wish = DisclosureRequest(after=after)
            page = await self._client.ask("/v1/disclosures", "disclosures", wish, _Page)
            verdicts += [self._client.open_statement(token, "verdict", Verdict) for token in page.verdicts]
            consequences += page.consequences
            if page.next == after or not (page.verdicts or page.consequences):
                return Disclosed(verdicts, consequences, page.standing, page.appeals, page.departure)
            after = page.next

    async def appeal(self, contribution_id: str, reason: str) -> AppealState:
        """Ask once for a verdict to be looked at again."""
        wish = Appeal(contribution_id=contribution_id, reason=reason)
        return await self._client.ask("/v1/appeals", "appeal", wish, AppealState)

    async def leave(self, reason: str) -> DepartureState:
        """Leave the network."""
        return await self._client.ask("/v1/nodes/leave", "leave", Departure(reason=reason), DepartureState)


@asynccontextmanager
async def trust_desk(settings: NodeSettings) -> AsyncIterator[TrustDesk]:
    """Open the desk of the node of a home. Raises WindrowError `no_node_key`, `coordinator_changed`, `not_running`."""
    home = Path(settings.home)
    if not (home / KEY_FILE).exists():
        raise WindrowError("no_node_key", str(home))
    line_log = LineLog(home / "line_log.ndjson", _now_ms)
    try:
        client = CoordinatorClient(
            settings.coordinator,
            load_or_make_key(home),
            line_log,
            _now_ms,
            source_address=settings.source_address,
        )
        facts = await client.network()
        said = (facts.network, facts.coordinator_id, facts.publishers_url)
        client.pin = pin_coordinator(home, settings.coordinator, *said)
        yield TrustDesk(client)
    finally:
        line_log.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
