"""The extension as it is shipped, in a real Firefox: a page is read after a click, reviewed, edited, given, withdrawn.

Where the browser finds no host it is paired by a code, over the loopback WebSocket.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bridge_world import Coordinator, coordinator, new_home
from extension_world import EXTENSION, serve_article
from firefox_world import POPUP, announce_host, browser

from contributor_node.bridge_host import HomeRemote
from extension_bridge.loopback import PORT, serve
from extension_bridge.native_host import clock_ms, open_host
from extension_bridge.pairing import Pairing


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


@contextmanager
def loopback(home: Path, url: str) -> Iterator[tuple[Pairing, int]]:
    """Serve the bridge's WebSocket on a port of its own."""
    pairing = Pairing(home, clock_ms)
    with open_host(home, url, HomeRemote) as host, serve(host.answer, pairing, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield pairing, server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def speaking_to(port: int, folder: Path) -> Path:
    """Copy the extension with another port for the bridge; the rest is as shipped."""
    copied = folder / "extension"
    shutil.copytree(EXTENSION, copied)
    for name in ("bridge.js", "manifest.json"):
        said = (copied / name).read_text(encoding="utf-8")
        assert f"127.0.0.1:{PORT}" in said
        (copied / name).write_text(said.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}"), encoding="utf-8")
    return copied


async def test_firefox_is_paired_by_a_code_where_it_finds_no_host(tmp_path: Path) -> None:
    home = new_home(tmp_path / "node")
    with loopback(home, "http://127.0.0.1:1") as (pairing, port):
        async with browser(tmp_path / "user") as bidi:
            await bidi.install(speaking_to(port, tmp_path))
            popup, *_ = await bidi.tabs()
            await popup.goto(POPUP)
            await popup.until("document.querySelector('#pairing').hidden", False)
            await popup.write("#code", "00000000")
            await popup.click("#pairing button")
            await popup.until(f"{text('#trouble-sentence')}.length > 0")
            await popup.write("#code", pairing.offer())
            await popup.click("#pairing button")
            await popup.until("document.querySelector('#node').hidden", False)
            assert await popup.run("document.querySelector('#pairing').hidden")
            await popup.goto(POPUP)
            await popup.until("document.querySelector('#node').hidden", False)
