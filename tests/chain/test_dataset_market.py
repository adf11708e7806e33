"""The market contract: exact splits, terms that never change, payments that buy one thing only."""

from __future__ import annotations

from typing import Any

import pytest
from chain_lab import (
    BUYER,
    CHAIN_ID,
    OWNER,
    STRANGER,
    TIMELOCK_S,
    TREASURY,
    Contract,
    House,
    Lab,
    RevertedError,
    Sent,
    decoded,
    event_topic,
)
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.typed_data import Authorization, TokenDomain, receive_authorization

EXPORT, OTHER = b"\xe1" * 32, b"\xe2" * 32
MANIFEST = b"\xaa" * 32
SALT = b"\x51" * 32
PRICE = 1_000_001


@pytest.fixture(scope="module")
def contracts() -> House:
    return House.build()


@pytest.fixture(scope="module")
def buyer_key() -> LocalAccount:
    key: LocalAccount = Account.from_key(b"\x0b" * 32)
    return key


def offer(
    house: House, export: bytes = EXPORT, price: int = PRICE, bps: int = 8_000, burn_bps: int = 0
) -> None:
    house.lab.send(OWNER, house.market, "list", export, MANIFEST, price, bps, burn_bps)


def purchase(house: House, sent: Sent) -> tuple[int, str, bytes, tuple[Any, ...]]:
    topic = event_topic("Purchased(uint256,address,bytes32,bytes32,uint256,uint256,uint256,uint256)")
    event = next(e for e in sent.events if e.topics[0] == topic and e.emitter == house.market.address)
    fields = decoded(event, "bytes32", "uint256", "uint256", "uint256", "uint256")
    return int.from_bytes(event.topics[1], "big"), "0x" + event.topics[2][12:].hex(), event.topics[3], fields


def buy(house: House, price: int = PRICE) -> Sent:
    house.lab.send(OWNER, house.token, "mint", BUYER, price)
    house.lab.send(BUYER, house.token, "approve", house.market.address, price)
    return house.lab.send(BUYER, house.market, "buy", EXPORT)


