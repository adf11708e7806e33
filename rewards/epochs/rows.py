"""The rows of the `epochs` table, as values.

Rules: the numbers of epochs are one sequence, and each epoch is of one asset. The row is written once, when the epoch
is frozen; afterwards only its state and the time of its proposal change, and only from the state they were read in.

Does not: know what the states mean; `rewards/epochs/closing.py` has the table of steps.

Usage: `epoch = latest_accepted(connection)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rewards.ledger import ASSET
from storage.house import House
from storage.tables.contributions import epochs
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import verify


@dataclass(frozen=True)
class Epoch:
    """One row of `epochs`. `total` is wei, `root` 0x and 64 hex digits, `valid_at_s` chain time."""

    epoch_id: int
    state: str
    asset: str
    entry_seq: int
    ledger_head: str
    root: str
    total: int
    tree_sha256: str
    valid_at_s: int | None
    closed_at_ms: int
    header_jws: str


def latest_accepted(connection: sa.Connection, asset: str = ASSET) -> Epoch | None:
    """Return the epoch that claims of an asset are checked against."""
    return _newest(connection, sa.and_(epochs.c.state == "accepted", epochs.c.asset == asset))


def epoch_of_id(connection: sa.Connection, epoch_id: int) -> Epoch:
    """Return one epoch. Raises WindrowError `not_found`."""
    epoch = _newest(connection, epochs.c.epoch_id == epoch_id)
    if epoch is None:
        raise WindrowError("not_found", f"epoch {epoch_id}")
    return epoch


def all_epochs(connection: sa.Connection, asset: str = "") -> list[Epoch]:
    """Return every epoch, or those of one asset, the newest first."""
    wanted = sa.select(epochs).order_by(epochs.c.epoch_id.desc())
    rows = connection.execute(wanted.where(epochs.c.asset == asset) if asset else wanted)
    return [Epoch(**row._mapping) for row in rows]


def newest_id(connection: sa.Connection) -> int:
    """Return the newest epoch's number, of whatever asset; 0 before the first."""
    return connection.execute(sa.select(sa.func.max(epochs.c.epoch_id))).scalar() or 0


def unfinished(connection: sa.Connection, asset: str = ASSET) -> Epoch | None:
    """Return an asset's epoch that is being closed, or that a kill left open."""
    return _newest(connection, sa.and_(epochs.c.state != "accepted", epochs.c.asset == asset))


def insert_epoch(house: House, epoch: Epoch) -> None:
    """Write a frozen epoch."""
    with house.state.write() as connection:
        connection.execute(sa.insert(epochs).values(**vars(epoch)))


def header_of(house: House, epoch: Epoch) -> dict[str, Any]:
    """Return the header that was signed when the epoch was frozen. Raises WindrowError `bad_signature`."""
    statement = verify(
        epoch.header_jws,
        signer=house.coordinator_id,
        network=house.network,
        purpose="epoch",
        subject=str(epoch.epoch_id),
        now_ms=max(house.now_ms(), epoch.closed_at_ms),
    )
    return dict(statement.content or {})


def move(house: House, epoch: Epoch, **columns: Any) -> Epoch:
    """Change columns of an epoch that is still in the state it was read in, and return it as it is then."""
    with house.state.write() as connection:
        row = epochs.c.epoch_id == epoch.epoch_id
        connection.execute(sa.update(epochs).where(row, epochs.c.state == epoch.state).values(**columns))
        return epoch_of_id(connection, epoch.epoch_id)


def _newest(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Epoch | None:
    statement = sa.select(epochs).where(condition).order_by(epochs.c.epoch_id.desc()).limit(1)
    row = connection.execute(statement).one_or_none()
    return Epoch(**row._mapping) if row else None
