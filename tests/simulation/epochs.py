"""Closing an epoch without a chain: the product's own freeze and files, accepted as soon as they lie there.

A kill between the two leaves a frozen row, which the next call goes on with, as `close_epoch` does.
"""

from __future__ import annotations

from rewards.epochs.freezing import NO_ROOT, OnChain, freeze, publish
from rewards.epochs.rows import Epoch, latest_accepted, move, unfinished
from storage.house import House
from windrow_protocol.errors import WindrowError

CHAIN_ID = 0
NOWHERE = "0x" + "00" * 20


def fold_epoch(house: House) -> Epoch | None:
    """Publish the next epoch, or finish the one that a kill left open; None when nothing changed since the last."""
    with house.state.read() as connection:
        begun, last = unfinished(connection), latest_accepted(connection)
    root = last.root if last else NO_ROOT
    try:
        epoch = begun or freeze(house, lambda: OnChain(root, CHAIN_ID, NOWHERE, NOWHERE))
    except WindrowError as error:
        if error.code != "nothing_to_settle":
            raise
        return None
    return move(house, publish(house, epoch) if epoch.state == "frozen" else epoch, state="accepted")
