"""The tree is OpenZeppelin's, its proofs cannot be bent, and no inner node passes for a leaf."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree, checksum_address, keccak256, verify_proof

accounts = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
amounts = st.dictionaries(accounts, st.integers(0, 2**256 - 1), min_size=1, max_size=40)


@given(amounts)
@settings(max_examples=60, deadline=None)
def test_every_leaf_proves_itself_and_nothing_else(table: dict[str, int]) -> None:
    tree = MerkleTree.from_amounts(table)
    for account, amount in table.items():
        proof = tree.proof(account)
        assert verify_proof(account, amount, proof, tree.root)
        assert not verify_proof(account, (amount + 1) % 2**256, proof, tree.root)
        assert not verify_proof(account, amount, [*proof, "0x" + "11" * 32], tree.root)


@given(amounts)
@settings(max_examples=40, deadline=None)
def test_dump_loads_again_and_a_changed_dump_does_not(table: dict[str, int]) -> None:
    dump = json.loads(json.dumps(MerkleTree.from_amounts(table).dump()))
    assert MerkleTree.load(dump).root == dump["tree"][0]
    dump["values"][0]["value"][1] = str((int(dump["values"][0]["value"][1]) + 1) % 2**256)
    with pytest.raises(WindrowError, match="bad_proof"):
        MerkleTree.load(dump)


def test_an_inner_node_is_not_a_leaf() -> None:
    tree = MerkleTree.from_amounts({"0x" + f"{i:040x}": i for i in range(1, 5)})
    left, right = sorted((tree.node(3), tree.node(4)))
    pair = left + right  # 64 bytes: the shape of abi.encode(address, uint256)
    assert keccak256(pair) == tree.node(1)
    amount = int.from_bytes(pair[32:], "big")
    assert not verify_proof("0x" + pair[12:32].hex(), amount, ["0x" + tree.node(2).hex()], tree.root)


def test_one_account_has_one_leaf() -> None:
    account = checksum_address("0x52908400098527886e0f7030069857d2e4169ee7")
    with pytest.raises(ValueError, match="two spellings"):
        MerkleTree.from_amounts({account: 1, account.lower(): 2})


def test_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(WindrowError, match="bad_payout_address"):
        checksum_address("0x52908400098527886E0F7030069857D2E4169Ee7")


def test_the_library_and_we_hash_the_same_strings() -> None:
    """The vectors' leaves are strings; their trees check the shape and the order of hashing that we use."""
    folder = real_data("evm_vectors") / "openzeppelin_merkle"
    dump = json.loads((folder / "standard-v1.sorted.1_0_6.json").read_text())
    nodes = [bytes.fromhex(node[2:]) for node in dump["tree"]]
    for i in range(len(nodes) // 2):
        left, right = sorted((nodes[2 * i + 1], nodes[2 * i + 2]))
        assert nodes[i] == keccak256(left + right)
    indices = [row["treeIndex"] for row in dump["values"]]
    hashes = sorted(nodes[i] for i in indices)
    assert [nodes[len(nodes) - 1 - i] for i in range(len(hashes))] == hashes


def test_proofs_of_the_single_hash_format_are_refused() -> None:
    folder = real_data("evm_vectors") / "morpho_cumulative"
    proofs = json.loads((folder / "age1-epoch1.proofs.json").read_text())
    root = proofs["root"]
    some = list(proofs["proofs"].items())[:200]
    assert some
    for account, row in some:
        assert not verify_proof(account, int(row["amount"]), row["proof"], root)
