"""A person in a real Chromium buys for the stablecoin: once, unheard, replayed, reorganised; and signs no lie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from chain_nodes import rpc
from market_world import OPERATOR
from page_checks import readable
from two_assets_world import BASE, USDC, Shop
from wallet_browser import PATIENCE_MS, Wallet, chromium, opened

from chain.keys import key_from_hex
from marketplace.rendering import render_dataset
from marketplace.taken_payments import TakenPayments

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOUGHT = "It is yours."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def url(two_assets_url: str) -> str:
    return f"{two_assets_url}/market/web_text"


@pytest.fixture(scope="module")
def shop(two_assets: Shop) -> Shop:
    return two_assets


def wallet_of(shop: Shop, number: int) -> Wallet:
    """A wallet with one price in USDC and in WIND, and no ether."""
    key = key_from_hex(f"{number:064x}")
    shop.stable.mint(key.address, shop.price)
    shop.wind.token.mint(OPERATOR, key.address, shop.export.price)
    return Wallet(key, chain_id=BASE)


def left(shop: Shop, wallet: Wallet) -> tuple[int, int]:
    """What the wallet has of (WIND, USDC), in prices."""
    address = wallet.key.address
    wind, stable = shop.wind.token.balance_of(address), shop.stable.balance_of(address)
    return wind // shop.export.price, stable // shop.price


async def press(page: Page, symbol: str) -> None:
    await page.get_by_role("button", name=f"Pay in {symbol} with your wallet").click()


async def bought(page: Page) -> str:
    """Wait for the end of the purchase and return what the page says was paid."""
    await expect(page.locator("#said")).to_have_text(BOUGHT, timeout=PATIENCE_MS)
    return await page.locator("#paid").inner_text()


async def test_a_wallet_pays_the_stablecoin_once_and_nothing_in_the_other_asset(
    shop: Shop, url: str, browser: Browser
) -> None:
    wallet, words = wallet_of(shop, 201), f"{shop.price / 10**6:g} USDC"
    page, wrong = await opened(browser, url, wallet)
    assert words in await page.locator(".price").first.inner_text()
    assert wallet.asked == []
    await press(page, "USDC")
    assert await bought(page) == words
    (payment,) = wallet.signed
    assert payment["domain"] == {
        "name": USDC.name,
        "version": USDC.version,
        "chainId": BASE,
        "verifyingContract": USDC.address,
    }
    assert payment["message"]["value"] == str(shop.price)
    assert left(shop, wallet) == (1, 0)
    (sale,) = shop.usdc.market.purchases(0, buyer=wallet.key.address)
    assert await page.locator("#transaction").inner_text() == sale.tx
    await page.reload()
    await page.get_by_role("button", name="Get download links").click()
    assert await bought(page) == words
    # in another profile, for the other asset: the page says in what it was paid, and nothing moves
    other, _ = await opened(browser, url, wallet)
    await press(other, "WIND")
    assert await bought(other) == words
    assert left(shop, wallet) == (1, 0)
    expected = ["Failed to load resource: the server responded with a status of 402 (Payment Required)"]
    assert [each for each in wrong if each not in expected] == []


async def test_an_answer_that_is_lost_and_a_payment_sent_again_by_another_cost_nothing_more(
    shop: Shop, url: str, browser: Browser
) -> None:
    wallet, sent = wallet_of(shop, 202), list[str]()
    page, _ = await opened(browser, url, wallet)

    async def unheard(route: Route) -> None:
        header = route.request.headers.get("payment-signature")
        if header is None or sent:
            await route.continue_()
            return
        sent.append(header)
        await route.fetch()  # the market takes the money
        await route.abort()  # and its answer never arrives

    await page.route("**/buy", unheard)
    await press(page, "USDC")
    await expect(page.locator("#said")).to_contain_text("Failed to fetch", timeout=PATIENCE_MS)
    assert left(shop, wallet) == (1, 0)
    await press(page, "USDC")
    await bought(page)
    assert left(shop, wallet) == (1, 0)
    assert len(shop.usdc.market.purchases(0, buyer=wallet.key.address)) == 1
    async with httpx.AsyncClient(timeout=60) as thief:
        door = url.replace("/market/web_text", "/market/datasets/web_text/0.1.0/buy")
        answer = await thief.get(door, headers={"PAYMENT-SIGNATURE": sent[0]})
    assert answer.status_code == 402
    assert "it was used" in answer.json()["error"]


async def test_a_reorganisation_after_the_links_were_given_makes_the_sale_again_in_the_same_asset(
    shop: Shop, url: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in shop.wind.of_each_asset():
        monkeypatch.setattr(one, "depth_blocks", 4)
    wallet = wallet_of(shop, 203)
    page, _ = await opened(browser, url, wallet)
    await press(page, "USDC")
    await bought(page)
    rpc(shop.anvil.url, "anvil_reorg", 1, [])
    assert left(shop, wallet) == (1, 1), "the chain has lost it"
    for _ in range(2):
        TakenPayments(shop.house).look(shop.usdc, OPERATOR)
        assert left(shop, wallet) == (1, 0)
    (sale,) = shop.usdc.market.purchases(0, buyer=wallet.key.address)
    await page.reload()
    await press(page, "USDC")  # signs anew, and nothing is brought in
    await bought(page)
    assert await page.locator("#transaction").inner_text() == sale.tx
    assert left(shop, wallet) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [{"amount": "9" * 20}, {"payTo": "0x" + "11" * 20}],  # token and network: as in test_market_browser.py
)
async def test_a_demand_that_is_not_the_pressed_button_s_is_never_shown_to_the_wallet(
    shop: Shop, url: str, browser: Browser, change: dict[str, str]
) -> None:
    wallet = Wallet(key_from_hex(f"{204:064x}"), chain_id=BASE)
    page, _ = await opened(browser, url, wallet)

    async def changed(route: Route) -> None:
        answer = await route.fetch()
        said = await answer.json()
        (stable,) = [each for each in said["accepts"] if each["asset"] == USDC.address]
        stable |= change
        await route.fulfill(response=answer, json=said)

    await page.route("**/buy", changed)
    await press(page, "USDC")
    await expect(page.locator("#said")).to_contain_text("Nothing was signed", timeout=PATIENCE_MS)
    assert wallet.signed == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", 360), ("light", 1200)])
async def test_both_prices_and_both_buttons_fit_and_can_be_read(
    shop: Shop, url: str, browser: Browser, scheme: str, width: int
) -> None:
    page, _ = await opened(browser, url, Wallet(key_from_hex(f"{205:064x}"), chain_id=BASE), scheme, width)
    for symbol in ("WIND", "USDC"):
        assert await page.get_by_role("button", name=f"Pay in {symbol} with your wallet").is_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await readable(page)
    await page.get_by_text("On chain, by any wallet or program").click()
    said = await page.locator("#buy").inner_text()
    assert f"approve({shop.usdc.market.address}, {shop.price})" in said
    await page.goto(url.removesuffix("/web_text"))
    assert f"{shop.price / 10**6:g} USDC" in await page.locator(".card .price").inner_text()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_version_without_a_price_in_an_asset_says_so_and_has_no_button(shop: Shop) -> None:
    deployment: dict[str, Any] = dict.fromkeys(("token", "market"), shop.wind.token.address)
    chain = {
        **deployment,
        "chain_id": BASE,
        "export": "00",
        "assets": {"EURC": {**deployment, "decimals": 6}},
    }
    page = render_dataset(shop.offer, versions=[], sample=[], card="", times_sold=0, chain=chain)
    assert "Not sold for EURC: its seller states no price in that." in page
    assert "Pay in" not in page
    assert "Buy with your wallet" in page
