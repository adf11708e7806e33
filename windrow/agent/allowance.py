"""What an agent may spend: a limit for each asset, what was spent of it, and a switch that ends all buying.

Rules: what a purchase costs is written down, durably, before anything is paid, and taken back only when it is certain
that nothing was; so a kill in between can make the agent poorer and never richer. One purchase at a time, also among
several servers over one folder. A file named `STOP` beside the list ends all buying until its owner removes it. Each
asset has a limit of its own, in its own smallest unit, and one without a limit is never spent: nothing is converted,
and no word of a market's about decimals changes what may be spent. The list keeps amounts as decimal strings under
`SYMBOL/export`, the symbol first because the export's name is a market's word.

Does not: hold the key (give it no more money than the limit: then not even a mistake here can spend more), or pay.

Usage::

    with Allowance(folder, {"WIND": limit_wei}, disk).purchase(export_id, price_wei):
        pay()
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from storage.env import Disk
from windrow_protocol.amounts import OWN_ASSET, units_text
from windrow_protocol.errors import WindrowError

SPENT_NAME: Final = "spent.json"
STOP_NAME: Final = "STOP"
# Refusals of the chain itself before anything was paid, or after it has seen all of the price go back. No word of the
# market's own is among them.
_NOTHING_PAID: Final = frozenset({"chain_rejected", "terms_not_met", "too_many_tries"})


_LIMIT: Final = re.compile(r"([A-Za-z0-9.]{1,16})=([0-9]{1,38})")


def parse_limits(limit_wei: str, limit_units: Sequence[str] = ()) -> dict[str, int]:
    """Return the limit of each asset from what the command was given: wei, and `USDC=2500000` for each other asset.

    Raises WindrowError `bad_config`.
    """
    if not limit_wei.isascii() or not limit_wei.isdigit() or len(limit_wei) > 38:
        raise WindrowError("bad_config", f"--limit-wei {limit_wei}: it is a whole number of wei"[:200])
    limits = {OWN_ASSET: int(limit_wei)}
    for each in limit_units:
        found = _LIMIT.fullmatch(each)
        if found is None or found[1] in limits:
            how = (
                "it is SYMBOL=N once for each other asset, N in its smallest unit (USDC=2500000 is 2.5 USDC)"
            )
            raise WindrowError("bad_config", f"--limit-units {each}: {how}"[:200])
        limits[found[1]] = int(found[2])
    return limits


class Allowance:
    """The limits over one folder, by symbol; an asset without one may not be spent."""

    def __init__(self, folder: Path, limits: Mapping[str, int], disk: Disk) -> None:
        self._folder = folder
        self._limits = dict(limits)
        self._disk = disk

    def spent(self, asset: str = OWN_ASSET) -> int:
        """What was spent of an asset, or may have been. Raises WindrowError `bad_config`: the list cannot be read."""
        return sum(units for name, units in self._spent().items() if _asset_of(name) == asset)

    def left(self, asset: str = OWN_ASSET) -> int:
        """What may still be spent of an asset, in its smallest unit."""
        return max(0, self._limits.get(asset, 0) - self.spent(asset))

    def require_open(self) -> None:
        """Raise WindrowError `agent_stopped` when the owner has ended all buying."""
        stop = self._folder / STOP_NAME
        if stop.exists():
            raise WindrowError("agent_stopped", str(stop))

    @contextmanager
    def purchase(self, export_id: str, price: int, asset: str = OWN_ASSET) -> Iterator[None]:
        """Reserve a price while the block pays it; what the chain shows as bought needs no such block.

        `price` is in the smallest unit of `asset`.
        A price that was reserved and never paid, because of a kill, stays counted. Raises WindrowError `agent_stopped`
        or `spend_limit`, and whatever the block raises.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with _alone(self._folder / "lock"):
            self.require_open()
            spent = self._spent()
            left = self.left(asset)
            if price < 0 or price > left:
                costs, has = units_text(price, asset), units_text(left, asset)
                raise WindrowError("spend_limit", f"it costs {costs}, {has} are left")
            name = f"{asset}/{export_id}"
            self._write(spent | {name: spent.get(name, 0) + price})
            try:
                yield
            except WindrowError as error:
                if error.code in _NOTHING_PAID:
                    self._write(spent)
                raise

    def _spent(self) -> dict[str, int]:
        try:
            found = msgspec.json.decode((self._folder / SPENT_NAME).read_bytes(), type=dict[str, str])
            return {name: int(price) for name, price in found.items()}
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, OSError, ValueError) as error:
            raise WindrowError("bad_config", f"{self._folder / SPENT_NAME}: {error}") from error

    def _write(self, spent: dict[str, int]) -> None:
        body = msgspec.json.encode({name: str(price) for name, price in spent.items()})
        self._disk.write_durably(self._folder / SPENT_NAME, body)


def _asset_of(name: str) -> str:
    """The asset of a line of the list; earlier versions knew one asset and wrote the export alone."""
    symbol, slash, _ = name.partition("/")
    return symbol if slash else OWN_ASSET


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
