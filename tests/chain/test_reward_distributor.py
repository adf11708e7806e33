"""The distributor contract against every hazard that audits of such contracts found."""

from __future__ import annotations

import json

import pytest
from chain_lab import (
    OWNER,
    RELAYER,
    STRANGER,
    TIMELOCK_S,
    House,
    RevertedError,
    decoded,
    event_topic,
    raw32,
)
from distributor_claims import ACCOUNTS, AMOUNTS, DAY_S, WIND, claim
from real_data import real_data

from windrow_protocol.merkle import MerkleTree


def test_anyone_may_claim_and_only_the_named_account_is_paid(house: House, tree: MerkleTree) -> None:
    account = ACCOUNTS[2]
    assert claim(house, tree, account, sender=RELAYER) == AMOUNTS[account]
    assert house.balance(account) == AMOUNTS[account]
    assert house.balance(RELAYER) == 0
    assert house.lab.read(house.distributor, "claimed", account) == AMOUNTS[account]


def test_claim_says_what_it_paid_in_its_event(house: House, tree: MerkleTree) -> None:
    account = ACCOUNTS[0]
    proof = [raw32(step) for step in tree.proof(account)]
    sent = house.lab.send(STRANGER, house.distributor, "claim", account, AMOUNTS[account], proof)
    event = next(e for e in sent.events if e.topics[0] == event_topic("Claimed(address,uint256,uint256)"))
    assert event.topics[1][12:].hex() == account[2:].lower()
    assert decoded(event, "uint256", "uint256") == (AMOUNTS[account], AMOUNTS[account])


def test_equal_amount_claims_nothing_and_says_so(house: House, tree: MerkleTree) -> None:
    account = ACCOUNTS[1]
    claim(house, tree, account)
    with pytest.raises(RevertedError) as caught:
        claim(house, tree, account)
    assert caught.value.said == f"NothingToClaim({account.lower()}, {AMOUNTS[account]})"


def test_later_epoch_pays_only_the_difference(house: House, tree: MerkleTree) -> None:
    account = ACCOUNTS[1]
    claim(house, tree, account)
    later = MerkleTree.from_amounts({**AMOUNTS, account: AMOUNTS[account] + 7})
    house.fund(7)
    house.install(later.root, later.total)
    assert claim(house, later, account) == 7
    assert house.balance(account) == AMOUNTS[account] + 7


def test_lower_amount_than_claimed_pays_nothing(house: House, tree: MerkleTree) -> None:
    account = ACCOUNTS[4]
    claim(house, tree, account)
    lower = MerkleTree.from_amounts({**AMOUNTS, account: 1, ACCOUNTS[0]: 100 * WIND})
    house.fund(100 * WIND)
    house.install(lower.root, lower.total)
    with pytest.raises(RevertedError, match="NothingToClaim"):
        claim(house, lower, account)


def test_root_needs_its_delay(house: House) -> None:
    tree = MerkleTree.from_amounts(AMOUNTS)
    house.fund(tree.total)
    proposed_at_s = house.lab.now_s
    house.propose(tree.root, tree.total)
    house.lab.now_s = proposed_at_s + TIMELOCK_S - 1
    with pytest.raises(RevertedError) as caught:
        house.accept(tree.root)
    assert caught.value.said == f"TooEarly({proposed_at_s + TIMELOCK_S})"
    house.lab.now_s += 1
    house.accept(tree.root)
    assert house.lab.read(house.distributor, "root") == raw32(tree.root)


def test_valid_at_is_kept_in_the_proposal(house: House) -> None:
    tree = MerkleTree.from_amounts(AMOUNTS)
    house.fund(tree.total)
    house.propose(tree.root, tree.total)
    house.lab.send(OWNER, house.distributor, "raiseTimelock", 20 * DAY_S)
    house.lab.now_s += TIMELOCK_S
    house.accept(tree.root)
    house.propose("0x" + "11" * 32, tree.total)
    assert house.lab.read(house.distributor, "pending")[4] == house.lab.now_s + 20 * DAY_S


@pytest.mark.parametrize("given", [0, 1, TIMELOCK_S, 30 * DAY_S + 1])
def test_timelock_can_only_be_raised_and_is_bounded(house: House, given: int) -> None:
    with pytest.raises(RevertedError, match=r"BadTimelock"):
        house.lab.send(OWNER, house.distributor, "raiseTimelock", given)