SHARES = st.integers(1, 9_999).flatmap(
    lambda bps: st.tuples(st.just(bps), st.just(0) | st.just(10_000 - bps) | st.integers(0, 10_000 - bps))
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(price=st.integers(1, 2**128 - 1), shares=SHARES)
def test_price_is_split_exactly(contracts: House, price: int, shares: tuple[int, int]) -> None:
    house, (bps, burn_bps) = contracts, shares
    with house.lab.undone():
        offer(house, price=price, bps=bps, burn_bps=burn_bps)
        royalties, burned = price * bps // 10_000, price * burn_bps // 10_000
        parts = (royalties, price - royalties - burned, burned)
        assert house.lab.read(house.market, "split", EXPORT) == parts
        assert purchase(house, buy(house, price))[3] == (MANIFEST, price, *parts)
        assert house.balance(house.reserve) == royalties
        assert house.balance(TREASURY) == parts[1]
        assert house.balance(house.market.address) == house.balance(BUYER) == 0
        assert house.lab.read(house.token, "totalSupply") == price - burned


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2 * 10**6), st.integers(0, 3)), min_size=1, max_size=6),
    st.integers(1, 10**7),
    SHARES,
)
def test_supply_falls_exactly_when_more_is_burned_than_minted(
    contracts: House, epochs: list[tuple[int, int]], price: int, shares: tuple[int, int]
) -> None:
    """Epochs of minted pay and of sales to somebody who bought tokens on the market before."""
    house, (bps, burn_bps) = contracts, shares
    with house.lab.undone():
        offer(house, price=price, bps=bps, burn_bps=burn_bps)
        house.lab.send(OWNER, house.token, "mint", BUYER, price * 18)
        house.lab.send(BUYER, house.token, "approve", house.market.address, price * 18)
        for emission, sales in epochs:
            before = house.lab.read(house.token, "totalSupply")
            house.lab.send(OWNER, house.token, "mint", house.reserve, emission)
            for _ in range(sales):
                house.lab.send(BUYER, house.market, "buy", EXPORT)
            after, burned = house.lab.read(house.token, "totalSupply"), sales * (price * burn_bps // 10_000)
            assert after == before + emission - burned
            assert (after < before) == (burned > emission)


def test_a_sale_that_may_not_burn_what_it_has_to_is_no_sale(house: House) -> None:
    """An allowance of the price is enough, one of less is not: nobody saves the part that is burned."""
    offer(house, burn_bps=1_000)
    house.lab.send(OWNER, house.token, "mint", BUYER, PRICE)
    house.lab.send(BUYER, house.token, "approve", house.market.address, PRICE - 1)
    with pytest.raises(RevertedError, match="ERC20InsufficientAllowance"):
        house.lab.send(BUYER, house.market, "buy", EXPORT)
    assert house.balance(BUYER) == PRICE
    assert house.lab.read(house.market, "saleCount") == 0


def test_sales_are_numbered_and_name_their_buyer(house: House) -> None:
    offer(house)
    first = purchase(house, buy(house))
    second = purchase(house, buy(house))
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == BUYER.lower()
    assert first[2] == EXPORT


@pytest.mark.parametrize(
    ("price", "bps", "burn_bps"),
    [
        *((0, 5_000, 0), (1, 0, 0), (1, 10_000, 0), (1, 10_001, 0)),
        *((1, 5_000, 5_001), (1, 9_999, 2), (1, 1, 65_535), (1, 0, 5_000)),
    ],
)
def test_senseless_terms_are_refused(house: House, price: int, bps: int, burn_bps: int) -> None:
    with pytest.raises(RevertedError, match="BadListing"):
        offer(house, price=price, bps=bps, burn_bps=burn_bps)
    with pytest.raises(RevertedError, match="BadListing"):
        house.lab.send(OWNER, house.market, "list", EXPORT, bytes(32), 1, 5_000, 0)


def test_terms_never_change(house: House) -> None:
    offer(house)
    for manifest, price in ((b"\xbb" * 32, PRICE), (MANIFEST, PRICE - 1), (MANIFEST, PRICE)):
        with pytest.raises(RevertedError, match=f"AlreadyListed\\(0x{EXPORT.hex()}, 0x{MANIFEST.hex()}\\)"):
            house.lab.send(OWNER, house.market, "list", EXPORT, manifest, price, 8_000, 0)


def test_closed_listing_sells_nothing_until_it_is_opened(house: House) -> None:
    offer(house)
    house.lab.send(OWNER, house.market, "setOpen", EXPORT, False)
    with pytest.raises(RevertedError, match="ListingClosed"):
        buy(house)
    house.lab.send(OWNER, house.market, "setOpen", EXPORT, True)
    buy(house)


def test_what_is_not_listed_cannot_be_bought_opened_or_split(house: House) -> None:
    for sender, function, arguments in (
        (BUYER, "buy", (EXPORT,)),
        (OWNER, "setOpen", (EXPORT, True)),
        (STRANGER, "split", (EXPORT,)),
    ):
        with pytest.raises(RevertedError, match="NotListed"):
            house.lab.send(sender, house.market, function, *arguments)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("list", (EXPORT, MANIFEST, 1, 5_000, 0)),
        ("setOpen", (EXPORT, False)),
        ("setTreasury", (STRANGER,)),
        ("renounceOwnership", ()),
    ],
)
def test_only_the_owner_sells(house: House, function: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(RevertedError, match="OwnableUnauthorizedAccount"):
        house.lab.send(STRANGER, house.market, function, *arguments)


def test_buyer_without_allowance_or_money_gets_nothing(house: House) -> None:
    offer(house)
    with pytest.raises(RevertedError, match="ERC20InsufficientAllowance"):
        house.lab.send(BUYER, house.market, "buy", EXPORT)
    house.lab.send(BUYER, house.token, "approve", house.market.address, PRICE)
    with pytest.raises(RevertedError, match="ERC20InsufficientBalance"):
        house.lab.send(BUYER, house.market, "buy", EXPORT)
    assert house.lab.read(house.market, "saleCount") == 0


def test_fees_can_go_elsewhere_but_not_into_the_royalties(house: House) -> None:
    for bad in (house.reserve, house.distributor.address, house.market.address, "0x" + "00" * 20):
        with pytest.raises(RevertedError, match="BadAddress"):
            house.lab.send(OWNER, house.market, "setTreasury", bad)
    house.lab.send(OWNER, house.market, "setTreasury", STRANGER)
    offer(house)
    buy(house)
    assert house.balance(STRANGER) == PRICE - PRICE * 8_000 // 10_000


def signed_payment(
    house: House, key: LocalAccount, export: bytes = EXPORT, market: Contract | None = None
) -> tuple[object, ...]:
    market = market or house.market
    house.lab.send(OWNER, house.token, "mint", key.address, PRICE)
    nonce = house.lab.read(market, "paymentNonce", export, SALT)
    until_s = house.lab.now_s + 60
    payment = Authorization(key.address, market.address, PRICE, 0, until_s, nonce)
    message = receive_authorization(TokenDomain(CHAIN_ID, house.token.address), payment)
    return 0, until_s, bytes(key.sign_typed_data(full_message=message).signature)


def test_anyone_may_send_a_signed_payment_and_the_signer_is_the_buyer(
    house: House, buyer_key: LocalAccount
) -> None:
    offer(house, burn_bps=500)
    payment = signed_payment(house, buyer_key)
    sent = house.lab.send(
        STRANGER, house.market, "buyWithAuthorization", buyer_key.address, EXPORT, SALT, *payment
    )
    _, buyer, export, (_, price, royalties, fees, burned) = purchase(house, sent)
    assert (buyer, export, price) == (buyer_key.address.lower(), EXPORT, PRICE)
    assert house.balance(house.reserve) == royalties == PRICE * 8 // 10
    assert house.balance(TREASURY) == fees == PRICE - royalties - burned
    assert house.lab.read(house.token, "totalSupply") == PRICE - burned == PRICE - PRICE // 20
    assert house.balance(buyer_key.address) == house.balance(house.market.address) == 0


def test_payment_cannot_be_redirected_or_repeated(house: House, buyer_key: LocalAccount) -> None:
    offer(house)
    offer(house, export=OTHER)
    payment = signed_payment(house, buyer_key)
    house.lab.send(OWNER, house.token, "mint", buyer_key.address, 5 * PRICE)
    for export, salt in ((OTHER, SALT), (EXPORT, b"\x52" * 32)):
        with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
            house.lab.send(
                STRANGER, house.market, "buyWithAuthorization", buyer_key.address, export, salt, *payment
            )
    once = (buyer_key.address, EXPORT, SALT, *payment)
    house.lab.send(STRANGER, house.market, "buyWithAuthorization", *once)
    with pytest.raises(RevertedError, match="ERC3009UsedAuthorization"):
        house.lab.send(STRANGER, house.market, "buyWithAuthorization", *once)
    assert house.lab.read(house.market, "saleCount") == 1


def test_payment_for_another_market_is_refused(house: House, buyer_key: LocalAccount) -> None:
    other = house.lab.create("DatasetMarket", house.token.address, house.distributor.address, STRANGER, OWNER)
    for market in (house.market, other):
        house.lab.send(OWNER, market, "list", EXPORT, MANIFEST, PRICE, 8_000, 0)
    payment = signed_payment(house, buyer_key, market=other)
    with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
        house.lab.send(
            STRANGER, house.market, "buyWithAuthorization", buyer_key.address, EXPORT, SALT, *payment
        )


def test_payment_nonce_names_the_manifest(house: House) -> None:
    """A payment signed for one manifest must not buy another under the same export id."""
    before = house.lab.read(house.market, "paymentNonce", EXPORT, SALT)
    offer(house)
    assert house.lab.read(house.market, "paymentNonce", EXPORT, SALT) != before


def test_token_that_keeps_a_part_is_refused() -> None:
    lab = Lab()
    token = lab.create("FeeToken")
    distributor = lab.create("RewardDistributor", token.address, TIMELOCK_S, OWNER)
    market = lab.create("DatasetMarket", token.address, distributor.address, TREASURY, OWNER)
    house = House(lab, token, distributor, market)
    offer(house, price=100, bps=5_000)
    with pytest.raises(RevertedError, match=r"WrongAmountReceived\(50, 45\)"):
        buy(house, 100)


def test_market_without_contracts_behind_it_cannot_be_created(house: House) -> None:
    for token, distributor in ((STRANGER, house.distributor.address), (house.token.address, STRANGER)):
        with pytest.raises(RevertedError, match="BadAddress"):
            house.lab.create("DatasetMarket", token, distributor, TREASURY, OWNER)
