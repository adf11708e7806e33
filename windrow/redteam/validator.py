"""A validator of the arena: the node's own drawing, and truths fetched like an honest client's work.

Rules: committing, drawing and revealing are `contributor_node.validator`, as in every validator; what it fetches, it
fetches for real, from its own address.

Does not: see contributions or know whose they are. Usage: `while await validator.round(): ...`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.egress.line_log import LineLog
from contributor_node.identity import Pin
from contributor_node.validator import Validator
from windrow.redteam.client import Client


class ArenaValidator:
    """One operator's validator at work."""

    def __init__(self, client: Client, coordinator: str, home: Path, now_ms: Callable[[], int]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.client = client
        talker = CoordinatorClient(
            coordinator,
            client.key,
            LineLog(home / "lines.ndjson", now_ms),
            now_ms,
            source_address=client.address,
        )
        talker.pin = Pin(coordinator, client.network, client.coordinator_id)
        self._drawing = Validator(home, talker, poll_s=0)

    async def round(self) -> int:
        """Draw, take leases, fetch and answer once; return how many leases there were."""
        while await self._drawing.round():
            pass
        leases = await self.client.leases(50)
        records = [self.client.record(lease, await self.client.fetch(lease.url)) for lease in leases]
        if records:
            await self.client.submit(records)
        return len(records)
