"""The file of standing orders: what was placed, cancelled, bought and refused, one line each, only ever appended to.

Rules: every line is on the disk before anything follows from it. What is open and what is held is a fold of the lines.
A line that a kill cut off is no line. One command at a time works on the file; a second one is told so and ends, since
cron may start it again before the first is done.

Does not: evaluate orders, or hold what may be spent.

Usage::

    with OrderFile(folder, disk).alone() as file:
        number = file.place(order, now_ms)
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from storage.env import Disk
from windrow.standing.orders import Held, StandingOrder
from windrow_protocol.amounts import OWN_ASSET
from windrow_protocol.errors import WindrowError

FILE_NAME: Final = "standing.ndjson"
LOCK_NAME: Final = "standing.lock"


class Placed(msgspec.Struct, frozen=True, tag="placed", forbid_unknown_fields=True):
    """An order stands from now on."""

    number: int
    order: StandingOrder
    at_ms: int


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled", forbid_unknown_fields=True):
    """An order stands no more."""

    number: int
    at_ms: int


class Bought(msgspec.Struct, frozen=True, tag="bought", forbid_unknown_fields=True):
    """A version came to be held under an order.

    `paid_wei` is what the sale cost, whoever asked for it first: in wei, or in the smallest unit of another `asset`.
    """

    number: int
    version: str
    export_id: str
    rows: int
    languages: dict[str, int]
    paid_wei: str
    tx: str
    at_ms: int
    asset: str = OWN_ASSET


class Refused(msgspec.Struct, frozen=True, tag="refused", forbid_unknown_fields=True):
    """The terms of an order did not hold for a version, and its price came back."""

    number: int
    export_id: str
    detail: str
    at_ms: int


Line = Placed | Cancelled | Bought | Refused


@dataclass
class Orders:
    """The fold: orders that stand, by number; what each holds; and the exports whose terms did not hold."""

    placed: int = 0
    standing: dict[int, StandingOrder] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)
    refused: dict[int, set[str]] = field(default_factory=dict)

    def read(self, line: Line) -> None:
        """Take one line into account."""
        match line:
            case Placed():
                self.placed = max(self.placed, line.number)
                self.standing[line.number] = line.order
            case Cancelled():
                self.standing.pop(line.number, None)
            case Bought():
                self.held[line.number] = Held(line.version, line.rows, line.languages)
            case Refused():
                self.refused.setdefault(line.number, set()).add(line.export_id)


class OrderFile:
    """The file in one folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._path = folder / FILE_NAME

    @contextmanager
    def alone(self) -> Iterator[OrderFile]:
        """Keep every other command off the file. Raises WindrowError `order_file_busy` while one is at work."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield self
        except BlockingIOError as error:
            raise WindrowError("order_file_busy", str(self._path)) from error
        finally:
            os.close(descriptor)

    def orders(self) -> Orders:
        """Return what stands. Raises WindrowError `bad_config` when a whole line cannot be read."""
        orders = Orders()
        for at, body in enumerate(self._whole().splitlines(), 1):
            try:
                orders.read(msgspec.json.decode(body, type=Line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise WindrowError("bad_config", f"{self._path}, line {at}: {error}"[:300]) from error
        return orders

    def place(self, order: StandingOrder, now_ms: int) -> int:
        """Append an order and return its number."""
        number = self.orders().placed + 1
        self.append(Placed(number, order, now_ms))
        return number

    def cancel(self, number: int, now_ms: int) -> None:
        """Append that an order stands no more. Raises WindrowError `not_found`."""
        if number not in self.orders().standing:
            raise WindrowError("not_found", f"no order {number} stands")
        self.append(Cancelled(number, now_ms))

    def append(self, line: Line) -> None:
        """Write a line; it is on the disk when this returns."""
        file = self._disk.open_append(self._path, len(self._whole()))
        try:
            file.append(msgspec.json.encode(line) + b"\n")
            file.sync()
        finally:
            file.close()

    def _whole(self) -> bytes:
        """Return the whole lines."""
        try:
            body = self._path.read_bytes()
        except FileNotFoundError:
            return b""
        return body[: body.rfind(b"\n") + 1]
