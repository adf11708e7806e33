"""What each call says in its events, whole: whoever reads the chain alone must be able to follow the contracts."""

from __future__ import annotations

from typing import Any

import pytest
from chain_lab import (
    BUYER,
    OWNER,
    STRANGER,
    TIMELOCK_S,
    TREASURY,
    Contract,
    House,
    RevertedError,
    Sent,
    address,
    event_topic,
)
from eth_abi.abi import decode

from chain.abi import artifact
from windrow_protocol.merkle import MerkleTree

EXPORT, MANIFEST, TERMS = b"\xe1" * 32, b"\xaa" * 32, b"\x77" * 32
PRICE, ROYALTIES, DAY_S = 1_001, 800, 86_400
BURNED = PRICE * 500 // 10_000
NOBODY = "0x" + "00" * 20


def said(sent: Sent, contract: Contract) -> list[tuple[Any, ...]]:
    """The events of one contract as (name, argument, …), in the order of its source's arguments."""
    kinds = {}
    for entry in artifact(contract.name).abi:  # type: ignore[arg-type]
        if entry["type"] == "event":
            signature = f"{entry['name']}({','.join(one['type'] for one in entry['inputs'])})"
            kinds[event_topic(signature)] = entry
    found = []
    for event in sent.events:
        if event.emitter == contract.address:
            entry = kinds[event.topics[0]]
            indexed = iter(event.topics[1:])
            plain = iter(decode([one["type"] for one in entry["inputs"] if not one["indexed"]], event.data))
            values = [
                decode([one["type"]], next(indexed))[0] if one["indexed"] else next(plain)
                for one in entry["inputs"]
            ]
            found.append((entry["name"], *values))
    return found


@pytest.fixture
def market(house: House) -> House:
    house.lab.send(OWNER, house.token, "mint", BUYER, 10 * PRICE)
    house.lab.send(BUYER, house.token, "approve", house.market.address, 10 * PRICE)
    house.lab.send(OWNER, house.market, "list", EXPORT, MANIFEST, PRICE, 8_000, 500)
    return house


def test_offers_and_roles(house: House) -> None:
    def told(*call: Any) -> list[tuple[Any, ...]]:
        return said(house.lab.send(OWNER, house.market, *call), house.market)

    assert told("list", EXPORT, MANIFEST, PRICE, 8_000, 500) == [
        ("Listed", EXPORT, MANIFEST, PRICE, 8_000, 500)
    ]
    assert told("setOpen", EXPORT, False) == [("ListingChanged", EXPORT, False)]
    assert told("setTreasury", BUYER) == [("TreasuryChanged", TREASURY.lower(), BUYER.lower())]
    assert told("setSettler", NOBODY) == [("SettlerChanged", OWNER.lower(), NOBODY)]


def test_a_purchase_and_an_order_that_is_settled_and_one_that_is_given_back(market: House) -> None:
    lab, place, buyer = market.lab, market.market, BUYER.lower()

    def sold(number: int) -> tuple[Any, ...]:
        return (
            "Purchased",
            number,
            buyer,
            EXPORT,
            MANIFEST,
            PRICE,
            ROYALTIES,
            PRICE - ROYALTIES - BURNED,
            BURNED,
        )

    def ordered(number: int) -> tuple[Any, ...]:
        return ("Ordered", number, buyer, EXPORT, MANIFEST, PRICE, TERMS, lab.now_s + DAY_S)

    assert said(lab.send(BUYER, place, "buy", EXPORT), place) == [sold(1)]
    assert said(lab.send(BUYER, place, "order", EXPORT, TERMS), place) == [ordered(1)]
    assert said(lab.send(OWNER, place, "settle", 1), place) == [sold(2), ("Settled", 1, 2)]
    assert said(lab.send(BUYER, place, "order", EXPORT, TERMS), place) == [ordered(2)]
    assert said(lab.send(OWNER, place, "refund", 2), place) == [("Refunded", 2, buyer, PRICE)]


def test_a_root_from_its_proposal_to_a_claim(house: House) -> None:
    lab, place, account = house.lab, house.distributor, address(0x5001)
    tree = MerkleTree.from_amounts({account: 70, address(0x5002): 30})
    root, inputs = bytes.fromhex(tree.root[2:]), b"\x11" * 32

    def proposed(number: int) -> tuple[Any, ...]:
        return ("RootProposed", number, root, 100, inputs, lab.now_s + TIMELOCK_S)

    house.fund(100)
    assert said(lab.send(OWNER, place, "proposeRoot", root, 100, inputs), place) == [proposed(1)]
    lab.now_s += TIMELOCK_S
    again = said(lab.send(OWNER, place, "proposeRoot", root, 100, inputs), place)
    assert again == [("RootDropped", 1, root), proposed(2)]
    lab.now_s += TIMELOCK_S
    accepted = said(lab.send(OWNER, place, "acceptRoot", root), place)
    assert accepted == [("RootAccepted", 2, root, 100, inputs)]
    proof = [bytes.fromhex(step[2:]) for step in tree.proof(account)]
    claimed = lab.send(STRANGER, place, "claim", account, 70, proof)
    assert said(claimed, place) == [("Claimed", account.lower(), 70, 70)]
    assert said(claimed, house.token) == [("Transfer", place.address.lower(), account.lower(), 70)]


def test_pauses_the_timelock_and_the_minter(house: House) -> None:
    lab, place = house.lab, house.distributor
    paused = said(lab.send(OWNER, place, "pause"), place)
    assert paused == [("ClaimsPausedUntil", lab.now_s + 7 * DAY_S)]
    assert said(lab.send(OWNER, place, "resume"), place) == [("ClaimsResumed",)]
    longest = 30 * DAY_S
    raised = said(lab.send(OWNER, place, "raiseTimelock", longest), place)
    assert raised == [("TimelockRaised", TIMELOCK_S, longest)]
    named = said(lab.send(OWNER, house.token, "setMinter", BUYER), house.token)
    assert named == [("MinterChanged", OWNER.lower(), BUYER.lower())]


def test_the_longest_timelock_is_allowed_from_the_start_and_no_longer_one(house: House) -> None:
    lab, longest = house.lab, 30 * DAY_S
    made = lab.create("RewardDistributor", house.token.address, longest, OWNER)
    assert lab.read(made, "timelock") == longest
    with pytest.raises(RevertedError, match="BadTimelock"):
        lab.create("RewardDistributor", house.token.address, longest + 1, OWNER)
