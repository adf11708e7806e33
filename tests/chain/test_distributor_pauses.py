"""Pauses of the distributor: they end by themselves, cannot be chained, and roots may be replaced meanwhile."""

from __future__ import annotations

import pytest
from chain_lab import OWNER, House, RevertedError, raw32
from distributor_claims import ACCOUNTS, AMOUNTS, DAY_S, claim

from windrow_protocol.merkle import MerkleTree


def test_pause_ends_by_itself_after_seven_days(house: House, tree: MerkleTree) -> None:
    house.lab.send(OWNER, house.distributor, "pause")
    until_s = house.lab.now_s + 7 * DAY_S
    house.lab.now_s = until_s - 1
    with pytest.raises(RevertedError) as caught:
        claim(house, tree, ACCOUNTS[0])
    assert caught.value.said == f"ClaimsPaused({until_s})"
    house.lab.now_s += 1
    assert claim(house, tree, ACCOUNTS[0]) == AMOUNTS[ACCOUNTS[0]]


def test_pauses_cannot_be_chained_into_a_long_one(house: House, tree: MerkleTree) -> None:
    house.lab.send(OWNER, house.distributor, "pause")
    first_end_s = house.lab.now_s + 7 * DAY_S
    for at_s in (house.lab.now_s + 1, first_end_s - 1, first_end_s, first_end_s + 7 * DAY_S - 1):
        house.lab.now_s = at_s
        with pytest.raises(RevertedError, match=rf"PauseTooSoon\({first_end_s + 7 * DAY_S}\)"):
            house.lab.send(OWNER, house.distributor, "pause")
    house.lab.now_s += 1
    house.lab.send(OWNER, house.distributor, "pause")
    with pytest.raises(RevertedError, match="ClaimsPaused"):
        claim(house, tree, ACCOUNTS[0])


def test_pause_can_end_early_and_then_keeps_its_gap(house: House, tree: MerkleTree) -> None:
    house.lab.send(OWNER, house.distributor, "pause")
    house.lab.now_s += 10
    house.lab.send(OWNER, house.distributor, "resume")
    assert claim(house, tree, ACCOUNTS[0]) == AMOUNTS[ACCOUNTS[0]]
    with pytest.raises(RevertedError, match="PauseTooSoon"):
        house.lab.send(OWNER, house.distributor, "pause")
    ended_at_s = house.lab.now_s
    house.lab.now_s += 1_000
    house.lab.send(OWNER, house.distributor, "resume")  # resuming what is open must not move the gap
    assert house.lab.read(house.distributor, "pausedUntil") == ended_at_s


def test_roots_can_be_replaced_during_a_pause(house: House, tree: MerkleTree) -> None:
    house.lab.send(OWNER, house.distributor, "pause")
    until_s = house.lab.now_s + 7 * DAY_S
    mended = MerkleTree.from_amounts({ACCOUNTS[0]: tree.total})
    house.install(mended.root, mended.total)
    assert house.lab.read(house.distributor, "root") == raw32(mended.root)
    with pytest.raises(RevertedError) as caught:
        claim(house, mended, ACCOUNTS[0])
    assert caught.value.said == f"ClaimsPaused({until_s})"
    house.lab.now_s = until_s
    assert claim(house, mended, ACCOUNTS[0]) == tree.total
    assert house.lab.read(house.distributor, "pausedUntil") == until_s
    assert house.balance(house.distributor.address) == 0


@pytest.fixture
def mended(house: House, tree: MerkleTree) -> MerkleTree:
    """A root that replaced another during a pause."""
    house.lab.send(OWNER, house.distributor, "pause")
    found = MerkleTree.from_amounts({ACCOUNTS[0]: tree.total})
    house.install(found.root, found.total)
    return found


@pytest.mark.parametrize("ended", ["by itself", "early", "early, then by time"])
def test_what_a_pause_replaced_is_claimed_by_nobody_afterwards(
    house: House, tree: MerkleTree, mended: MerkleTree, ended: str
) -> None:
    if ended != "by itself":
        house.lab.send(OWNER, house.distributor, "resume")
    if ended != "early":
        house.lab.now_s += 7 * DAY_S
    for account in ACCOUNTS:
        with pytest.raises(RevertedError, match="InvalidProof"):
            claim(house, tree, account)
    assert claim(house, mended, ACCOUNTS[0]) == mended.total


def open_word(house: House) -> bytes:
    """What claims are checked against: they read this word alone, which is what a claim costs."""
    return house.lab.word(house.distributor, "_openRoot")


def test_claims_read_one_word_from_the_first_claim_after_a_pause(house: House, tree: MerkleTree) -> None:
    root = raw32(tree.root)
    assert open_word(house) == root
    house.lab.send(OWNER, house.distributor, "pause")
    assert open_word(house) == bytes(32)
    house.lab.now_s += 7 * DAY_S
    assert open_word(house) == bytes(32)
    claim(house, tree, ACCOUNTS[0])
    assert open_word(house) == root


def test_claims_read_one_word_from_the_end_of_a_pause_that_was_ended(
    house: House, mended: MerkleTree
) -> None:
    assert open_word(house) == bytes(32)
    house.lab.send(OWNER, house.distributor, "resume")
    assert open_word(house) == raw32(mended.root)


def test_a_root_that_is_accepted_when_a_pause_is_just_over_is_open(house: House, tree: MerkleTree) -> None:
    house.lab.send(OWNER, house.distributor, "pause")
    until_s = house.lab.now_s + 7 * DAY_S
    later = MerkleTree.from_amounts({ACCOUNTS[0]: tree.total})
    house.propose(later.root, later.total)
    house.lab.now_s = until_s
    house.accept(later.root)
    assert open_word(house) == raw32(later.root)
    assert claim(house, later, ACCOUNTS[0]) == later.total


def test_a_pause_before_the_first_root_opens_nothing(house: House) -> None:
    house.lab.send(OWNER, house.distributor, "pause")
    house.lab.now_s += 7 * DAY_S
    with pytest.raises(RevertedError, match="InvalidProof"):
        house.claim(ACCOUNTS[0], AMOUNTS[ACCOUNTS[0]], [])
