"""An operator in a real Chromium: signs in with a wallet, asks, draws, turns pages, downloads, stops, and goes.

The wallet signs with a real key; what it stands for is the wallet and nothing of ours.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from console_world import ANALYST, OWNER, STRANGER, SUPPORT, Console, running_console, until_running
from page_checks import NAMELESS, PROVIDER, readable
from wallet_browser import Wallet, chromium

from windrow_protocol.sign_in import parse_sign_in

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE_MS = 120_000
DAYS = """SELECT day, (10 * (1 + sin(epoch(day) / 4e5)))::BIGINT AS nodes
FROM (SELECT unnest(range(TIMESTAMP '2026-01-01', TIMESTAMP '2026-03-01', INTERVAL 1 DAY)) AS day)"""
FOR_EVER = "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    async with running_console(tmp_path_factory.mktemp("console")) as console:
        yield console


async def opened(
    browser: Browser, url: str, wallet: Wallet | None = None, scheme: Any = "light", width: int = 1200
) -> tuple[Page, list[str]]:
    """Return a page of a new profile, and what it complained about and asked of others than this console."""
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(url) else wrong.append(asked.url))
    if wallet is not None:
        await page.expose_function("askWallet", wallet.answer)
        await page.add_init_script(PROVIDER)
    await page.goto(f"{url}/console")
    return page, wrong


async def fits(page: Page, width: int) -> None:
    """Fail unless a page fits, can be read, and names everything that can be used."""
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await readable(page)
    assert await page.evaluate(NAMELESS) == []


async def photograph(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for pictures."""
    folder = os.environ.get("WINDROW_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
async def test_an_operator_signs_in_asks_draws_and_takes_the_answer_away(
    world: Console, browser: Browser, scheme: str, width: int
) -> None:
    wallet = Wallet(OWNER, spelled=OWNER.address.lower())
    page, wrong = await opened(browser, world.url, wallet, scheme, width)
    await fits(page, width)
    await photograph(page, f"login-{scheme}-{width}")
    assert wallet.signed == []  # a page that is only looked at asks the wallet nothing
    await page.get_by_role("button", name="Sign in with Ethereum").click()
    await page.wait_for_url(f"{world.url}/console")
    (text,) = wallet.signed
    assert parse_sign_in(text).domain == urlsplit(world.url).netloc
    assert await page.evaluate("document.cookie") == ""  # scripts miss it

    await page.get_by_label("One SELECT over the views").fill(DAYS)
    await page.locator("#plot-wanted").select_option("line")
    await page.keyboard.press("Tab")  # by the keyboard alone from here
    await page.get_by_label("One SELECT over the views").press("Control+Enter")
    await expect(page.locator("#answer-title")).to_have_text("59 rows")
    assert await page.locator("#answer polyline").count() == 1
    assert "log entry 0" in await page.locator("#answer .quiet").first.inner_text()
    await fits(page, width)
    await photograph(page, f"answer-{scheme}-{width}")
    await page.get_by_role("link", name="Later rows").press("Enter")
    await expect(page.get_by_text("page 2 of 2")).to_be_visible()
    await page.locator("#plot").select_option("bars")
    await page.get_by_role("button", name="Draw").click()
    await expect(page.locator("#answer rect.bar").first).to_be_attached()

    await page.locator("summary", has_text="Download or save").click()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="CSV").click()
    body = Path(await (await downloading.value).path()).read_text("utf-8")
    assert body.splitlines()[0] == "day,nodes"
    assert len(body.splitlines()) == 60

    await page.get_by_role("link", name="Access").click()
    await page.get_by_label("what for").fill(f"notebook {width}")
    await page.get_by_role("button", name="Make a token").click()
    assert (await page.locator(".secret").inner_text()).startswith("windrow_query_")
    await fits(page, width)
    await photograph(page, f"access-{scheme}-{width}")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{world.url}/console/login")
    assert wrong == []


async def test_a_question_is_stopped_by_its_button_and_by_leaving(world: Console, browser: Browser) -> None:
    page, wrong = await opened(browser, world.url, Wallet(ANALYST))
    await page.get_by_role("button", name="Sign in with Ethereum").click()
    await page.wait_for_url(f"{world.url}/console")
    await page.get_by_label("One SELECT over the views").fill(FOR_EVER)
    await page.get_by_role("button", name="Ask", exact=True).click(no_wait_after=True)
    await until_running(1)
    # by keys, since a locator would wait for the answer: Explain, documents of, plot, Stop
    for _ in range(4):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await until_running(0)
    await expect(page.locator("#running")).to_be_hidden()
    await page.keyboard.press("Control+Enter")  # Stop gave the editor the focus back
    await until_running(1)
    await page.close()
    await until_running(0)
    assert wrong == []


async def test_who_declines_or_has_no_role_is_told(world: Console, browser: Browser) -> None:
    for wallet, said in (
        (Wallet(ANALYST, declines=True), "You declined. Nothing was signed."),
        (Wallet(STRANGER), "This account has no role in the console"),
    ):
        page, _ = await opened(browser, world.url, wallet)
        await page.get_by_role("button", name="Sign in with Ethereum").click()
        await expect(page.locator("#said")).to_contain_text(said)
    page, _ = await opened(browser, world.url)
    assert not await page.get_by_role("button", name="Sign in with Ethereum").is_visible()
    assert await page.get_by_text("windrow operator login").is_visible()


async def test_saved_questions_are_all_that_support_sees(world: Console, browser: Browser) -> None:
    analyst = await world.entered(ANALYST)
    await analyst.post("/console/questions", name="Days", statement=DAYS, plot="bars")
    page, wrong = await opened(browser, world.url, Wallet(SUPPORT), width=360)
    await page.get_by_role("button", name="Sign in with Ethereum").click()
    await page.wait_for_url(f"{world.url}/console")
    assert await page.locator("textarea").count() == 0
    await page.get_by_role("button", name="Ask Days").click()
    await expect(page.locator("#answer-title")).to_have_text("59 rows")
    assert await page.locator("#answer rect.bar").count() == 40
    await fits(page, 360)
    await photograph(page, "support")
    assert wrong == []
