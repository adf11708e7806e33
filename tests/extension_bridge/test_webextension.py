"""The unpacked extension in a real Chromium, speaking to the real host and through it to a real coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bridge_world import Coordinator, coordinator, new_home
from extension_world import announce_host, browser, look, open_popup, serve_article, unpacked_for_tests

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import expect


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


@pytest.fixture
async def article() -> AsyncIterator[str]:
    async with serve_article() as url:
        yield url


async def test_a_page_is_reviewed_edited_given_and_withdrawn(
    tmp_path: Path, place: Coordinator, article: str
) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)
    profile = tmp_path / "profile"
    announce_host(profile, home, place.url)
    async with browser(profile, unpacked_for_tests(tmp_path)) as context:
        front = context.pages[0]
        await front.goto(article)
        popup = await open_popup(context, front)
        await popup.get_by_role("button", name="Donate this page").click()

        text, send = popup.locator("#text"), popup.locator("#send")
        await expect(text).to_have_value(
            "A day by the river\n\nThe hay lay in windrows, and nobody was in a hurry.\n\n"
            "Write to [EMAIL] or call [PHONE]. My card is [CARD]."
        )
        await expect(popup.locator("#title")).to_have_value("A day by the river – [EMAIL]")
        await expect(popup.locator("#address")).to_have_text(article.partition("?")[0])
        await expect(popup.locator("#removed li")).to_have_text(
            ["card numbers: 1", "e-mail addresses: 2", "phone numbers: 1"]
        )
        await expect(popup.locator("#notice")).to_contain_text("365 days")
        await expect(send).to_be_disabled()
        await look(popup, tmp_path, "review")

        # What the person writes is checked as well, and shown again before it can leave.
        await text.fill("The hay lay in windrows. My sister is bo@example.org.")
        await popup.locator("#agreed").check()
        await send.click()
        await expect(popup.locator("#news")).to_contain_text("More personal data was removed")
        await expect(text).to_have_value("The hay lay in windrows. My sister is [EMAIL].")
        assert place.received() == []
        await popup.locator("#retention").select_option("90")
        await expect(popup.locator("#notice")).to_contain_text("90 days")
        await popup.locator("#agreed").check()
        await send.click()
        await expect(popup.locator("#news")).to_contain_text("received and signed for")

        (received,) = place.received()
        assert received.records[0].text == "The hay lay in windrows. My sister is [EMAIL]."
        assert received.records[0].url == article.partition("?")[0]
        row = popup.locator("#given li")
        await expect(row.locator(".state")).to_contain_text("received")
        await look(popup, tmp_path, "given")
        await row.get_by_role("button").click()
        await expect(row.locator(".state")).to_contain_text("withdrawn")
        await expect(row.get_by_role("button")).to_have_count(0)


async def test_troubles_are_said_with_their_remedy(tmp_path: Path, article: str) -> None:
    async with browser(tmp_path / "profile", unpacked_for_tests(tmp_path)) as context:
        front = context.pages[0]
        await front.goto(article)
        popup = await open_popup(context, front)
        await expect(popup.get_by_role("alert")).to_contain_text("The bridge was not found")
        await expect(popup.get_by_role("alert")).to_contain_text("windrow bridge install")
        await front.goto("about:blank")
        await popup.reload()
        await popup.get_by_role("button", name="Donate this page").click()
        await expect(popup.get_by_role("alert")).to_contain_text("This page cannot be donated")
        box = await popup.get_by_label("windrow bridge pair").bounding_box()
        assert box is not None
        assert box["width"] > 100, "or eight digits are typed into what looks like a box to tick"
        await look(popup, tmp_path, "trouble")


async def test_the_popup_can_be_used_without_a_mouse_and_names_everything(
    tmp_path: Path, place: Coordinator, article: str
) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)
    announce_host(tmp_path / "profile", home, place.url)
    async with browser(tmp_path / "profile", unpacked_for_tests(tmp_path, "de")) as context:
        front = context.pages[0]
        await front.goto(article)
        popup = await open_popup(context, front)
        await popup.locator("#open-page").focus()
        await popup.keyboard.press("Enter")
        await expect(popup.locator("#donation")).to_be_visible()
        await expect(popup.locator("html")).to_have_attribute("lang", "de")
        await expect(popup.locator("#donation h2").first).to_have_text("Diese Seite spenden")
        await expect(popup.locator("#notice")).to_contain_text("365 Tage")
        unnamed = await popup.evaluate(
            "[...document.querySelectorAll('input, textarea, select')].filter((e) => !e.labels.length).map((e) => e.id)"
        )
        assert unnamed == []
        await popup.locator("#title").focus()
        walked = []
        for _ in range(5):
            walked.append(await popup.evaluate("document.activeElement.id"))
            await popup.keyboard.press("Tab")
        assert walked[:4] == ["title", "text", "retention", "agreed"]
        await popup.locator("#agreed").focus()
        await popup.keyboard.press("Space")
        await expect(popup.locator("#send")).to_be_enabled()
        await look(popup, tmp_path, "german")
