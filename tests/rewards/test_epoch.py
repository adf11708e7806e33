"""Closing an epoch on a real chain: one root whatever is killed, monotone leaves, nothing twice."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
import sqlalchemy as sa
from rewards_cases import Settled, close, earn, leaves_of, node_id, payout

from chain.client import ChainClient
from chain.deploy import DeployTerms
from rewards.epochs.closing import close_epoch
from rewards.epochs.files import NAMES, epoch_folder, read_tree
from rewards.epochs.recompute import recompute
from rewards.epochs.rows import all_epochs
from rewards.ledger import Transfer, post
from rewards.ledger_checks import verify_ledger
from storage.tables.contributions import epochs, ledger
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree, verify_proof
from windrow_protocol.signing import verify


async def test_an_epoch_is_frozen_published_funded_and_accepted(settled: Settled) -> None:
    earn(settled.house, 1, 12)
    leaves = leaves_of(settled.house)
    before_ms = settled.clock.now_ms()
    epoch = await close(settled)
    distributor = settled.chain.distributor
    assert epoch.state == "accepted"
    assert epoch.root == distributor.root() == MerkleTree.from_amounts(leaves).root
    assert epoch.total == sum(leaves.values()) == distributor.total_allocated()
    assert settled.chain.token.balance_of(distributor.address) == epoch.total
    assert settled.clock.now_ms() - before_ms >= (distributor.timelock_s() - 1) * 1000
    with settled.house.state.read() as connection:
        assert verify_ledger(connection) == []


async def test_the_published_files_prove_the_epoch_to_a_stranger(settled: Settled) -> None:
    earn(settled.house, 1, 12)
    epoch = await close(settled)
    folder = epoch_folder(settled.house.home, 1)
    assert sorted(file.name for file in folder.iterdir()) == sorted(NAMES)
    header = json.loads((folder / "epoch.json").read_text())
    signed = verify(
        (folder / "epoch.jws").read_text(),
        signer=settled.house.coordinator_id,
        network="windrow-test",
        purpose="epoch",
        subject="1",
        now_ms=settled.clock.now_ms(),
    )
    assert signed.content == header
    second = recompute((folder / "ledger.ndjson").read_text(), "WIND")
    assert (second.root, str(second.total), second.head) == (
        header["root"],
        header["total_wei"],
        header["ledger_head"],
    )
    assert second.entries == header["entry_seq"]
    assert header["chain_id"] == settled.chain.chain_id
    assert header["distributor"] == settled.chain.deployment.distributor
    assert header["previous_root"] == "0x" + "00" * 32
    tree = MerkleTree.load(json.loads((folder / "tree.json").read_text()))
    for account, amount in leaves_of(settled.house).items():
        assert verify_proof(account, amount, tree.proof(account), epoch.root)
    waiting = settled.chain.distributor.accepted_roots(0, settled.chain.head())
    assert [accepted.inputs_hash for accepted in waiting] == ["0x" + header["ledger_sha256"]]


async def test_with_nothing_new_nothing_is_closed(settled: Settled) -> None:
    with pytest.raises(WindrowError, match="nothing_to_settle"):
        await close(settled)
    assert not (settled.house.home / "epochs").exists()
    earn(settled.house, 1, 3)
    await close(settled)
    head = settled.chain.head()
    with pytest.raises(WindrowError, match="nothing_to_settle"):
        await close(settled)
    with settled.house.state.read() as connection:
        assert [epoch.epoch_id for epoch in all_epochs(connection)] == [1]
    assert settled.chain.head() == head


async def test_leaves_only_grow_and_only_the_difference_is_minted(settled: Settled) -> None:
    seen: dict[str, int] = {}
    previous = "0x" + "00" * 32
    for round_number in range(3):
        earn(settled.house, 1 + round_number * 4, 4)
        epoch = await close(settled)
        tree = read_tree(settled.house.home, epoch.epoch_id, epoch.tree_sha256)
        for account, amount in seen.items():
            assert tree.amount(account) >= amount
        seen = {account: amount for account, amount, _ in tree.leaves}
        header = json.loads((epoch_folder(settled.house.home, epoch.epoch_id) / "epoch.json").read_text())
        assert header["previous_root"] == previous
        previous = epoch.root
        assert settled.chain.token.total_supply() == epoch.total


async def test_royalties_on_the_distributor_are_not_minted_again(settled: Settled) -> None:
    earn(settled.house, 1, 3)
    settled.chain.token.mint(settled.signers.minter, settled.chain.distributor.reserve, 1_000)
    epoch = await close(settled)
    assert settled.chain.token.total_supply() == epoch.total


async def test_two_calls_at_once_close_once(settled: Settled) -> None:
    earn(settled.house, 1, 4)
    both = await asyncio.gather(close(settled), close(settled), return_exceptions=True)
    errors = [one for one in both if isinstance(one, WindrowError)]
    assert [error.code for error in errors] == ["epoch_closing"]
    assert settled.chain.token.total_supply() == sum(leaves_of(settled.house).values())


async def test_a_ledger_that_was_changed_is_not_settled(settled: Settled) -> None:
    earn(settled.house, 1, 4)
    with settled.house.state.write() as connection:
        connection.execute(sa.update(ledger).where(ledger.c.entry_seq == 2).values(amount=10**24))
    with pytest.raises(WindrowError, match="unbalanced"):
        await close(settled)
    assert settled.chain.distributor.pending() is None


async def test_money_that_came_from_nowhere_is_not_settled(settled: Settled) -> None:
    """Every head is right and both folds agree, yet the account that paid was empty."""
    earn(settled.house, 1, 4)
    with settled.house.state.write() as connection:
        post(
            connection, [Transfer(f"pending:{node_id(1)}", f"posted:{payout(1)}", 5, "x", "r", "released", 1)]
        )
    with pytest.raises(WindrowError, match="nothing_overdrawn"):
        await close(settled)
    assert settled.chain.distributor.pending() is None


async def test_a_leaf_that_would_fall_stops_the_epoch(settled: Settled) -> None:
    earn(settled.house, 1, 5)
    await close(settled)
    with settled.house.state.write() as connection:
        back = Transfer(f"posted:{payout(1)}", f"pending:{node_id(1)}", 1, "x1", "fix", "released", 1)
        post(connection, [back])
    with pytest.raises(WindrowError, match="leaf_falls"):
        await close(settled)


async def test_another_chain_than_the_one_settled_on_is_refused(settled: Settled, devnet_url: str) -> None:
    earn(settled.house, 1, 5)
    await close(settled)
    earn(settled.house, 6, 5)
    other = ChainClient.connect(devnet_url, settled.chain.chain_id)
    terms = DeployTerms("another network", "0x" + "98" * 20, 1, minter=settled.signers.minter.address)
    other.deploy(settled.signers.owner, terms)
    with pytest.raises(WindrowError, match="root_differs"):
        await close_epoch(settled.house, other, settled.signers)
    with settled.house.state.read() as connection:
        assert len(all_epochs(connection)) == 1


async def test_checks_notice_a_changed_epoch(settled: Settled) -> None:
    earn(settled.house, 1, 5)
    epoch = await close(settled)
    for change in ({"root": "0x" + "11" * 32}, {"total": epoch.total + 1}, {"ledger_head": "0" * 64}):
        with settled.house.state.write() as connection:
            connection.execute(sa.update(epochs).values(**change))
            assert {problem.check for problem in verify_ledger(connection)} == {"epochs_follow"}
            connection.execute(
                sa.update(epochs).values(root=epoch.root, total=epoch.total, ledger_head=epoch.ledger_head)
            )
            assert verify_ledger(connection) == []


async def test_a_changed_tree_file_is_not_believed(settled: Settled) -> None:
    earn(settled.house, 1, 5)
    epoch = await close(settled)
    path = epoch_folder(settled.house.home, 1) / "tree.json"
    path.write_bytes(path.read_bytes().replace(b"standard-v1", b"standard-v2"))
    moved = settled.house.home / "elsewhere"
    shutil.move(settled.house.home / "epochs", moved / "epochs")
    with pytest.raises(WindrowError, match="bad_proof"):
        read_tree(moved, epoch.epoch_id, epoch.tree_sha256)
