"""What is no claim: forged paths, inner nodes, other leaf formats, pairs read as leaves."""

from __future__ import annotations

import json

import pytest
from chain_lab import House, RevertedError
from distributor_claims import ACCOUNTS, AMOUNTS, WIND, claim
from real_data import real_data

from chain.abi import NAMES, artifact
from windrow_protocol.merkle import MerkleTree, keccak256, leaf_hash


@pytest.mark.parametrize(("steps", "works"), [(64, True), (65, False)])
def test_proof_has_at_most_64_steps(house: House, steps: int, works: bool) -> None:
    """An honest path of any length: only its length decides."""
    proof = [keccak256(bytes([n])) for n in range(steps)]
    node = leaf_hash(ACCOUNTS[0], WIND)
    for step in proof:
        node = keccak256(min(node, step) + max(node, step))
    house.fund(WIND)
    house.install("0x" + node.hex(), WIND)
    given = ["0x" + step.hex() for step in proof]
    if works:
        assert house.claim(ACCOUNTS[0], WIND, given) == WIND
        return
    with pytest.raises(RevertedError, match="InvalidProof"):
        house.claim(ACCOUNTS[0], WIND, given)


def test_nothing_can_be_claimed_before_a_root(house: House) -> None:
    tree = MerkleTree.from_amounts(AMOUNTS)
    house.fund(tree.total)
    with pytest.raises(RevertedError, match="InvalidProof"):
        claim(house, tree, ACCOUNTS[0])


def test_inner_node_is_no_leaf(house: House, tree: MerkleTree) -> None:
    """Two children read as (address, amount), with the proof of their parent: a single hash would let it through."""
    size = tree.size
    for index in range(size // 2):
        left, right = sorted((tree.node(2 * index + 1), tree.node(2 * index + 2)))
        proof, at = [], index
        while at > 0:
            proof.append("0x" + tree.node(at + 1 if at % 2 else at - 1).hex())
            at = (at - 1) // 2
        with pytest.raises(RevertedError, match="InvalidProof"):
            house.claim("0x" + left[12:].hex(), int.from_bytes(right, "big"), proof)


def test_forged_pair_that_a_single_hash_would_accept_is_refused(house: House) -> None:
    """The owner is talked into a root whose preimage is exactly abi.encode(account, amount)."""
    account, amount = ACCOUNTS[0], 5 * WIND
    encoded = bytes(12) + raw32_address(account) + amount.to_bytes(32, "big")
    house.fund(amount)
    house.install("0x" + keccak256(encoded).hex(), amount)
    with pytest.raises(RevertedError, match="InvalidProof"):
        house.claim(account, amount, [])


def raw32_address(account: str) -> bytes:
    return bytes.fromhex(account[2:])


def test_only_single_proofs_exist() -> None:
    lists = [
        entry["name"]
        for entry in artifact("RewardDistributor").abi
        if entry["type"] == "function" and any(one["type"].endswith("]") for one in entry["inputs"])
    ]
    assert lists == ["claim"]


def test_no_contract_knows_the_transaction_origin_or_runs_foreign_code() -> None:
    forbidden = {0x32: "ORIGIN", 0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xFF: "SELFDESTRUCT"}
    for name in NAMES:
        assert not {forbidden[code] for code in opcodes(artifact(name).bytecode) if code in forbidden}, name


def opcodes(code: bytes) -> list[int]:
    found, at = [], 0
    while at < len(code):
        found.append(code[at])
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)
    return found


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_proofs_of_the_other_leaf_format_are_rejected(house: House, epoch: int) -> None:
    """Real epochs with leaves keccak(address ‖ uint256), hashed once: the root is honest, the proofs are not ours."""
    folder = real_data("evm_vectors") / "morpho_cumulative"
    content = json.loads((folder / f"age1-epoch{epoch}.proofs.json").read_text())
    total = int(content["total"])
    house.fund(total)
    house.install(content["root"], total)
    claims = list(content["proofs"].items())
    for account, entry in claims[:: max(1, len(claims) // 12)]:
        with pytest.raises(RevertedError, match="InvalidProof"):
            house.claim(account, int(entry["amount"]), entry["proof"])
