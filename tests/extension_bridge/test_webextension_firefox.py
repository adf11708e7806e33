"""The extension as it is shipped, in a real Firefox: a page is read after a click, reviewed, edited, given, withdrawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bridge_world import Coordinator, coordinator, new_home
from extension_world import EXTENSION, serve_article
from firefox_world import announce_host, browser


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


@pytest.fixture
async def article() -> AsyncIterator[str]:
    async with serve_article() as url:
        yield url


def value(selector: str) -> str:
    return f"document.querySelector('{selector}').value"


def text(selector: str) -> str:
    return f"(document.querySelector('{selector}')?.textContent ?? '')"


async def test_a_page_is_given_and_withdrawn_in_firefox(
    tmp_path: Path, place: Coordinator, article: str
) -> None:
    home, user = new_home(tmp_path / "node"), tmp_path / "user"
    await place.register(home)
    announce_host(user, home, place.url)
    async with browser(user) as bidi:
        await bidi.install(EXTENSION)
        front, *_ = await bidi.tabs()
        await front.goto(article)
        await bidi.click_toolbar()
        popup = await bidi.open_popup(front)
        await popup.until("document.querySelector('#node').hidden", False)
        await popup.click("#open-page")
        await popup.until("document.querySelector('#donation').hidden", False)
        assert await popup.run(value("#text")) == (
            "A day by the river\n\nThe hay lay in windrows, and nobody was in a hurry.\n\n"
            "Write to [EMAIL] or call [PHONE]. My card is [CARD]."
        )
        assert await popup.run(value("#title")) == "A day by the river – [EMAIL]"
        assert await popup.run("document.querySelector('#send').disabled")

        # What the person writes is checked as well, and shown again before it can leave.
        await popup.write("#text", "The hay lay in windrows. My sister is bo@example.org.")
        await popup.click("#agreed")
        await popup.click("#send")
        await popup.until(f"{text('#news')}.includes('More personal data was removed')")
        assert await popup.run(value("#text")) == "The hay lay in windrows. My sister is [EMAIL]."
        assert place.received() == []
        await popup.click("#agreed")
        await popup.click("#send")
        await popup.until(f"{text('#news')}.includes('received and signed for')")
        (received,) = place.received()
        assert received.records[0].text == "The hay lay in windrows. My sister is [EMAIL]."
        assert received.records[0].url == article.partition("?")[0]

        await popup.until(f"{text('#given .state')}.includes('received')")
        await popup.click("#given button")
        await popup.until(f"{text('#given .state')}.includes('withdrawn')")
        assert place.received() == []
