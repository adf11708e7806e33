"""A person in a real Chromium: looks at the catalogue, and buys with a wallet that signs by a real key on a real chain.

The wallet is an EIP-1193 provider, as an extension injects it; what it stands for is the wallet and nothing of ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from market_world import OPERATOR, Market
from page_checks import NAMELESS, readable
from wallet_browser import PATIENCE_MS, Wallet, chromium, opened

from chain.keys import key_from_hex
from marketplace.delivery import SALE_PURPOSE
from windrow_protocol.signing import verify

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


def funded(market: Market, number: int) -> Any:
    """An account with the price of one export in WIND, and no ether."""
    key = key_from_hex(f"{number:064x}")
    market.chain.token.mint(OPERATOR, key.address, market.export.price)
    return key


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1200)])
async def test_the_pages_fit_name_everything_and_ask_nobody_else(
    market: Market, browser: Browser, scheme: str, width: int
) -> None:
    page, wrong = await opened(browser, f"{market.url}/market", None, scheme, width)
    await readable(page)
    await page.get_by_label("Search datasets").fill("web en")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("link", name="Windrow web text").click()
    assert page.url == f"{market.url}/market/web_text"
    await page.locator("summary", has_text="As a table").first.click()
    assert await page.locator("figure table").first.is_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    for cell, shown in (
        (".columns td:last-child", 1.0),
        (".sample td.t-text", 0.8),
    ):  # without moving a table sideways
        box = await page.locator(cell).first.bounding_box()
        assert box
        assert box["x"] + shown * box["width"] <= width
    await readable(page)
    assert await page.evaluate(NAMELESS) == []
    assert await page.locator("svg.plot text").first.evaluate("e => e.getBoundingClientRect().height") >= 11
    assert wrong == []


async def test_without_a_wallet_the_page_shows_the_other_ways(market: Market, browser: Browser) -> None:
    page, wrong = await opened(browser, f"{market.url}/market/web_text")
    assert not await page.locator("#wallet").is_visible()
    assert await page.get_by_text("windrow buy web_text/0.1.0").is_visible()
    await page.get_by_text("On chain, by any wallet or program").click()
    said = await page.locator("#buy").inner_text()
    assert f"approve({market.chain.market.address}, {market.export.price})" in said
    assert f"buy(0x{hashlib.sha256(market.export.export_id.encode()).hexdigest()})" in said
    assert wrong == []


async def test_a_wallet_buys_once_and_gets_links_again_without_paying(
    market: Market, browser: Browser
) -> None:
    wallet = Wallet(funded(market, 121), chain_id=1)
    page, wrong = await opened(browser, f"{market.url}/market/web_text", wallet)
    assert wallet.asked == []  # a page that is only looked at asks the wallet nothing
    await page.get_by_role("button", name="Buy with your wallet").click()
    await expect(page.locator("#said")).to_have_text("It is yours.", timeout=PATIENCE_MS)
    assert wallet.asked[:3] == ["eth_requestAccounts", "eth_chainId", "wallet_switchEthereumChain"]
    (payment,) = wallet.signed
    assert (payment["primaryType"], payment["message"]["value"]) == (
        "TransferWithAuthorization",
        str(market.export.price),
    )
    sales = market.chain.market.purchases(0, buyer=wallet.key.address)
    assert [await page.locator("#transaction").inner_text()] == [sale.tx for sale in sales]
    assert market.chain.token.balance_of(wallet.key.address) == 0
    await whole_and_in_parts(market, page)
    await receipt_is_signed(market, page)

    await page.reload()
    await page.get_by_role("button", name="Get download links").click()
    await expect(page.locator("#said")).to_have_text("It is yours.", timeout=PATIENCE_MS)
    assert [message["primaryType"] for message in wallet.signed] == ["TransferWithAuthorization", "Order"]
    assert len(market.chain.market.purchases(0, buyer=wallet.key.address)) == 1
    # another profile knows nothing of the sale: it pays by a signature that brings nothing in
    other, _ = await opened(browser, f"{market.url}/market/web_text", wallet)
    await other.get_by_role("button", name="Buy with your wallet").click()
    await expect(other.locator("#said")).to_have_text("It is yours.", timeout=PATIENCE_MS)
    assert len(market.chain.market.purchases(0, buyer=wallet.key.address)) == 1
    expected = ["Failed to load resource: the server responded with a status of 402 (Payment Required)"]
    assert [each for each in wrong if each not in expected] == []


async def whole_and_in_parts(market: Market, page: Page) -> None:
    """The links give what the manifest lists, and a cut download goes on where it ended."""
    links = {
        await link.inner_text(): await link.evaluate("e => e.href")
        for link in await page.locator("#files a").all()
    }
    manifest = (await got(links["manifest.json"])).content
    assert hashlib.sha256(manifest).hexdigest() == market.export.manifest_sha256
    listed = json.loads(manifest)["files"]
    assert set(links) == {"receipt.jws", "manifest.json", "manifest.jws"} | {file["path"] for file in listed}
    shard = next(file for file in listed if file["path"].startswith("data/"))
    half = shard["bytes"] // 2
    first = await got(links[shard["path"]], f"bytes=0-{half - 1}")
    rest = await got(links[shard["path"]], f"bytes={half}-")
    assert (first.status_code, rest.status_code) == (206, 206)
    assert hashlib.sha256(first.content + rest.content).hexdigest() == shard["sha256"]
    commands = await page.locator("#resume").text_content() or ""
    assert f"curl -C - --create-dirs -o web_text-0.1.0/{shard['path']} {links[shard['path']]}" in commands


async def got(url: str, part: str = "bytes=0-") -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.get(url, headers={"Range": part})


async def receipt_is_signed(market: Market, page: Page) -> None:
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="receipt.jws").click()
    path = await (await saved.value).path()
    statement = verify(
        path.read_text().strip(),
        signer=market.house.coordinator_id,
        network=market.house.network,
        purpose=SALE_PURPOSE,
        subject=await page.locator("#sale").inner_text(),
        now_ms=market.house.now_ms(),
    )
    assert (statement.content or {})["manifest_sha256"] == market.export.manifest_sha256


# --- what must not be signed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"amount": "9" * 20}, {"payTo": "0x" + "11" * 20}, {"asset": "0x" + "22" * 20}, {"network": "eip155:1"}],
)
async def test_a_demand_that_is_not_the_page_s_is_never_shown_to_the_wallet(
    market: Market, browser: Browser, change: dict[str, str]
) -> None:
    """The door answers otherwise than the page that a person read: by a fault, or by whoever stands between."""
    wallet = Wallet(key_from_hex(f"{122:064x}"))
    page, _ = await opened(browser, f"{market.url}/market/web_text", wallet)

    async def changed(route: Route) -> None:
        answer = await route.fetch()
        said = await answer.json()
        said["accepts"][0] |= change
        await route.fulfill(response=answer, json=said)

    await page.route("**/buy", changed)
    await page.get_by_role("button", name="Buy with your wallet").click()
    await expect(page.locator("#said")).to_contain_text("Nothing was signed", timeout=PATIENCE_MS)
    assert wallet.signed == []


async def test_who_declines_or_has_no_money_is_told_so_and_pays_nothing(
    market: Market, browser: Browser
) -> None:
    head = await asyncio.to_thread(market.chain.head)
    wallet = Wallet(key_from_hex(f"{123:064x}"), declines=True)
    page, _ = await opened(browser, f"{market.url}/market/web_text", wallet)
    button = page.get_by_role("button", name="Buy with your wallet")
    await button.click()
    await expect(page.locator("#said")).to_have_text("You declined. Nothing was signed.", timeout=PATIENCE_MS)
    wallet.declines = False
    await button.click()
    await expect(page.locator("#said")).to_contain_text("ERC20InsufficientBalance", timeout=PATIENCE_MS)
    assert await button.is_enabled()
    assert market.chain.head() == head