@pytest.mark.parametrize("given", [0, 30 * DAY_S + 1])
def test_distributor_without_a_sane_delay_cannot_be_created(house: House, given: int) -> None:
    with pytest.raises(RevertedError, match=r"BadTimelock"):
        house.lab.create("RewardDistributor", house.token.address, given, OWNER)


def test_distributor_of_no_token_cannot_be_created(house: House) -> None:
    with pytest.raises(RevertedError, match=r"BadToken"):
        house.lab.create("RewardDistributor", STRANGER, 60, OWNER)


def test_no_second_proposal_inside_the_window(house: House) -> None:
    tree = MerkleTree.from_amounts(AMOUNTS)
    house.propose(tree.root, tree.total)
    valid_at_s = house.lab.now_s + TIMELOCK_S
    house.lab.now_s = valid_at_s - 1
    with pytest.raises(RevertedError) as caught:
        house.propose("0x" + "11" * 32, tree.total)
    assert caught.value.said == f"ProposalOpen(1, {valid_at_s})"
    with pytest.raises(RevertedError, match="ProposalOpen"):
        house.propose(tree.root, tree.total)  # the same again would restart the window
    assert house.lab.read(house.distributor, "pending")[0] == raw32(tree.root)


def test_unaccepted_proposal_is_dropped_visibly_after_its_window(house: House) -> None:
    house.propose("0x" + "11" * 32, 5)
    house.lab.now_s += TIMELOCK_S
    sent = house.propose("0x" + "22" * 32, 5)
    assert sent.events[0].topics == (
        event_topic("RootDropped(uint64,bytes32)"),
        (1).to_bytes(32, "big"),
        b"\x11" * 32,
    )
    with pytest.raises(RevertedError, match="NotThisProposal"):
        house.accept("0x" + "11" * 32)


def test_totals_never_fall(house: House, tree: MerkleTree) -> None:
    with pytest.raises(RevertedError) as caught:
        house.propose("0x" + "33" * 32, tree.total - 1)
    assert caught.value.said == f"TotalDecreased({tree.total - 1}, {tree.total})"


def test_empty_root_and_missing_proposal_are_refused(house: House) -> None:
    with pytest.raises(RevertedError, match="EmptyRoot"):
        house.propose("0x" + "00" * 32, 1)
    with pytest.raises(RevertedError, match="NoProposal"):
        house.accept("0x" + "11" * 32)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("proposeRoot", (b"\x11" * 32, 1, bytes(32))),
        ("acceptRoot", (b"\x11" * 32,)),
        ("pause", ()),
        ("resume", ()),
        ("raiseTimelock", (DAY_S,)),
        ("transferOwnership", (STRANGER,)),
        ("renounceOwnership", ()),
    ],
)
def test_only_the_owner_decides(house: House, function: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(RevertedError, match=r"OwnableUnauthorizedAccount"):
        house.lab.send(STRANGER, house.distributor, function, *arguments)


def test_owner_hands_over_in_two_steps_and_never_walks_away(house: House) -> None:
    with pytest.raises(RevertedError, match="OwnerRequired"):
        house.lab.send(OWNER, house.distributor, "renounceOwnership")
    house.lab.send(OWNER, house.distributor, "transferOwnership", STRANGER)
    assert house.lab.read(house.distributor, "owner").lower() == OWNER.lower()
    with pytest.raises(RevertedError, match="OwnableUnauthorizedAccount"):
        house.lab.send(RELAYER, house.distributor, "acceptOwnership")
    house.lab.send(STRANGER, house.distributor, "acceptOwnership")
    assert house.lab.read(house.distributor, "owner").lower() == STRANGER.lower()


@pytest.mark.parametrize("epoch", [1, 3])
def test_real_cumulative_epoch_in_our_format_pays_every_sampled_account(house: House, epoch: int) -> None:
    folder = real_data("evm_vectors") / "morpho_cumulative"
    content = json.loads((folder / f"age1-epoch{epoch}.proofs.json").read_text())
    tree = MerkleTree.from_amounts({a: int(entry["amount"]) for a, entry in content["proofs"].items()})
    house.fund(tree.total)
    house.install(tree.root, tree.total)
    for account, amount, _ in tree.leaves[:: max(1, len(tree.leaves) // 12)]:
        assert house.claim(account, amount, tree.proof(account)) == amount
        assert house.balance(account) == amount
