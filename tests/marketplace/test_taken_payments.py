"""Signed payments until they are settled: a reorganisation, a kill or a cheat takes nothing from owner or buyer."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from chain_nodes import COIN, Anvil, rpc
from eth_account.signers.local import LocalAccount
from market_world import BUYER, OPERATOR, ROYALTY_BPS, STRANGER, TIMELOCK_S, TREASURY
from published_world import RECIPES, open_world

from aggregator.publish import Export, publish
from chain.client import ChainClient
from chain.deploy import DeployTerms
from chain.keys import key_from_hex
from chain.typed_data import Authorization, cancel_authorization
from marketplace.catalogue import Catalogue
from marketplace.payment import differences_from_chain, list_on_chain, record_purchases
from marketplace.taken_payments import STEPS, TakenPayments, payments_said
from marketplace.x402 import Accepted, ExactPayload, Payment, SignedTransfer, X402Till
from storage.house import House
from storage.tables.tills import taken_payments
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import VOID_PAYMENTS_KEPT_MS

DEPTH = 4
LIFE_S = 300


@dataclass
class Shop:
    """One house on anvil, and its clock, which is the chain's."""

    anvil: Anvil
    house: House
    chain: ChainClient
    export: Export
    other: Export  # another version, at the same price

    def __post_init__(self) -> None:
        self._payers = itertools.count(7_000)
        self.till, self.taken = X402Till(self.house), TakenPayments(self.house)

    def payer(self, exports: int = 1) -> Any:
        key = key_from_hex(f"{next(self._payers):064x}")
        self.chain.token.mint(OPERATOR, key.address, exports * self.export.price)
        self.mine()
        self.look()  # what tests before left in a block is settled
        return key

    def payment(self, key: Any, name: str = "first", life_s: int = LIFE_S) -> Payment:
        nonce = "0x" + hashlib.sha256(f"{name} {key.address}".encode()).hexdigest()
        until_s = str(self.house.now_ms() // 1000 + life_s)
        price = str(self.export.price)
        signed = SignedTransfer(key.address, self.chain.market.address, price, "0", until_s, nonce)
        signature = "0x" + self.chain.token.sign_transfer(key, transfer_of(signed)).hex()
        accepted = Accepted("exact", f"eip155:{self.anvil.chain_id}")
        return Payment(2, ExactPayload(signed, signature), accepted)

    def pay(self, payment: Payment, export: Export | None = None) -> Any:
        offer = Catalogue(self.house).offer_of((export or self.export).export_id)
        return self.till.pay(offer, payment, self.chain, OPERATOR)

    def look(self) -> int:
        done = self.taken.look(self.chain, OPERATOR)
        record_purchases(self.house, self.chain)
        return done

    def mine(self, blocks: int = DEPTH) -> None:
        rpc(self.anvil.url, "anvil_mine", hex(blocks))

    def reorganise(self, blocks: int) -> None:
        """Put empty blocks in the place of the newest."""
        rpc(self.anvil.url, "anvil_reorg", blocks, [])

    def pass_s(self, seconds: int) -> None:
        """Let the chain's time go by, and settle it."""
        rpc(self.anvil.url, "evm_increaseTime", seconds)
        self.mine(DEPTH + 1)

    def rows(self, key: Any) -> list[tuple[str, str]]:
        of_it = sa.select(taken_payments).where(taken_payments.c.payer == key.address.lower())
        with self.house.state.read() as connection:
            return [(row.state, row.reason) for row in connection.execute(of_it)]

    def spent(self, key: Any, exports: int = 1) -> int:
        """How many exports an account paid for."""
        left = self.chain.token.balance_of(key.address)
        return (exports * self.export.price - left) // self.export.price

    def bought(self, key: Any) -> int:
        return len(self.chain.market.purchases(0, buyer=key.address))


def transfer_of(signed: SignedTransfer) -> Authorization:
    return Authorization(
        signed.payer,
        signed.to,
        int(signed.value),
        int(signed.valid_after),
        int(signed.valid_before),
        bytes.fromhex(signed.nonce[2:]),
    )


class ChainClock:
    """The chain's time as the house's, so that what a payment lives for is one time for both."""

    def __init__(self, real: Any, url: str) -> None:
        self._real, self._url = real, url

    def now_ms(self) -> int:
        return int(rpc(self._url, "eth_getBlockByNumber", "latest", False)["timestamp"], 16) * 1000

    async def sleep(self, wait_s: float) -> None:
        await self._real.sleep(wait_s)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    world = open_world(tmp_path_factory.mktemp("shop") / "home")
    exports = [publish(world.house, RECIPES, "web_text") for _ in range(2)]
    assert exports[0].price == exports[1].price
    with Anvil() as anvil:
        for key in (OPERATOR, BUYER, STRANGER):
            rpc(anvil.url, "anvil_setBalance", key.address, hex(COIN))
        chain = ChainClient.connect(anvil.url, anvil.chain_id, depth_blocks=DEPTH)
        chain.deploy(OPERATOR, DeployTerms(network="till", treasury=TREASURY, timelock_s=TIMELOCK_S))
        clock = ChainClock(world.house.env.clock, anvil.url)
        house = replace(world.house, env=replace(world.house.env, clock=clock))
        list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
        rpc(anvil.url, "anvil_mine", hex(DEPTH))
        yield Shop(anvil, house, chain, exports[1], exports[0])
    world.close()


def refusal(work: Any) -> str:
    with pytest.raises(WindrowError) as refused:
        work()
    return f"{refused.value.code} {refused.value.detail}"


# --- what a reorganisation takes is sent again ----------------------------------------------------------------------


def test_a_sale_whose_block_went_is_made_again_of_the_same_payment(shop: Shop) -> None:
    key = shop.payer()
    owners = shop.chain.token.balance_of(shop.chain.distributor.reserve)
    lost = shop.pay(shop.payment(key))  # the files are given
    assert (shop.rows(key), shop.spent(key)) == ([("in_block", "")], 1)
    shop.reorganise(1)
    assert (shop.bought(key), shop.spent(key)) == (0, 0)
    assert shop.look() == 1
    assert (shop.rows(key), shop.bought(key), shop.spent(key)) == ([("in_block", "")], 1, 1)
    shop.reorganise(2)  # and again
    assert (shop.look(), shop.look()) == (1, 0)
    shop.mine()
    assert shop.look() == 1
    assert shop.rows(key) == []  # settled, and forgotten
    assert (shop.look(), shop.bought(key), shop.spent(key)) == (0, 1, 1)
    paid = shop.chain.token.balance_of(shop.chain.distributor.reserve) - owners
    assert paid == shop.export.price * ROYALTY_BPS // 10_000
    assert differences_from_chain(shop.house, shop.chain) == []
    assert lost.buyer == key.address


def test_what_was_written_down_and_not_sent_is_sent_after_a_kill(shop: Shop) -> None:
    key = shop.payer()
    signed = shop.payment(key)
    transfer, signature = transfer_of(signed.payload.authorization), signed.payload.signature
    assert shop.taken.take(shop.chain, shop.export.export_id, transfer, signature)
    assert shop.rows(key) == [("taken", "")]
    assert not shop.taken.take(shop.chain, shop.export.export_id, transfer, signature)  # once
    assert shop.look() == 1
    assert (shop.rows(key), shop.bought(key)) == ([("in_block", "")], 1)
    # a fresh signature shows whose it is, and brings nothing in
    assert shop.pay(shop.payment(key, "fresh")).buyer == key.address
    assert (shop.bought(key), shop.spent(key)) == (1, 1)


def test_what_was_sent_and_not_noted_is_found_and_not_sent_twice(shop: Shop) -> None:
    key = shop.payer()
    signed = shop.payment(key)
    transfer, signature = transfer_of(signed.payload.authorization), signed.payload.signature
    assert shop.taken.take(shop.chain, shop.export.export_id, transfer, signature)
    raw = bytes.fromhex(signature[2:])
    shop.chain.market.buy_with_transfer(OPERATOR, shop.export.export_id, transfer, raw)
    head = shop.chain.head()
    assert shop.look() == 1
    assert (shop.rows(key), shop.chain.head()) == ([("in_block", "")], head)


# --- who would pay twice, or not at all -----------------------------------------------------------------------------


def test_who_signs_anew_after_a_reorganisation_pays_once(shop: Shop) -> None:
    key = shop.payer(2)
    shop.pay(shop.payment(key))
    shop.reorganise(1)
    assert shop.pay(shop.payment(key, "again")).buyer == key.address
    shop.mine()
    shop.look()
    assert (shop.rows(key), shop.bought(key), shop.spent(key, 2)) == ([], 1, 1)


def test_a_look_and_a_buyer_at_the_same_moment_make_one_sale(shop: Shop) -> None:
    key = shop.payer(3)
    first = shop.payment(key)
    shop.pay(first)
    shop.reorganise(1)
    again = [shop.payment(key, "again"), first, first]

    def paying(payment: Payment) -> str:
        try:
            return str(shop.pay(payment).buyer)
        except WindrowError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        looking = pool.submit(shop.look)
        said = sorted(pool.map(paying, again))
        looking.result()
    assert said == sorted([key.address, "payment_refused", "payment_refused"])
    assert (shop.bought(key), shop.spent(key, 3)) == (1, 1)


def test_one_transfer_is_not_taken_for_two_orders(shop: Shop) -> None:
    """Both versions have the same price, so the signature would do for either."""
    key = shop.payer(2)
    one = shop.payment(key)
    shop.pay(one)
    assert "used" in refusal(lambda: shop.pay(one, shop.other))
    shop.reorganise(1)  # now the chain has not heard of it
    assert "used" in refusal(lambda: shop.pay(one, shop.other))
    shop.look()
    (sale,) = shop.chain.market.purchases(0, buyer=key.address)
    assert sale.manifest_sha256 == shop.export.manifest_sha256
    shop.mine()
    shop.look()
    assert "used" in refusal(lambda: shop.pay(one, shop.other))
    assert (shop.bought(key), shop.spent(key, 2)) == (1, 1)


def test_who_bought_on_chain_meanwhile_is_not_charged_again(shop: Shop) -> None:
    key = shop.payer(2)
    shop.pay(shop.payment(key))
    shop.reorganise(1)
    rpc(shop.anvil.url, "anvil_setBalance", key.address, hex(COIN))
    shop.chain.market.buy(key, shop.export.export_id)
    assert (shop.look(), shop.rows(key)) == (0, [("in_block", "")])  # that sale may go, too
    shop.mine()
    assert (shop.look(), shop.rows(key)) == (1, [("void", "already_bought")])
    assert (shop.bought(key), shop.spent(key, 2)) == (1, 1)


# --- what can become no sale is void, with a reason -----------------------------------------------------------------


def test_an_authorization_that_was_cancelled_is_void_when_that_is_settled(shop: Shop) -> None:
    key = shop.payer()
    signed = shop.payment(key)
    shop.pay(signed)
    shop.reorganise(1)
    nonce = signed.payload.authorization.nonce
    message = cancel_authorization(shop.chain.token.domain, key.address, bytes.fromhex(nonce[2:]))
    shop.chain.token.cancel_authorization(
        STRANGER,
        key.address,
        bytes.fromhex(nonce[2:]),
        bytes(key.sign_typed_data(full_message=message).signature),
    )
    assert (shop.look(), shop.rows(key)) == (0, [("sent", "authorization_used")])
    shop.reorganise(1)  # the cancelling goes, too: then it still is a payment
    assert (shop.look(), shop.bought(key)) == (1, 1)
    shop.reorganise(1)
    shop.chain.token.cancel_authorization(
        STRANGER,
        key.address,
        bytes.fromhex(nonce[2:]),
        bytes(key.sign_typed_data(full_message=message).signature),
    )
    shop.mine()
    assert (shop.look(), shop.rows(key)) == (1, [("void", "authorization_used")])


def without_money(shop: Shop) -> LocalAccount:
    """Return a payer whose sale a reorganisation took, and who then spent what would have paid for it."""
    key = shop.payer()
    shop.pay(shop.payment(key))
    shop.reorganise(1)
    rpc(shop.anvil.url, "anvil_setBalance", key.address, hex(COIN))
    shop.chain.token.transfer(key, STRANGER.address, 1)
    return key


def test_a_payer_without_money_any_more_is_asked_until_the_time_is_over(shop: Shop) -> None:
    key = without_money(shop)
    shop.mine()
    assert (shop.look(), shop.rows(key)) == (0, [("sent", "balance_gone")])
    shop.pass_s(LIFE_S)
    assert (shop.look(), shop.rows(key)) == (1, [("void", "balance_gone")])


def test_money_that_comes_back_in_time_pays(shop: Shop) -> None:
    key = without_money(shop)
    assert shop.look() == 0
    shop.chain.token.mint(OPERATOR, key.address, 1)
    assert (shop.look(), shop.rows(key), shop.bought(key)) == (1, [("in_block", "")], 1)


def test_an_authorization_is_void_when_its_time_is_over_and_settled(shop: Shop) -> None:
    key = shop.payer()
    signed = shop.payment(key, life_s=60)
    shop.pay(signed)
    shop.reorganise(1)
    rpc(shop.anvil.url, "evm_increaseTime", 60)
    shop.mine(1)
    assert (shop.look(), shop.rows(key)) == (0, [("sent", "authorization_expired")])  # not settled yet
    shop.mine()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with structlog.testing.capture_logs() as said:
        assert (shop.look(), shop.rows(key)) == (1, [("void", "authorization_expired")])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    assert [line["event"] for line in said] == ["payment_void"]
    assert signed.payload.signature[2:] not in str(said)
    with shop.house.state.read() as connection:
        of_it = sa.select(taken_payments.c.signature).where(taken_payments.c.payer == key.address.lower())
        assert connection.execute(of_it).scalar_one() == ""
        assert "authorization_expired" in payments_said(connection)


def test_a_transfer_that_somebody_brought_in_before_the_reorganisation_still_buys_after_its_time(
    shop: Shop,
) -> None:
    """The money lies at the market, so there is a sale to be made of it however late."""
    key = shop.payer()
    signed = shop.payment(key, life_s=60)
    shop.pay(signed)
    shop.reorganise(1)
    raw = bytes.fromhex(signed.payload.signature[2:])
    shop.chain.token.transfer_with_authorization(STRANGER, transfer_of(signed.payload.authorization), raw)
    shop.pass_s(60)
    assert (shop.look(), shop.bought(key), shop.spent(key)) == (1, 1, 1)


def test_a_payment_that_the_chain_refuses_at_once_leaves_nothing(shop: Shop) -> None:
    key = shop.payer(0)
    assert "ERC20InsufficientBalance" in refusal(lambda: shop.pay(shop.payment(key)))
    assert shop.rows(key) == []


def test_every_reason_is_explained_and_void_ones_are_forgotten_in_the_end(shop: Shop) -> None:
    ends = {to for (_, event), to in STEPS.items() if event in ("settle", "end")}
    assert ends == {"settled", "void"}
    assert not ends & {state for state, _ in STEPS}  # nothing follows an end
    row = {column.name: "x" for column in taken_payments.c} | {
        "state": "void",
        "value": 1,
        "valid_after_s": 0,
        "valid_before_s": 0,
        "reason": "balance_gone",
        "taken_at_ms": 0,
        "changed_at_ms": shop.house.now_ms() - VOID_PAYMENTS_KEPT_MS - 1,
    }
    with shop.house.state.write() as connection:
        connection.execute(sa.insert(taken_payments).values(row))
    shop.look()
    with shop.house.state.read() as connection:
        found = list(connection.execute(sa.select(taken_payments)))
    assert "x" not in [row.payer for row in found]
    assert {row.reason for row in found if row.state == "void"} <= set(REASONS)
