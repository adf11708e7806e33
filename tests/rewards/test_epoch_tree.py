"""The compiled tree is the plain one, hash by hash, and refuses what that refuses."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rewards.epochs import tree as tree_building
from rewards.epochs.tree import compiled_tree, epoch_tree
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TREE_COMPILED_LEAVES_MIN
from windrow_protocol.merkle import UINT256_MAX, MerkleTree, checksum_address, leaf_hash, verify_proof

ADDRESSES = st.integers(0, 2**160 - 1).map(lambda number: f"0x{number:040x}")
AMOUNTS = st.dictionaries(ADDRESSES, st.integers(0, UINT256_MAX), min_size=1, max_size=40)
MIXED = checksum_address("0x" + "ab" * 20)


@settings(max_examples=60, deadline=None)
@given(amounts=AMOUNTS)
@example(amounts={"0x" + "00" * 20: 0})
@example(amounts={f"0x{number:040x}": 1 for number in range(17)})
def test_the_compiled_tree_is_the_plain_tree(amounts: dict[str, int]) -> None:
    assert compiled_tree(amounts) == MerkleTree.from_amounts(amounts)


@pytest.mark.parametrize("spelling", [MIXED, MIXED.lower(), "0x" + MIXED[2:].upper()])
def test_every_spelling_is_taken_and_one_is_kept(spelling: str) -> None:
    assert compiled_tree({spelling: 7}) == MerkleTree.from_amounts({spelling: 7})
    assert compiled_tree({spelling: 7}).leaves[0][0] == MIXED


@pytest.mark.parametrize(
    "amounts",
    [
        {"0x" + "ab" * 19 + "aB": 1},
        {"0x" + "ab" * 19: 1},
        {"0x" + "ab" * 19 + "g0": 1},
        {"0x" + "ab" * 19 + "  ": 1},
        {"1x" + "ab" * 20: 1},
        {"0x" + "٠" * 40: 1},
        {MIXED: -1},
        {MIXED: UINT256_MAX + 1},
        {MIXED: 1, MIXED.lower(): 2},
        {},
    ],
)
def test_what_the_plain_builder_refuses_is_refused_alike(amounts: dict[str, int]) -> None:
    with pytest.raises((ValueError, WindrowError)) as plain:
        MerkleTree.from_amounts(amounts)
    with pytest.raises((ValueError, WindrowError)) as compiled:
        compiled_tree(amounts)
    assert type(compiled.value) is type(plain.value)


def test_a_large_tree_goes_by_the_kernels_and_its_proofs_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = random.Random(7)
    amounts = {
        f"0x{drawn.getrandbits(160):040x}": drawn.randrange(10**24) for _ in range(TREE_COMPILED_LEAVES_MIN)
    }
    with monkeypatch.context() as without:
        without.setattr(MerkleTree, "from_amounts", None)  # it is not asked
        tree = epoch_tree(amounts)
    assert tree.total == sum(amounts.values())
    for account in list(amounts)[:50]:
        assert verify_proof(account, amounts[account], tree.proof(account), tree.root)


def test_a_tree_takes_no_object_for_each_leaf_or_node() -> None:
    """Objects took some 570 bytes a leaf at the most, and 900 MB for a million claims (500 are asked)."""
    drawn, leaves = random.Random(8), 60_000
    amounts = {f"0x{drawn.getrandbits(160):040x}": drawn.randrange(10**24) for _ in range(leaves)}
    compiled_tree({MIXED: 1})  # the kernels are loaded
    tracemalloc.start()
    try:
        tree = compiled_tree(amounts)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tree.size == 2 * leaves - 1
    assert kept <= 125 * leaves
    assert most <= 250 * leaves


def test_leaves_whose_hashes_begin_alike_are_ordered_by_the_rest() -> None:
    drawn = random.Random(9)
    hashes = [bytes(8) + bytes([drawn.randrange(3)]) * 8 + drawn.randbytes(16) for _ in range(200)]
    hashes += [drawn.randbytes(32) for _ in range(200)]
    order = tree_building._largest_first(np.frombuffer(b"".join(hashes), dtype=np.uint64).reshape(-1, 4))
    assert [hashes[number] for number in order] == sorted(hashes, reverse=True)


def test_accounts_all_spelled_well_give_the_tree_of_any_other_spelling() -> None:
    drawn = random.Random(10)
    small = {f"0x{drawn.getrandbits(160):040x}": drawn.randrange(10**24) for _ in range(300)}
    spelled = {checksum_address(account): amount for account, amount in small.items()}
    mixed = {**dict(list(spelled.items())[:150]), **dict(list(small.items())[150:])}
    assert MerkleTree.from_amounts(spelled) == MerkleTree.from_amounts(small)
    assert MerkleTree.from_amounts(mixed) == MerkleTree.from_amounts(small) == compiled_tree(mixed)
    account = next(iter(spelled))
    wrong = account[:2] + account[2:].swapcase()
    with pytest.raises(WindrowError, match="wrong checksum"):
        MerkleTree.from_amounts({**spelled, wrong: 1})


@settings(max_examples=40, deadline=None)
@given(amounts=AMOUNTS, stranger=ADDRESSES)
def test_packed_leaves_are_found_and_others_are_not(amounts: dict[str, int], stranger: str) -> None:
    tree = MerkleTree.from_amounts(amounts)
    spelled = sorted((checksum_address(account), amount) for account, amount in amounts.items())
    assert [(account, amount) for account, amount, _ in tree.leaves] == spelled
    assert [tree.leaves[-1], *tree.leaves[:-1]] == [tree.leaves[len(spelled) - 1], *list(tree.leaves)[:-1]]
    for account, amount, place in tree.leaves:
        assert tree.node(place) == leaf_hash(account, amount)
        assert tree.amount(account.lower()) == tree.amount(account) == amount
    for account in {stranger, "0x", "", "0x\udcff" + "a" * 39, "0x" + "f" * 40, "0x" + "0" * 40} - set(
        amounts
    ):
        with pytest.raises(WindrowError, match=r"not_found|bad_payout_address"):
            tree.proof(account)
