"""The faults that mutants are made of, and the tree that Uniswap's distributor checks."""

from __future__ import annotations

import pytest

from bench.solidity.layered_tree import LayeredTree
from bench.solidity.mutations import mutants_of
from windrow_protocol.merkle import keccak256

SOURCE = """// a < b is no comparison here
import {X} from "./x.sol";

contract Small is X {
    uint256 public constant MAX = 5;
    event Set(uint256 value);

    struct Pair {
        uint256 left;
    }

    function set(uint256 value) external onlyOwner returns (uint256 sum) {
        if (value > MAX || !open) revert TooLarge(value); // MAX >= 5
        uint256 before = held;
        held += value;
        emit Set(value);
        return before + value;
    }
}
"""


def said() -> list[tuple[str, int, str, str]]:
    return [(m.operator, m.line, " ".join(m.before.split()), m.after) for m in mutants_of(SOURCE)]


def test_every_operator_finds_its_places_and_nothing_else() -> None:
    assert said() == [
        ("exchanged", 13, ">", ">="),
        ("exchanged", 13, ">", "<"),
        ("exchanged", 13, "||", "&&"),
        ("exchanged", 15, "+=", "-="),
        ("exchanged", 17, "+", "-"),
        ("negated", 13, "!", ""),
        ("unguarded", 12, "onlyOwner", ""),
        ("unchecked", 13, "if (value > MAX || !open) revert TooLarge(value);", ""),
        ("left out", 15, "held += value;", ""),
        ("left out", 16, "emit Set(value);", ""),
    ]


def test_each_mutant_differs_in_one_place_only() -> None:
    for mutant in mutants_of(SOURCE):
        start = next(i for i, (a, b) in enumerate(zip(SOURCE, mutant.source, strict=False)) if a != b)
        shared = len(SOURCE) - len(mutant.before) + len(mutant.after)
        assert len(mutant.source) == shared, mutant
        assert SOURCE.count("\n", 0, start) + 1 >= mutant.line
        assert mutant.source.startswith(SOURCE[:start])


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_each_proof_of_a_layered_tree_leads_to_its_root(count: int) -> None:
    leaves = [keccak256(bytes([number])) for number in range(count)]
    tree = LayeredTree(leaves)
    for index, node in enumerate(leaves):
        for sibling in tree.proof(index):
            node = keccak256(min(node, sibling) + max(node, sibling))
        assert node == tree.root
