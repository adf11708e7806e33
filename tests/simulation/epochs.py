"""Closing an epoch without a chain: fold the ledger, let the second implementation agree, publish the files durably.

The rows stand as a chain would have accepted them at once, so that the ledger's own checks hold each epoch against the
ledger and against the epoch before it.
"""

from __future__ import annotations

from rewards.epoch import NO_ROOT
from rewards.epoch_files import (
    HEADER,
    LEDGER,
    SIGNED,
    TREE,
    epoch_folder,
    header_bytes,
    ledger_bytes,
    sha256_hex,
    tree_bytes,
)
from rewards.epoch_rows import Epoch, insert_epoch, latest_accepted
from rewards.ledger import ASSET, balances, cumulative, last_entry
from rewards.recompute import recompute
from storage.house import House
from windrow_protocol.merkle import MerkleTree


def fold_epoch(house: House) -> Epoch | None:
    """Publish the next epoch, or return None when nothing changed since the last."""
    with house.state.read() as connection:
        previous = latest_accepted(connection)
        entry_seq, head = last_entry(connection)
        leaves = cumulative(balances(connection, ASSET, entry_seq))
        before = cumulative(balances(connection, ASSET, previous.entry_seq)) if previous else {}
        published = ledger_bytes(connection, entry_seq)
    if leaves == before:
        return None
    tree = MerkleTree.from_amounts(leaves)
    second = recompute(published.decode(), ASSET)
    assert (second.root, second.total, second.head) == (tree.root, tree.total, head), "the two folds disagree"
    epoch_id = previous.epoch_id + 1 if previous else 1
    header = {
        "epoch_id": epoch_id,
        "network": house.network,
        "entry_seq": entry_seq,
        "ledger_head": head,
        "root": tree.root,
        "total_wei": str(tree.total),
        "tree_sha256": sha256_hex(tree_bytes(tree)),
        "ledger_sha256": sha256_hex(published),
        "previous_root": previous.root if previous else NO_ROOT,
    }
    signed = house.sign("epoch", str(epoch_id), header)
    folder = epoch_folder(house.home, epoch_id)
    for name, data in (
        (TREE, tree_bytes(tree)),
        (LEDGER, published),
        (HEADER, header_bytes(header)),
        (SIGNED, signed.encode()),
    ):
        house.env.disk.write_durably(folder / name, data)
    epoch = Epoch(
        epoch_id=epoch_id,
        state="accepted",
        asset=ASSET,
        entry_seq=entry_seq,
        ledger_head=head,
        root=tree.root,
        total=tree.total,
        tree_sha256=str(header["tree_sha256"]),
        valid_at_s=0,
        closed_at_ms=house.now_ms(),
        header_jws=signed,
    )
    insert_epoch(house, epoch)
    return epoch
