"""Invariants of the distributor over random trees, epochs, claims and forgeries."""

from __future__ import annotations

from typing import Any

import pytest
from chain_lab import House, RevertedError, address, raw32
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windrow_protocol.merkle import MerkleTree, verify_proof

ACCOUNTS = [address(0x5000 + n) for n in range(6)]
GROWTH = st.dictionaries(st.sampled_from(ACCOUNTS), st.integers(0, 10**24), min_size=1)
EPOCHS = st.lists(st.tuples(GROWTH, st.lists(st.sampled_from(ACCOUNTS), max_size=6)), min_size=1, max_size=4)
CHECKED = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def contracts() -> House:
    return House.build()


def claimed(house: House, account: str) -> int:
    return int(house.lab.read(house.distributor, "claimed", account))


@CHECKED
@given(epochs=EPOCHS)
def test_claims_pay_the_difference_and_never_more_than_was_funded(
    contracts: House, epochs: list[Any]
) -> None:
    house, cumulative, funded = contracts, dict.fromkeys(ACCOUNTS, 0), 0
    with house.lab.undone():
        for growth, claimants in epochs:
            for account, more in growth.items():
                cumulative[account] += more
            tree = MerkleTree.from_amounts(cumulative)
            house.fund(tree.total - funded)
            funded = tree.total
            house.install(tree.root, tree.total)
            for account in claimants:
                before = claimed(house, account)
                due = cumulative[account] - before
                if due == 0:
                    with pytest.raises(RevertedError, match="NothingToClaim"):
                        house.claim(account, cumulative[account], tree.proof(account))
                else:
                    assert house.claim(account, cumulative[account], tree.proof(account)) == due
                assert claimed(house, account) == cumulative[account] >= before
                assert house.balance(account) == cumulative[account]
        paid = sum(claimed(house, account) for account in ACCOUNTS)
        assert paid <= funded
        assert house.balance(house.distributor.address) == funded - paid


@CHECKED
@given(
    amounts=st.dictionaries(st.sampled_from(ACCOUNTS), st.integers(1, 2**128), min_size=2),
    place=st.integers(0, 5),
    kind=st.sampled_from(
        ["amount", "account", "flip", "drop", "extra", "swap", "parent", "empty", "sibling_as_leaf"]
    ),
    bit=st.integers(0, 255),
)
def test_only_a_well_formed_path_gives_a_right(
    contracts: House, amounts: dict[str, int], place: int, kind: str, bit: int
) -> None:
    house = contracts
    tree = MerkleTree.from_amounts(amounts)
    account, amount, _ = tree.leaves[place % len(tree.leaves)]
    forged_account, forged_amount, proof = forge(kind, account, amount, tree.proof(account), bit, tree)
    with house.lab.undone():
        house.fund(2 * tree.total + 2**130)
        house.install(tree.root, tree.total)
        honest = verify_proof(forged_account, forged_amount, proof, tree.root)
        if honest:  # reversing a path of one step, for example, changes nothing
            assert house.claim(forged_account, forged_amount, proof) == forged_amount
            return
        with pytest.raises(RevertedError, match="InvalidProof"):
            house.claim(forged_account, forged_amount, proof)
        assert house.claim(account, amount, tree.proof(account)) == amount


def forge(
    kind: str, account: str, amount: int, proof: list[str], bit: int, tree: MerkleTree
) -> tuple[str, int, list[str]]:
    if kind == "amount":
        return account, amount ^ (1 << (bit % 129)), proof
    if kind == "account":
        return "0x" + f"{int(account, 16) ^ (1 << (bit % 160)):040x}", amount, proof
    if kind == "flip":
        step = int(proof[bit % len(proof)], 16) ^ (1 << bit)
        return account, amount, [*proof[: bit % len(proof)], f"0x{step:064x}", *proof[bit % len(proof) + 1 :]]
    if kind == "drop":
        return account, amount, proof[:-1]
    if kind == "extra":
        return account, amount, [*proof, tree.root]
    if kind == "swap":
        return account, amount, proof[::-1]
    if kind == "parent":
        return account, amount, proof[1:]
    if kind == "sibling_as_leaf":
        sibling = raw32(proof[0])
        return "0x" + sibling[12:].hex(), int.from_bytes(sibling, "big"), proof[1:]
    return account, amount, []
