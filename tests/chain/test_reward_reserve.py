"""Money of the distributor: what is allotted comes out of its reserve, and claims can take no other."""

from __future__ import annotations

import pytest
from chain_lab import OWNER, RELAYER, STRANGER, TIMELOCK_S, House, Lab, RevertedError, raw32
from distributor_claims import ACCOUNTS, AMOUNTS, claim

from chain.abi import artifact
from windrow_protocol.merkle import MerkleTree


def test_accepting_needs_the_money(house: House) -> None:
    tree = MerkleTree.from_amounts(AMOUNTS)
    house.fund(tree.total - 1)
    house.propose(tree.root, tree.total)
    house.lab.now_s += TIMELOCK_S
    with pytest.raises(RevertedError) as caught:
        house.accept(tree.root)
    assert caught.value.said == f"Underfunded({tree.total}, {tree.total - 1})"
    house.fund(1)
    house.accept(tree.root)


def test_what_was_claimed_need_not_be_there_again(house: House, tree: MerkleTree) -> None:
    for account in ACCOUNTS:
        claim(house, tree, account)
    assert house.balance(house.distributor.address) == 0
    later = MerkleTree.from_amounts({**AMOUNTS, ACCOUNTS[0]: AMOUNTS[ACCOUNTS[0]] + 3})
    house.fund(3)
    house.install(later.root, later.total)
    assert claim(house, later, ACCOUNTS[0]) == 3


def test_accepting_takes_what_is_allotted_anew_and_leaves_the_rest(house: House, tree: MerkleTree) -> None:
    place = house.distributor.address
    assert (house.balance(place), house.balance(house.reserve)) == (tree.total, 0)
    claim(house, tree, ACCOUNTS[3])
    left = tree.total - AMOUNTS[ACCOUNTS[3]]
    house.fund(500)
    later = MerkleTree.from_amounts({**AMOUNTS, ACCOUNTS[0]: AMOUNTS[ACCOUNTS[0]] + 120})
    house.install(later.root, later.total)
    assert (house.balance(place), house.balance(house.reserve)) == (left + 120, 380)
    again = MerkleTree.from_amounts({**AMOUNTS, ACCOUNTS[1]: AMOUNTS[ACCOUNTS[1]] + 120})
    house.install(again.root, again.total)  # shared out otherwise, not more
    assert (house.balance(place), house.balance(house.reserve)) == (left + 120, 380)


def test_money_that_is_owed_to_others_funds_no_root(house: House, tree: MerkleTree) -> None:
    """Nobody has claimed yet, and somebody has sent the distributor as much again: neither is there to be allotted."""
    house.lab.send(OWNER, house.token, "mint", house.distributor.address, tree.total)
    later = MerkleTree.from_amounts({**AMOUNTS, ACCOUNTS[0]: AMOUNTS[ACCOUNTS[0]] + 1})
    house.propose(later.root, later.total)
    house.lab.now_s += TIMELOCK_S
    with pytest.raises(RevertedError) as caught:
        house.accept(later.root)
    assert caught.value.said == "Underfunded(1, 0)"


def test_leaves_that_exceed_the_declared_total_are_not_paid_from_the_reserve(house: House) -> None:
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 10, ACCOUNTS[1]: 10})
    house.fund(20)
    house.install(tree.root, 15)  # the owner declared less than the leaves sum to
    assert claim(house, tree, ACCOUNTS[0]) == 10
    with pytest.raises(RevertedError) as caught:
        claim(house, tree, ACCOUNTS[1])
    place = house.distributor.address.lower()
    assert caught.value.said == f"ERC20InsufficientBalance({place}, 5, 10)"
    assert house.lab.read(house.distributor, "claimed", ACCOUNTS[1]) == 0
    assert house.balance(house.reserve) == 5


@pytest.mark.parametrize("sender", [OWNER, STRANGER, RELAYER])
def test_the_reserve_gives_nobody_but_its_distributor(house: House, sender: str) -> None:
    house.fund(100)
    with pytest.raises(RevertedError) as caught:
        house.lab.send(sender, house.reserve_contract, "release", 1)
    assert caught.value.said == f"NotDistributor({sender.lower()})"
    assert house.lab.read(house.reserve_contract, "distributor") == house.distributor.address.lower()
    assert house.lab.read(house.reserve_contract, "token") == house.token.address.lower()


def test_the_reserve_can_do_nothing_else() -> None:
    changing = [e for e in artifact("RewardReserve").abi if e.get("stateMutability") == "nonpayable"]
    assert [(e["type"], e.get("name")) for e in changing] == [("constructor", None), ("function", "release")]


def house_of(token_name: str) -> House:
    """A distributor of another token than ours."""
    lab = Lab()
    token = lab.create(token_name)
    return House(lab, token, lab.create("RewardDistributor", token.address, TIMELOCK_S, OWNER), token)


def test_token_that_keeps_a_part_cannot_make_a_root_look_funded() -> None:
    house = house_of("FeeToken")
    house.lab.send(OWNER, house.token, "mint", STRANGER, 100)
    house.lab.send(STRANGER, house.token, "transfer", house.reserve, 100)
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 100})
    with pytest.raises(RevertedError, match=r"Underfunded\(100, 90\)"):
        house.install(tree.root, tree.total)


def test_token_that_keeps_a_part_on_the_way_out_of_the_reserve_is_noticed() -> None:
    house = house_of("FeeToken")
    house.fund(100)
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 100})
    with pytest.raises(RevertedError, match=r"Underfunded\(100, 90\)"):
        house.install(tree.root, tree.total)
    house.lab.send(OWNER, house.token, "setHonest", True)
    house.accept(tree.root)


def armed(house: House, tree: MerkleTree, account: str) -> None:
    """Let the token make a claim in the middle of its next transfer."""
    proof = [raw32(step) for step in tree.proof(account)]
    message = house.distributor.calls["claim"].encode((account, tree.amount(account), proof))
    house.lab.send(OWNER, house.token, "arm", house.distributor.address, message)


def test_token_that_calls_back_is_paid_from_once() -> None:
    house = house_of("ReentrantToken")
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 40, ACCOUNTS[1]: 60})
    house.fund(100)
    house.install(tree.root, tree.total)
    armed(house, tree, ACCOUNTS[0])
    assert claim(house, tree, ACCOUNTS[0]) == 40
    assert house.lab.read(house.token, "succeeded") is False
    assert RevertedError(house.lab.read(house.token, "answer")).name == "NothingToClaim"
    assert house.balance(ACCOUNTS[0]) == 40
    assert house.balance(house.distributor.address) == 60


def test_token_that_claims_while_a_root_is_accepted_undoes_the_acceptance() -> None:
    house = house_of("ReentrantToken")
    first, second = ({ACCOUNTS[0]: 40, ACCOUNTS[1]: 60}, {ACCOUNTS[0]: 50, ACCOUNTS[1]: 60})
    house.fund(110)
    house.install(MerkleTree.from_amounts(first).root, 100)
    later = MerkleTree.from_amounts(second)
    armed(house, later, ACCOUNTS[0])
    with pytest.raises(RevertedError, match=r"Underfunded\(110, 60\)"):
        house.install(later.root, later.total)
    assert house.balance(ACCOUNTS[0]) == 0
