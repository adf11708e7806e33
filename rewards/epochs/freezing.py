"""The first two steps of closing an epoch, which need no chain: the frozen row, and the files it promises.

Rules: everything that can be checked is checked before the row is written; what is published is what was frozen, byte
for byte, and is read back and judged by the second implementation. Publishing again changes nothing. The simulation
closes its epochs with these functions too.

Does not: propose, accept, or decide when an epoch is due (`epoch`).

Usage: `epoch = publish(house, freeze(house, look))`.

Source: docs/protocol.md, "Ledger, epochs, settlement".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final

import sqlalchemy as sa

from rewards.epochs.files import (
    HEADER,
    LEDGER,
    SIGNED,
    TERMS,
    TREE,
    epoch_folder,
    header_bytes,
    ledger_bytes,
    read_tree,
    sha256_hex,
    terms_bytes,
    tree_bytes,
)
from rewards.epochs.recompute import recompute
from rewards.epochs.recompute_prices import price_differences
from rewards.epochs.rows import Epoch, header_of, insert_epoch, latest_accepted, move, newest_id
from rewards.epochs.tree import epoch_tree
from rewards.ledger import ASSET, balances, cumulative, last_entry
from rewards.ledger_checks import verify_ledger
from storage.house import House
from windrow_protocol.errors import WindrowError

NO_ROOT: Final = "0x" + "00" * 32


@dataclass(frozen=True, slots=True)
class OnChain:
    """Where an epoch is settled: the root that claims are checked against now, and the addresses."""

    root: str
    chain_id: int
    distributor: str
    token: str


def freeze(house: House, look: Callable[[], OnChain], asset: str = ASSET) -> Epoch:
    """Fix entry, amounts, root and header in one row, after everything that can be checked was checked.

    `look` says what the chain holds. Raises WindrowError `nothing_to_settle`, `leaf_falls`, `unbalanced`,
    `folds_disagree`, `root_differs`, and what `look` raises.
    """
    with house.state.read() as connection:
        previous, epoch_id = latest_accepted(connection, asset), newest_id(connection) + 1
        entry_seq, head = last_entry(connection)
        leaves = cumulative(balances(connection, asset, entry_seq))
        before = cumulative(balances(connection, asset, previous.entry_seq)) if previous else {}
        if leaves == before:
            raise WindrowError(
                "nothing_to_settle", f"epoch {previous.epoch_id} pays it all" if previous else ""
            )
        _require_monotone(before, leaves)
        _require_intact(connection)
        published, terms = ledger_bytes(connection, entry_seq), terms_bytes(connection, entry_seq)
    _require_priced(published, terms)
    tree = epoch_tree(leaves)
    _require_agreement(published, asset, tree.root, tree.total, head)
    previous_root, on_chain = previous.root if previous else NO_ROOT, look()
    _require_same_chain(on_chain, previous_root)
    closed_at_ms = house.now_ms()
    header = {
        "epoch_id": epoch_id,
        "network": house.network,
        "asset": asset,
        "entry_seq": entry_seq,
        "ledger_head": head,
        "root": tree.root,
        "total_wei": str(tree.total),
        "tree_sha256": sha256_hex(tree_bytes(tree)),
        "ledger_sha256": sha256_hex(published),
        "economics_sha256": sha256_hex(terms),
        "previous_root": previous_root,
        "chain_id": on_chain.chain_id,
        "distributor": on_chain.distributor,
        "token": on_chain.token,
        "closed_at_ms": closed_at_ms,
    }
    epoch = Epoch(
        epoch_id=epoch_id,
        state="frozen",
        asset=asset,
        entry_seq=entry_seq,
        ledger_head=head,
        root=tree.root,
        total=tree.total,
        tree_sha256=str(header["tree_sha256"]),
        valid_at_s=None,
        closed_at_ms=closed_at_ms,
        header_jws=house.sign("epoch", str(epoch_id), header),
    )
    insert_epoch(house, epoch)
    return epoch


def publish(house: House, epoch: Epoch) -> Epoch:
    """Write the files, read them back, and let the second implementation judge what lies there.

    Raises WindrowError `unbalanced`, `folds_disagree`, or what reading raises.
    """
    header = header_of(house, epoch)
    with house.state.read() as connection:
        tree = epoch_tree(cumulative(balances(connection, epoch.asset, epoch.entry_seq)))
        published, terms = ledger_bytes(connection, epoch.entry_seq), terms_bytes(connection, epoch.entry_seq)
    if (tree.root, sha256_hex(published)) != (epoch.root, header["ledger_sha256"]):
        raise WindrowError(
            "unbalanced", f"the ledger up to entry {epoch.entry_seq} changed after it was frozen"
        )
    folder = epoch_folder(house.home, epoch.epoch_id)
    house.env.disk.write_durably(folder / TREE, tree_bytes(tree))
    house.env.disk.write_durably(folder / LEDGER, published)
    if header.get("economics_sha256") == sha256_hex(terms):  # not of an epoch frozen by an earlier version
        house.env.disk.write_durably(folder / TERMS, terms)
    house.env.disk.write_durably(folder / HEADER, header_bytes(header))
    house.env.disk.write_durably(folder / SIGNED, epoch.header_jws.encode())
    read_back = house.env.disk.read_range(folder / LEDGER, 0, len(published))
    _require_agreement(read_back, epoch.asset, epoch.root, epoch.total, epoch.ledger_head)
    read_tree(house.home, epoch.epoch_id, epoch.tree_sha256)
    return move(house, epoch, state="published")


def _require_intact(connection: sa.Connection) -> None:
    problems = verify_ledger(connection)
    if problems:
        found = "; ".join(str(problem) for problem in problems[:3])
        raise WindrowError("unbalanced", f"{len(problems)} problems: {found}")


def _require_monotone(before: dict[str, int], leaves: dict[str, int]) -> None:
    for account, amount in before.items():
        if leaves.get(account, 0) < amount:
            raise WindrowError("leaf_falls", f"{account}: {leaves.get(account, 0)} after {amount}")


def _require_agreement(published: bytes, asset: str, root: str, total: int, head: str) -> None:
    second = recompute(published.decode(), asset)
    if (second.root, second.total, second.head) != (root, total, head):
        raise WindrowError(
            "folds_disagree", f"{root} with {total} here, {second.root} with {second.total} there"
        )


def _require_priced(published: bytes, terms: bytes) -> None:
    found = list(islice(price_differences(published.decode(), terms.decode()), 3))
    if found:
        raise WindrowError("folds_disagree", "; ".join(found))


def _require_same_chain(on_chain: OnChain, previous_root: str) -> None:
    if on_chain.root != previous_root:
        raise WindrowError("root_differs", f"{on_chain.root} on chain, {previous_root} here")
