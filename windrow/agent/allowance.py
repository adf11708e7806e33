"""What an agent may spend: a limit, what was spent of it, and a switch that ends all buying.

Rules: what a purchase costs is written down, durably, before anything is paid, and taken back only when it is certain
that nothing was; so a kill in between can make the agent poorer and never richer. One purchase at a time, also among
several servers over one folder. A file named `STOP` beside the list ends all buying until its owner removes it. Amounts
are wei; the list keeps them as decimal strings.

Does not: hold the key (give it no more money than the limit: then not even a mistake here can spend more), or pay.

Usage::

    with Allowance(folder, limit_wei, disk).purchase(export_id, price_wei):
        pay()
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from storage.env import Disk
from windrow_protocol.errors import WindrowError

SPENT_NAME: Final = "spent.json"
STOP_NAME: Final = "STOP"
# Refusals of the chain itself before anything was paid, or after it has seen all of the price go back. No word of the
# market's own is among them.
_NOTHING_PAID: Final = frozenset({"chain_rejected", "terms_not_met", "too_many_tries"})


class Allowance:
    """The limit over one folder."""

    def __init__(self, folder: Path, limit_wei: int, disk: Disk) -> None:
        self._folder = folder
        self._limit_wei = limit_wei
        self._disk = disk

    def spent_wei(self) -> int:
        """What was spent, or may have been. Raises WindrowError `bad_config` when the list cannot be read."""
        return sum(self._spent().values())

    def left_wei(self) -> int:
        """What may still be spent."""
        return max(0, self._limit_wei - self.spent_wei())

    def require_open(self) -> None:
        """Raise WindrowError `agent_stopped` when the owner has ended all buying."""
        stop = self._folder / STOP_NAME
        if stop.exists():
            raise WindrowError("agent_stopped", str(stop))

    @contextmanager
    def purchase(self, export_id: str, price_wei: int) -> Iterator[None]:
        """Reserve a price while the block pays it; what the chain shows as bought needs no such block.

        A price that was reserved and never paid, because of a kill, stays counted. Raises WindrowError `agent_stopped`
        or `spend_limit`, and whatever the block raises.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with _alone(self._folder / "lock"):
            self.require_open()
            spent = self._spent()
            left = self._limit_wei - sum(spent.values())
            if price_wei < 0 or price_wei > left:
                raise WindrowError("spend_limit", f"it costs {price_wei} wei, {max(0, left)} wei are left")
            self._write(spent | {export_id: spent.get(export_id, 0) + price_wei})
            try:
                yield
            except WindrowError as error:
                if error.code in _NOTHING_PAID:
                    self._write(spent)
                raise

    def _spent(self) -> dict[str, int]:
        try:
            found = msgspec.json.decode((self._folder / SPENT_NAME).read_bytes(), type=dict[str, str])
            return {export_id: int(price) for export_id, price in found.items()}
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, OSError, ValueError) as error:
            raise WindrowError("bad_config", f"{self._folder / SPENT_NAME}: {error}") from error

    def _write(self, spent: dict[str, int]) -> None:
        body = msgspec.json.encode({export_id: str(price) for export_id, price in spent.items()})
        self._disk.write_durably(self._folder / SPENT_NAME, body)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
