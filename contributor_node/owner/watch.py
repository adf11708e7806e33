"""Keeps a running node's budget up to date with its owner's `node.toml` and with what the machine says of itself.

Rules: a changed file counts within a second, and a mistaken one changes nothing and is said. Sensors are asked only
where a rule depends on them, before the first request and then every `SENSE_EVERY_S`, in a thread.

Does not: decide (`budget`), or take over anything but the budget: the rest of `node.toml` counts from the next start.

Usage: `await look(budget, sensors)`, then `asyncio.create_task(watch(budget, sensors, path, read_again))`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from contributor_node.owner.budget import Budget
from contributor_node.owner.control import file_mark
from contributor_node.owner.sensors import Sensors, sense
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.errors import WindrowError

LOOK_EVERY_S = 1.0
SENSE_EVERY_S = 15

log = logging.getLogger(__name__)


async def look(budget: Budget, sensors: Sensors) -> None:
    """Ask the sensors now, where a rule depends on them."""
    if budget.rules.needs_sensors():
        budget.tell(await asyncio.to_thread(sense, sensors))


async def watch(
    budget: Budget,
    sensors: Sensors,
    toml: Path,
    read_again: Callable[[], NodeSettings],
    follow: Callable[[NodeSettings], None],
) -> None:
    """Watch until cancelled; `read_again` returns the settings as they are now, `follow` goes by them."""
    seen, looks = file_mark(toml), 0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        looks += 1
        now = file_mark(toml)
        if now != seen:
            seen, looks = now, 0
            _change(read_again, follow)
        if looks % SENSE_EVERY_S == 0:
            await look(budget, sensors)


def _change(read_again: Callable[[], NodeSettings], follow: Callable[[NodeSettings], None]) -> None:
    try:
        follow(read_again())
    except WindrowError as error:
        log.error("the changed settings are not used", extra={"reason": error.code, "error": str(error)})
