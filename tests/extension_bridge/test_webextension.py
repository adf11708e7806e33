"""The unpacked extension in a real Chromium, speaking to the real host and through it to a real coordinator."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bridge_world import Coordinator, coordinator, new_home
from real_data import ROOT

from contributor_node.chromium import find_chromium
from extension_bridge.install import HOST_NAME, PROGRAM, host_manifest
from extension_bridge.settings import CHROMIUM_EXTENSION_ID
from storage.env import Request, Response, Route, page_response
from storage.http_server import HttpNetwork
from windrow_protocol.errors import WindrowError

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import BrowserContext, Page, async_playwright, expect

EXTENSION = ROOT / "extension_bridge" / "webextension"
POPUP = f"chrome-extension://{CHROMIUM_EXTENSION_ID}/popup.html"
ARTICLE = """<!doctype html><html lang="en"><title>A day by the river – ana@example.org</title>
<nav>Home · About · Login</nav>
<article><h1>A day by the river</h1><p>The hay lay in windrows, and nobody was in a hurry.</p>
<p>Write to ana@example.org or call +49 30 1234567. My card is 4111 1111 1111 1111.</p>
<p hidden>never shown</p><form><input value="typed secret"></form></article></html>"""


def chromium() -> str:
    """Return a Chromium, or skip the calling test with the reason."""
    try:
        return find_chromium("", os.environ)
    except WindrowError as error:
        pytest.skip(str(error))


def unpacked_for_tests(folder: Path, language: str = "en") -> Path:
    """Copy the extension with leave to read loopback pages, and one language where a browser has no other packs.

    A click on the toolbar, which gives `activeTab`, cannot be made in a headless browser, nor can the browser's own
    question for `history` be answered; the rest is as shipped.
    """
    copied = folder / "extension"
    shutil.copytree(EXTENSION, copied)
    path = copied / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"host_permissions": ["http://127.0.0.1/*"], "default_locale": language}
    manifest["permissions"] += [
        "history"
    ]  # the question that a browser asks for it cannot be answered headless
    manifest["optional_permissions"] = ["scripting"]
    for other in (copied / "_locales").iterdir():
        if other.name != language:
            shutil.rmtree(other)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return copied


def announce_host(profile: Path, home: Path, coordinator_url: str) -> None:
    """Put the host's manifest where this profile looks for it, with a launcher as `windrow bridge install` writes."""
    launcher = home / "bridge_host"
    environment = (
        f"PYTHONPATH='{ROOT}' WINDROW_NODE_HOME='{home}' WINDROW_COORDINATOR_URL='{coordinator_url}'"
    )
    launcher.write_text(
        f'#!/bin/sh\n{environment} exec "{sys.executable}" -m {PROGRAM} "$@"\n',
        encoding="utf-8",
    )
    launcher.chmod(stat.S_IRWXU)
    folder = profile / "NativeMessagingHosts"
    folder.mkdir(parents=True)
    manifest = json.dumps(host_manifest("chromium", str(launcher)))
    (folder / f"{HOST_NAME}.json").write_text(manifest, encoding="utf-8")


@asynccontextmanager
async def browser(profile: Path, extension: Path) -> AsyncIterator[BrowserContext]:
    """Start Chromium with the extension."""
    switches = [
        f"--disable-extensions-except={extension}",
        f"--load-extension={extension}",
    ]
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            headless=True,
            ignore_default_args=["--disable-extensions"],
            args=[*switches, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
        )
        try:
            yield context
        finally:
            await context.close()


async def open_popup(context: BrowserContext, front: Page) -> Page:
    """Open the popup in a small window of its own, over the window that shows `front`."""
    opener = await context.new_page()
    await opener.goto(POPUP)
    await front.bring_to_front()
    async with context.expect_page() as opening:
        await opener.evaluate(
            "chrome.windows.create({url: 'popup.html', type: 'popup', width: 420, height: 900, focused: false})"
        )
    popup = await opening.value
    await opener.close()
    await popup.reload()
    return popup


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


@pytest.fixture
async def article() -> AsyncIterator[str]:
    async def show(_request: Request) -> Response:
        return page_response(ARTICLE)

    server = await HttpNetwork().serve([Route("GET", "/post", show, "A page")], host="127.0.0.1", port=0)
    yield f"{server.url}/post?session=s3cr3t"
    await server.close()


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
        await expect(row.locator(".state")).to_contain_text("withdrawal")
        await expect(row.get_by_role("button")).to_have_count(0)


async def look(popup: Page, folder: Path, name: str) -> None:
    """Take pictures in both colour schemes and check that nothing is cut off at the side of a browser's popup."""
    await popup.set_viewport_size({"width": 400, "height": 600})
    for scheme in ("light", "dark"):
        await popup.emulate_media(color_scheme=scheme)
        await popup.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
        assert await popup.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    await popup.emulate_media(color_scheme="light")


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
