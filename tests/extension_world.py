"""The unpacked extension in a real Chromium, and a page to give."""

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
from real_data import ROOT

from contributor_node.crawling.chromium import find_chromium
from extension_bridge.install import HOST_NAME, PROGRAM, host_manifest
from extension_bridge.settings import CHROMIUM_EXTENSION_ID
from storage.env import Request, Response, Route, page_response
from storage.http_server import HttpNetwork
from windrow_protocol.errors import WindrowError

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import BrowserContext, Page, async_playwright, expect

# a bound for what never comes; a message starts a process, and machines are slow
expect.set_options(timeout=60_000)

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


def launcher_of(home: Path, coordinator_url: str) -> Path:
    """Write a launcher as `windrow bridge install` does, and return its path."""
    launcher = home / "bridge_host"
    environment = (
        f"PYTHONPATH='{ROOT}' WINDROW_NODE_HOME='{home}' WINDROW_COORDINATOR_URL='{coordinator_url}'"
    )
    launcher.write_text(
        f'#!/bin/sh\n{environment} exec "{sys.executable}" -m {PROGRAM} "$@"\n',
        encoding="utf-8",
    )
    launcher.chmod(stat.S_IRWXU)
    return launcher


def announce_host(profile: Path, home: Path, coordinator_url: str) -> None:
    """Put the host's manifest where this profile looks for it."""
    launcher = launcher_of(home, coordinator_url)
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


async def look(popup: Page, folder: Path, name: str) -> None:
    """Take pictures in both colour schemes and check that nothing is cut off at the side of a browser's popup."""
    await popup.set_viewport_size({"width": 400, "height": 600})
    for scheme in ("light", "dark"):
        await popup.emulate_media(color_scheme=scheme)
        if "WINDROW_SCREENSHOTS" in os.environ:
            await popup.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
        assert await popup.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    await popup.emulate_media(color_scheme="light")


@asynccontextmanager
async def serve_article() -> AsyncIterator[str]:
    """Serve one page on loopback and give its address."""

    async def show(_request: Request) -> Response:
        return page_response(ARTICLE)

    server = await HttpNetwork().serve([Route("GET", "/post", show, "A page")], host="127.0.0.1", port=0)
    yield f"{server.url}/post?session=s3cr3t"
    await server.close()
