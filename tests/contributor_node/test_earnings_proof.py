"""What is owed is believed only when a signed root and a proof show it; the smallest change shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings

from contributor_node.coordinator.earnings_proof import check_proof
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree
from windrow_protocol.signing import public_id, sign

KEY, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NETWORK, NOW_MS = "windrow-test", 1_800_000_000_000
ACCOUNTS = ["0x" + f"{n:040x}" for n in range(1, 8)]
AMOUNTS = {account: 10**18 * n for n, account in enumerate(ACCOUNTS, 1)}
TREE = MerkleTree.from_amounts(AMOUNTS)
OTHER = MerkleTree.from_amounts(dict.fromkeys(ACCOUNTS, 10**30))
Answer = dict[str, Any]


def epoch_jws(
    root: str,
    *,
    key: Ed25519PrivateKey = KEY,
    epoch_id: int = 3,
    purpose: str = "epoch",
    network: str = NETWORK,
) -> str:
    content = {"epoch_id": epoch_id, "asset": "WIND", "root": root}
    return sign(key, network=network, purpose=purpose, subject=str(epoch_id), now_ms=NOW_MS, content=content)


def answer(account: str = ACCOUNTS[2], tree: MerkleTree = TREE) -> Answer:
    return {
        "epoch_id": 3,
        "account": account,
        "amount_wei": str(tree.amount(account)),
        "proof": tree.proof(account),
        "root": tree.root,
        "epoch_jws": epoch_jws(tree.root),
    }


def check(said: Any, payout: str = ACCOUNTS[2]) -> int:
    return check_proof(said, payout, coordinator_id=public_id(KEY), network=NETWORK, now_ms=NOW_MS).amount_wei


@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_the_tree_owes_is_what_is_believed(account: str) -> None:
    assert check(answer(account), account) == AMOUNTS[account]
    assert check(answer(account), account.upper().replace("0X", "0x")) == AMOUNTS[account]


CHANGES: dict[str, Callable[[Answer], Answer]] = {
    "another amount": lambda a: {**a, "amount_wei": str(int(a["amount_wei"]) + 1)},
    "a negative amount": lambda a: {**a, "amount_wei": "-1"},
    "an endless amount": lambda a: {**a, "amount_wei": "9" * 5_000},
    "an infinite amount": lambda a: {**a, "amount_wei": float("inf")},
    "no number": lambda a: {**a, "amount_wei": "many"},
    "another account's proof": lambda a: {**answer(ACCOUNTS[3]), "account": a["account"]},
    "another account": lambda a: answer(ACCOUNTS[3]),
    "no account": lambda a: {**a, "account": "0x12"},
    "a shorter proof": lambda a: {**a, "proof": a["proof"][:-1]},
    "a longer proof": lambda a: {**a, "proof": [*a["proof"], a["proof"][0]]},
    "a proof in another order": lambda a: {**a, "proof": a["proof"][::-1]},
    "a proof of numbers": lambda a: {**a, "proof": [1, 2]},
    "a proof that is no list": lambda a: {**a, "proof": 7},
    "an endless proof": lambda a: {**a, "proof": a["proof"] * 1_000},
    "another tree under the signed root": lambda a: {**answer(tree=OTHER), "epoch_jws": a["epoch_jws"]},
    "another signed root": lambda a: {**a, "epoch_jws": epoch_jws(OTHER.root)},
    "a root that is none": lambda a: {**a, "epoch_jws": epoch_jws("0x12")},
    "no proof": lambda a: {name: value for name, value in a.items() if name != "proof"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_anything_else_is_a_bad_proof(change: str) -> None:
    with pytest.raises(WindrowError, match="bad_proof"):
        check(CHANGES[change](answer()))


FORGED = {
    "bad_signature: another key": epoch_jws(OTHER.root, key=STRANGER),
    "bad_signature: another epoch": epoch_jws(OTHER.root, epoch_id=4),
    "bad_signature: bent": epoch_jws(OTHER.root)[:-4] + "AAAA",
    "wrong_purpose": epoch_jws(OTHER.root, purpose="receipt"),
    "wrong_network": epoch_jws(OTHER.root, network="elsewhere"),
    "unsigned": "",
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_root_that_the_pinned_coordinator_did_not_sign_owes_nothing(forgery: str) -> None:
    with pytest.raises(WindrowError, match=forgery.partition(":")[0]):
        check({**answer(tree=OTHER), "epoch_jws": FORGED[forgery]})


def test_the_root_named_beside_the_signature_counts_for_nothing() -> None:
    assert check({**answer(), "root": OTHER.root}) == AMOUNTS[ACCOUNTS[2]]


@pytest.mark.parametrize("said", [{}, [], None, "text", 7])
def test_an_answer_of_another_shape_is_a_bad_proof(said: Any) -> None:
    with pytest.raises(WindrowError, match="bad_proof"):
        check(said)


@settings(max_examples=100, deadline=None)
@given(
    amounts=st.dictionaries(st.integers(1, 2**160 - 1), st.integers(0, 2**255), min_size=1, max_size=12),
    data=st.data(),
)
def test_a_proof_shows_its_own_leaf_and_no_other(amounts: dict[int, int], data: st.DataObject) -> None:
    tree = MerkleTree.from_amounts({f"0x{account:040x}": amount for account, amount in amounts.items()})
    account = data.draw(st.sampled_from([leaf[0] for leaf in tree.leaves]))
    said = {
        **answer(),
        "account": account,
        "amount_wei": str(tree.amount(account)),
        "proof": tree.proof(account),
    }
    said["epoch_jws"] = epoch_jws(tree.root)
    assert check(said, account) == tree.amount(account)
    wrong = data.draw(st.integers(0, 2**256 - 1).filter(lambda amount: amount != tree.amount(account)))
    with pytest.raises(WindrowError, match="bad_proof"):
        check({**said, "amount_wei": str(wrong)}, account)
