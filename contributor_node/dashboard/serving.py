"""A node's dashboard from its start to its end: a free port, a new secret, the file that the owner's commands read.

Rules: in the node's own process, so it costs what its pages cost. The secret and the path are new at each start, so a
cookie that was sent to whatever took the port later opens nothing.

Does not: print the link where it could be kept in a log: only a terminal gets one.

Usage::

    dashboard = Dashboard(parts, now_ms)
    place = await dashboard.open(0)
    await dashboard.close()
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

from contributor_node.dashboard.door import Answer, Ask, Door
from contributor_node.dashboard.facts import NodeParts
from contributor_node.dashboard.link_file import DashboardPlace, forget_place, write_place
from contributor_node.dashboard.site import Site
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DASHBOARD_BODY_BYTES_MAX


class Dashboard:
    """The dashboard of one running node."""

    def __init__(self, parts: NodeParts, now_ms: Callable[[], int]) -> None:
        self._parts, self._now_ms = parts, now_ms
        self._home = Path(parts.read_settings().values.home)
        self._door = Door(self._answer, self._body_bytes_max)
        self._site: Site | None = None
        self._carrying: asyncio.Task[None] | None = None

    async def open(self, port: int) -> DashboardPlace:
        """Serve it, on any free port for 0. Raises WindrowError `port_taken` or `home_unwritable`."""
        port = await self._door.open(port)
        place = DashboardPlace(port, f"/{secrets.token_hex(16)}/", secrets.token_hex(32))
        self._site = Site(self._parts, place, self._now_ms)
        write_place(self._home, place)
        self._carrying = asyncio.create_task(self._parts.carrier.run())
        return place

    async def close(self) -> None:
        """Stop serving, and take the file away."""
        await self._door.close()
        if self._carrying is not None:
            self._carrying.cancel()
            await asyncio.gather(self._carrying, return_exceptions=True)
        if self._site is not None:
            forget_place(self._home)
            await self._site.close()

    async def _answer(self, ask: Ask) -> Answer:
        if self._site is None:
            raise WindrowError("no_dashboard", "it is just being started")
        return await self._site.answer(ask)

    def _body_bytes_max(self, ask: Ask) -> int:
        return DASHBOARD_BODY_BYTES_MAX if self._site is None else self._site.body_bytes_max(ask)
