"""Who buys their own rows loses on every road and in every asset, even who owns every row of what is sold.

The best case for the buyer is reckoned: all that owners are paid of the sale is theirs, and gas costs nothing.
`windrow buy`, agents and standing orders pay plainly or under terms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from market_world import OPERATOR, ROYALTY_BPS
from two_assets_world import USDC, Shop, open_shop

from chain.client import ChainClient
from marketplace.acceptance import JudgementRequest, judge_order
from marketplace.payment import record_purchases
from marketplace.terms import Terms, terms_sha256
from rewards.ledger import balance_of
from rewards.royalties import run_royalties
from storage.tables.contributions import ledger, sales


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("wash")) as opened:
        yield opened


def plainly(shop: Shop, chain: ChainClient, key: Any) -> None:
    chain.market.buy(key, shop.export.export_id)


def by_signature(shop: Shop, chain: ChainClient, key: Any) -> None:
    until_s = shop.house.now_ms() // 1000 + 600
    salt = hashlib.sha256(key.address.encode()).digest()
    payment = chain.market.payment(key.address, shop.export.export_id, salt, 0, until_s)
    signature = chain.market.sign_payment(key, payment)
    chain.market.buy_with_authorization(OPERATOR, shop.export.export_id, salt, payment, signature)


def over_x402(shop: Shop, chain: ChainClient, key: Any) -> None:
    price = shop.offer.price_in(chain.asset.symbol)
    token = USDC.address if chain is shop.usdc else None
    shop.pay(key, key.address, token, chain.market.address, price)


def under_terms(shop: Shop, chain: ChainClient, key: Any) -> None:
    ended(shop, chain, key, Terms(rows_min=1))


def under_terms_that_fail(shop: Shop, chain: ChainClient, key: Any) -> None:
    ended(shop, chain, key, Terms(rows_min=10**9))


def ended(shop: Shop, chain: ChainClient, key: Any, terms: Terms) -> None:
    held = chain.orders.order(key, shop.export.export_id, terms_sha256(terms))
    judge_order(shop.house, shop.wind, OPERATOR, JudgementRequest(held.tx, terms))


ROADS: tuple[Callable[[Shop, ChainClient, Any], None], ...] = (
    plainly,
    by_signature,
    over_x402,
    under_terms,
    under_terms_that_fail,
)


@pytest.mark.parametrize("asset", ["WIND", "USDC"])
@pytest.mark.parametrize("road", ROADS)
def test_who_owns_every_row_loses_all_that_is_not_royalties(
    shop: Shop, tmp_path: Path, road: Any, asset: str
) -> None:
    chain = shop.wind if asset == "WIND" else shop.usdc
    balance = shop.wind.token.balance_of if asset == "WIND" else shop.stable.balance_of
    key, price = shop.funded(tmp_path / "key"), shop.offer.price_in(asset)
    with shop.house.state.read() as connection:
        minted = balance_of(connection, "emission")
    supply, before = shop.wind.token.total_supply(), balance(key.address)
    road(shop, chain, key)
    for one in shop.wind.of_each_asset():
        record_purchases(shop.house, one)
    run_royalties(shop.house)
    spent = before - balance(key.address)
    with shop.house.state.read() as connection:
        bought = connection.execute(sa.select(sales).where(sales.c.buyer == key.address)).all()
        causes = [row.sale_id for row in bought]
        entries = connection.execute(sa.select(ledger).where(ledger.c.cause.in_(causes))).all()
        assert balance_of(connection, "emission") == minted, "a sale mints nothing"
    back = sum(entry.amount for entry in entries if entry.credit.startswith("posted:"))
    if road is under_terms_that_fail:
        assert (spent, back, bought) == (0, 0, []), "what came back was no sale, and paid nobody"
        return
    assert {entry.asset for entry in entries} == {asset}
    assert (len(bought), spent) == (1, price)
    assert spent - back >= price - price * ROYALTY_BPS // 10_000 > 0
    assert shop.wind.token.total_supply() == supply - bought[0].burned
    assert (bought[0].burned > 0) is (asset == "WIND")
