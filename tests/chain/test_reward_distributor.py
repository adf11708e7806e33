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
    Lab,
    RevertedError,
    address,
    decoded,
    event_topic,
    raw32,
)
from real_data import real_data

from chain.abi import artifact
from windrow_protocol.merkle import MerkleTree, keccak256, leaf_hash

DAY_S = 86_400
WIND = 10**18
ACCOUNTS = [address(0x1000 + n) for n in range(5)]
AMOUNTS = {account: (place + 1) * WIND + place for place, account in enumerate(ACCOUNTS)}


@pytest.fixture
def tree(house: House) -> MerkleTree:
    """A funded, accepted tree of five accounts."""
    found = MerkleTree.from_amounts(AMOUNTS)
    house.fund(found.total)
    house.install(found.root, found.total)
    return found


def claim(house: House, tree: MerkleTree, account: str, sender: str = STRANGER) -> int:
    return house.claim(account, tree.amount(account), tree.proof(account), sender)


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


def test_totals_never_fall(house: House, tree: MerkleTree) -> None:
    with pytest.raises(RevertedError) as caught:
        house.propose("0x" + "33" * 32, tree.total - 1)
    assert caught.value.said == f"TotalDecreased({tree.total - 1}, {tree.total})"


def test_a_total_that_no_word_holds_beside_the_pause_is_refused(house: House) -> None:
    with pytest.raises(RevertedError) as caught:
        house.propose("0x" + "33" * 32, 2**192)
    assert caught.value.said == f"TotalTooLarge({2**192}, {2**192 - 1})"
    house.propose("0x" + "33" * 32, 2**192 - 1)


def test_empty_root_and_missing_proposal_are_refused(house: House) -> None:
    with pytest.raises(RevertedError, match="EmptyRoot"):
        house.propose("0x" + "00" * 32, 1)
    with pytest.raises(RevertedError, match="NoProposal"):
        house.accept("0x" + "11" * 32)


def test_leaves_that_exceed_the_declared_total_are_not_paid_from_others_money(house: House) -> None:
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 10, ACCOUNTS[1]: 10})
    house.fund(20)
    house.install(tree.root, 15)  # the owner declared less than the leaves sum to
    assert claim(house, tree, ACCOUNTS[0]) == 10
    with pytest.raises(RevertedError) as caught:
        claim(house, tree, ACCOUNTS[1])
    assert caught.value.said == "AllocationExceeded(20, 15)"


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
    with pytest.raises(RevertedError) as caught:  # what is left to claim lies in the same word as the pause
        claim(house, mended, ACCOUNTS[0])
    assert caught.value.said == f"ClaimsPaused({until_s})"
    house.lab.now_s = until_s
    assert claim(house, mended, ACCOUNTS[0]) == tree.total
    assert house.lab.read(house.distributor, "pausedUntil") == until_s
    assert house.lab.read(house.distributor, "totalClaimed") == tree.total


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
    for name in ("WindToken", "RewardDistributor", "DatasetMarket"):
        assert not {forbidden[code] for code in opcodes(artifact(name).bytecode) if code in forbidden}, name


def opcodes(code: bytes) -> list[int]:
    found, at = [], 0
    while at < len(code):
        found.append(code[at])
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)
    return found


def test_fee_on_transfer_token_cannot_make_a_root_look_funded() -> None:
    lab = Lab()
    token = lab.create("FeeToken")
    house = House(lab, token, lab.create("RewardDistributor", token.address, TIMELOCK_S, OWNER), token)
    lab.send(OWNER, token, "mint", STRANGER, 100)
    lab.send(STRANGER, token, "transfer", house.distributor.address, 100)
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 100})
    with pytest.raises(RevertedError, match=r"Underfunded\(100, 90\)"):
        house.install(tree.root, tree.total)


def test_token_that_calls_back_is_paid_from_once() -> None:
    lab = Lab()
    token = lab.create("ReentrantToken")
    house = House(lab, token, lab.create("RewardDistributor", token.address, TIMELOCK_S, OWNER), token)
    tree = MerkleTree.from_amounts({ACCOUNTS[0]: 40, ACCOUNTS[1]: 60})
    lab.send(OWNER, token, "mint", house.distributor.address, 100)
    house.install(tree.root, tree.total)
    proof = [raw32(step) for step in tree.proof(ACCOUNTS[0])]
    again = house.distributor.calls["claim"].encode((ACCOUNTS[0], 40, proof))
    lab.send(OWNER, token, "arm", house.distributor.address, again)
    assert claim(house, tree, ACCOUNTS[0]) == 40
    assert lab.read(token, "succeeded") is False
    assert RevertedError(lab.read(token, "answer")).name == "NothingToClaim"
    assert house.balance(ACCOUNTS[0]) == 40
    assert lab.read(house.distributor, "totalClaimed") == 40


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
