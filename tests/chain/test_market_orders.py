"""Orders under terms and signed transfers in the market contract: money waits, and leaves once."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from chain_lab import (
    BUYER,
    CHAIN_ID,
    OWNER,
    STRANGER,
    TREASURY,
    House,
    Lab,
    RevertedError,
    decoded,
    event_topic,
)
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.typed_data import Authorization, TokenDomain, cancel_authorization, transfer_authorization

EXPORT, MANIFEST, TERMS, NONCE = b"\xe1" * 32, b"\xaa" * 32, b"\x77" * 32, b"\x51" * 32
PRICE, ROYALTIES, BURN_BPS = 1_000_001, 800_000, 1_500
BURNED = PRICE * BURN_BPS // 10_000
FEES = PRICE - ROYALTIES - BURNED
DAY_S = 86_400
TRANSFER = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"
CANCEL = "cancelAuthorization(address,bytes32,bytes)"


@pytest.fixture
def market(house: House) -> House:
    house.lab.send(OWNER, house.market, "list", EXPORT, MANIFEST, PRICE, 8_000, BURN_BPS)
    for buyer in (BUYER, STRANGER):
        house.lab.send(OWNER, house.token, "mint", buyer, 10 * PRICE)
        house.lab.send(buyer, house.token, "approve", house.market.address, 10 * PRICE)
    return house


def ordered(market: House, buyer: str = BUYER) -> int:
    return int.from_bytes(market.lab.send(buyer, market.market, "order", EXPORT, TERMS).output, "big")


def balances(market: House) -> tuple[int, ...]:
    places = (BUYER, market.market.address, market.reserve, TREASURY)
    return tuple(market.balance(place) for place in places)


def supply(market: House) -> int:
    return int(market.lab.read(market.token, "totalSupply"))


def refused(market: House, reason: str, sender: str, function: str, *arguments: Any) -> None:
    before = balances(market)
    with pytest.raises(RevertedError, match=reason):
        market.lab.send(sender, market.market, function, *arguments)
    assert balances(market) == before


def test_the_price_of_an_order_waits_in_the_market(market: House) -> None:
    order = ordered(market)
    assert balances(market) == (9 * PRICE, PRICE, 0, 0)
    assert supply(market) == 20 * PRICE, "nothing is burned of what may go back"
    assert market.lab.read(market.market, "heldTotal") == PRICE
    buyer, until_s, export, terms, price = market.lab.read(market.market, "orders", order)
    assert (buyer.lower(), export, terms, price) == (BUYER.lower(), EXPORT, TERMS, PRICE)
    assert until_s == market.lab.now_s + DAY_S


@pytest.mark.parametrize("sender", [OWNER, BUYER])
def test_a_settled_order_is_a_sale_like_any_other(market: House, sender: str) -> None:
    sent = market.lab.send(sender, market.market, "settle", ordered(market))
    topic = event_topic("Purchased(uint256,address,bytes32,bytes32,uint256,uint256,uint256,uint256)")
    event = next(e for e in sent.events if e.topics[0] == topic)
    assert event.topics[2][12:].hex() == BUYER[2:].lower()
    assert decoded(event, "bytes32", *["uint256"] * 4) == (MANIFEST, PRICE, ROYALTIES, FEES, BURNED)
    assert balances(market) == (9 * PRICE, 0, ROYALTIES, FEES)
    assert market.lab.read(market.market, "heldTotal") == 0
    assert supply(market) == 20 * PRICE - BURNED


def test_a_refund_gives_back_exactly_the_price(market: House) -> None:
    market.lab.send(OWNER, market.market, "refund", ordered(market))
    assert balances(market) == (10 * PRICE, 0, 0, 0)
    assert supply(market) == 20 * PRICE, "what was no sale burns nothing"
    assert market.lab.read(market.market, "saleCount") == 0


def test_an_order_ends_once(market: House) -> None:
    for end in ("settle", "refund"):
        order = ordered(market)
        market.lab.send(OWNER, market.market, end, order)
        for again in ("settle", "refund"):
            refused(market, "NoOrder", OWNER, again, order)
    refused(market, "NoOrder", OWNER, "settle", 99)


def test_nobody_judged_it_for_a_day_so_anyone_may_have_it_given_back(market: House) -> None:
    order = ordered(market)
    for early in (BUYER, STRANGER):
        refused(market, "TooEarly", early, "refund", order)
    refused(market, "NotSettler", STRANGER, "settle", order)
    market.lab.now_s += DAY_S
    for late in (OWNER, BUYER):
        refused(market, "TooLate", late, "settle", order)
    market.lab.send(STRANGER, market.market, "refund", order)
    assert balances(market) == (10 * PRICE, 0, 0, 0)


def test_a_listing_closed_meanwhile_can_only_be_refunded(market: House) -> None:
    order = ordered(market)
    market.lab.send(OWNER, market.market, "setOpen", EXPORT, False)
    refused(market, "ListingClosed", OWNER, "settle", order)
    refused(market, "ListingClosed", BUYER, "order", EXPORT, TERMS)
    market.lab.send(OWNER, market.market, "refund", order)
    assert balances(market) == (10 * PRICE, 0, 0, 0)


def test_the_owner_names_the_settler(market: House) -> None:
    order = ordered(market)
    refused(market, "OwnableUnauthorizedAccount", STRANGER, "setSettler", STRANGER)
    market.lab.send(OWNER, market.market, "setSettler", STRANGER)
    refused(market, "NotSettler", OWNER, "settle", order)
    refused(market, "TooEarly", OWNER, "refund", order)
    market.lab.send(STRANGER, market.market, "settle", order)


@pytest.fixture(scope="module")
def fee_market() -> House:
    """A market of a token that keeps a tenth of each transfer unless it is told to be honest."""
    lab = Lab()
    token = lab.create("FeeToken")
    distributor = lab.create("RewardDistributor", token.address, 60, OWNER)
    market = lab.create("DatasetMarket", token.address, distributor.address, TREASURY, OWNER)
    lab.send(OWNER, market, "list", EXPORT, MANIFEST, 100, 5_000, 0)
    lab.send(OWNER, token, "mint", BUYER, 100)
    lab.send(BUYER, token, "approve", market.address, 100)
    return House(lab, token, distributor, market)


def test_a_token_that_keeps_a_part_cannot_be_ordered_with(fee_market: House) -> None:
    with fee_market.lab.undone():
        refused(fee_market, "WrongAmountReceived", BUYER, "order", EXPORT, TERMS)


def test_a_token_that_begins_to_keep_a_part_cannot_be_settled_with(fee_market: House) -> None:
    """Royalties that arrive short would let a root be accepted on money that is not there."""
    lab = fee_market.lab
    with lab.undone():
        lab.send(OWNER, fee_market.token, "setHonest", True)
        order = ordered(fee_market)
        lab.send(OWNER, fee_market.token, "setHonest", False)
        refused(fee_market, r"WrongAmountReceived\(50, 45\)", OWNER, "settle", order)
        lab.send(OWNER, fee_market.token, "setHonest", True)
        lab.send(OWNER, fee_market.market, "settle", order)
        assert fee_market.balance(fee_market.reserve) == 50


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["order", "settle", "refund", "buy", "day"]), min_size=3, max_size=14))
def test_the_market_holds_what_its_open_orders_hold_and_nothing_else(market: House, steps: list[str]) -> None:
    with market.lab.undone():
        waiting: list[int] = []
        for step in steps:
            if step == "order":
                waiting.append(ordered(market))
            elif step == "buy":
                market.lab.send(BUYER, market.market, "buy", EXPORT)
            elif step == "day":
                market.lab.now_s += DAY_S // 2
            elif waiting:
                late = market.lab.now_s >= market.lab.read(market.market, "orders", waiting[0])[1]
                with (
                    pytest.raises(RevertedError, match="TooLate")
                    if late and step == "settle"
                    else nullcontext()
                ):
                    market.lab.send(OWNER, market.market, step, waiting[0])
                    waiting.pop(0)
            held = market.balance(market.market.address)
            assert held == market.lab.read(market.market, "heldTotal") == PRICE * len(waiting)
        sales = market.lab.read(market.market, "saleCount")
        assert sum(balances(market)) == 10 * PRICE - sales * BURNED
        assert supply(market) == 20 * PRICE - sales * BURNED, "what waits or went back burned nothing"


# --- transfers signed as x402 clients sign them --------------------------------------------------------------------


@pytest.fixture(scope="module")
def payer() -> LocalAccount:
    key: LocalAccount = Account.from_key(b"\x0b" * 32)
    return key


def transfer(market: House, payer: LocalAccount, value: int = PRICE, nonce: bytes = NONCE) -> tuple[Any, ...]:
    """A signed transfer to the market: (validAfter, validBefore, nonce, signature)."""
    until_s = market.lab.now_s + 60
    payment = Authorization(payer.address, market.market.address, value, 0, until_s, nonce)
    message = transfer_authorization(TokenDomain(CHAIN_ID, market.token.address), payment)
    return 0, until_s, nonce, bytes(payer.sign_typed_data(full_message=message).signature)


def test_a_signed_transfer_becomes_a_sale_of_its_signer(market: House, payer: LocalAccount) -> None:
    market.lab.send(OWNER, market.token, "mint", payer.address, PRICE)
    signed = transfer(market, payer)
    market.lab.send(OWNER, market.market, "buyWithTransfer", payer.address, EXPORT, *signed)
    assert balances(market)[1:] == (0, ROYALTIES, FEES)
    assert market.balance(payer.address) == 0
    refused(market, "PaymentUsed", OWNER, "buyWithTransfer", payer.address, EXPORT, *signed)


def test_only_the_settler_says_what_a_transfer_was_for(market: House, payer: LocalAccount) -> None:
    market.lab.send(OWNER, market.token, "mint", payer.address, PRICE)
    signed = transfer(market, payer)
    refused(market, "NotSettler", STRANGER, "buyWithTransfer", payer.address, EXPORT, *signed)


@pytest.mark.parametrize("value", [PRICE - 1, PRICE + 1])
def test_a_transfer_of_another_amount_buys_nothing(market: House, payer: LocalAccount, value: int) -> None:
    market.lab.send(OWNER, market.token, "mint", payer.address, 2 * PRICE)
    signed = transfer(market, payer, value)
    refused(market, "ERC3009InvalidSignature", OWNER, "buyWithTransfer", payer.address, EXPORT, *signed)


def test_a_transfer_brought_in_by_somebody_else_is_still_a_sale_and_only_one(
    market: House, payer: LocalAccount
) -> None:
    """Whoever sees the signed transfer first may send it to the token itself; the buyer loses nothing by that."""
    market.lab.send(OWNER, market.token, "mint", payer.address, PRICE)
    after, until, nonce, signature = transfer(market, payer)
    direct = (payer.address, market.market.address, PRICE, after, until, nonce, signature)
    market.lab.send(STRANGER, market.token, TRANSFER, *direct)
    assert market.balance(market.market.address) == PRICE
    ordered(market)  # what waits in an order is not free for the taking
    arguments = (payer.address, EXPORT, after, until, nonce, signature)
    market.lab.send(OWNER, market.market, "buyWithTransfer", *arguments)
    refused(market, "PaymentUsed", OWNER, "buyWithTransfer", *arguments)
    other = transfer(market, payer, nonce=b"\x52" * 32)
    refused(market, "ERC20InsufficientBalance", OWNER, "buyWithTransfer", payer.address, EXPORT, *other)
    assert market.balance(market.market.address) == market.lab.read(market.market, "heldTotal") == PRICE


def test_a_cancelled_transfer_cannot_be_paid_from_somebody_elses_order(
    market: House, payer: LocalAccount
) -> None:
    ordered(market)
    after, until, nonce, signature = transfer(market, payer)
    message = cancel_authorization(TokenDomain(CHAIN_ID, market.token.address), payer.address, nonce)
    cancel = bytes(payer.sign_typed_data(full_message=message).signature)
    market.lab.send(payer.address, market.token, CANCEL, payer.address, nonce, cancel)
    arguments = (payer.address, EXPORT, after, until, nonce, signature)
    refused(market, "WrongAmountReceived", OWNER, "buyWithTransfer", *arguments)
