"""The unpacked extension in a real Firefox, driven by WebDriver BiDi, which Firefox speaks without a driver beside it.

Source: W3C WebDriver BiDi (session, browsingContext, script, input, webExtension).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websockets
from extension_world import launcher_of

from extension_bridge.install import HOST_NAME, host_manifest
from extension_bridge.settings import FIREFOX_EXTENSION_ID

UUID = "5f0c1a52-7a6e-4a3c-9d0e-0f2b8a6d4c11"  # under which this profile knows the extension
POPUP = f"moz-extension://{UUID}/popup.html"
WAIT_S = 120
PREFERENCES: dict[str, Any] = {
    "extensions.webextensions.uuids": json.dumps({FIREFOX_EXTENSION_ID: UUID}),
    "extensions.webextOptionalPermissionPrompts": False,  # the browser's own question cannot be answered headless
    "extensions.originControls.grantByDefault": True,
    "intl.locale.requested": "en-US",
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    # All that is not on loopback goes to a door that nobody opens: a test asks no maker of a browser anything.
    "network.proxy.type": 1,
    **{f"network.proxy.{kind}": "127.0.0.1" for kind in ("http", "ssl")},
    **{f"network.proxy.{kind}_port": 9 for kind in ("http", "ssl")},
}


# What a click on the button does, from the browser's own window: its place may be in a menu that is closed.
_CLICK = f"""(async () => {{
  const {{ ExtensionParent }} = ChromeUtils.importESModule("resource://gre/modules/ExtensionParent.sys.mjs");
  const {{ extension }} = WebExtensionPolicy.getByID({json.dumps(FIREFOX_EXTENSION_ID)});
  await ExtensionParent.apiManager.global.browserActionFor(extension).triggerAction(window);
  for (const panel of document.querySelectorAll("panel")) panel.hidePopup();
}})().then(() => 0)"""


class BidiError(Exception):
    """What the browser refused, in its words."""


@dataclass
class Tab:
    """One browsing context."""

    bidi: Bidi
    context: str

    async def goto(self, url: str) -> None:
        await self.bidi.ask("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def run(self, expression: str) -> Any:
        """Return what an expression comes to; a promise is waited for."""
        target = {"context": self.context}
        wanted = f"Promise.resolve({expression}).then(value => JSON.stringify(value) ?? 'null')"
        told = await self.bidi.ask("script.evaluate", expression=wanted, target=target, awaitPromise=True)
        if told["type"] != "success":
            raise BidiError(told["exceptionDetails"]["text"])
        return json.loads(told["result"]["value"])

    async def until(self, expression: str, wanted: Any = True) -> None:
        """Wait until an expression comes to what is wanted; the page itself looks again and again."""
        is_there = (
            f"() => {{ try {{ return ({expression}) === {json.dumps(wanted)}; }} catch {{ return false; }} }}"
        )
        look = "() => isThere() ? done(true) : setTimeout(look, 20)"
        await self.run(
            f"new Promise((done) => {{ const isThere = {is_there}; const look = {look}; look(); }})"
        )

    async def click(self, selector: str) -> None:
        """Click as a person does, which the browser counts as one."""
        found = await self.bidi.ask(
            "browsingContext.locateNodes",
            context=self.context,
            locator={"type": "css", "value": selector},
            maxNodeCount=1,
        )
        (node,) = found["nodes"]
        await self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        origin = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        moves = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        actions = [{"type": "pointer", "id": "mouse", "actions": moves}]
        await self.bidi.ask("input.performActions", context=self.context, actions=actions)

    async def write(self, selector: str, words: str) -> None:
        """Replace what a field holds, as a person who marks all and types."""
        await self.click(selector)
        await self.run(f"document.querySelector({json.dumps(selector)}).select()")
        keys = [{"type": kind, "value": each} for each in words for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": keys}]
        await self.bidi.ask("input.performActions", context=self.context, actions=actions)


@dataclass
class Bidi:
    """One session of WebDriver BiDi."""

    socket: Any
    numbers: Any = field(default_factory=itertools.count)

    async def ask(self, method: str, **params: Any) -> Any:
        """Send a command and return its result; events are passed over."""
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(WAIT_S):
            while True:
                told = json.loads(await self.socket.recv())
                if told.get("id") == number:
                    break
        if told["type"] == "error":
            raise BidiError(f"{method}: {told['error']}: {told['message']}")
        return told["result"]

    async def tabs(self) -> list[Tab]:
        """Return the tabs that are open."""
        tree = await self.ask("browsingContext.getTree", maxDepth=0)
        return [Tab(self, each["context"]) for each in tree["contexts"]]

    async def install(self, extension: Path) -> str:
        """Install the unpacked extension and return its id."""
        data = {"type": "path", "path": str(extension)}
        return str((await self.ask("webExtension.install", extensionData=data))["extension"])

    async def click_toolbar(self) -> None:
        """Click the extension's button, which gives it `activeTab`, and close the popup that opens."""
        tree = await self.ask("browsingContext.getTree", maxDepth=0, **{"moz:scope": "chrome"})
        window = Tab(self, tree["contexts"][0]["context"])
        await window.run(_CLICK)

    async def open_popup(self, front: Tab) -> Tab:
        """Open the popup's page in a window of its own, over the window that shows `front`."""
        opener = Tab(self, (await self.ask("browsingContext.create", type="tab"))["context"])
        await opener.goto(POPUP)
        before = {tab.context for tab in await self.tabs()}
        await self.ask("browsingContext.activate", context=front.context)
        asked = "{url: 'popup.html', type: 'popup', width: 420, height: 900}"
        await opener.run(f"browser.windows.create({asked}).then(() => 0)")
        (popup,) = [tab for tab in await self.tabs() if tab.context not in before]
        await popup.goto(POPUP)  # its first loading may still be under way
        await self.ask("browsingContext.close", context=opener.context)
        return popup


def firefox() -> str:
    """Return a Firefox, or skip the calling test with the reason."""
    named = os.environ.get("WINDROW_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    if not named:
        pytest.skip("Firefox is not installed (Debian: firefox-esr)")
    return named


def announce_host(user_home: Path, node_home: Path, coordinator_url: str) -> None:
    """Put the host's manifest where a Firefox of this user looks for it."""
    launcher = launcher_of(node_home, coordinator_url)
    folder = user_home / ".mozilla" / "native-messaging-hosts"
    folder.mkdir(parents=True)
    manifest = json.dumps(host_manifest("firefox", str(launcher)))
    (folder / f"{HOST_NAME}.json").write_text(manifest, encoding="utf-8")


@asynccontextmanager
async def browser(user_home: Path) -> AsyncIterator[Bidi]:
    """Start Firefox with a profile of its own and end it."""
    profile = user_home / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    words = (
        "--headless",
        "--no-remote",
        "--profile",
        str(profile),
        "--remote-debugging-port",
        "0",
        "--remote-allow-system-access",
    )
    process = await asyncio.create_subprocess_exec(
        firefox(),
        *words,
        env={**os.environ, "HOME": str(user_home), "MOZ_CRASHREPORTER_DISABLE": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(WAIT_S):
            while not (found := re.search(rb"ws://[\d.:]+", await process.stderr.readline())):
                assert process.returncode is None
        drain = asyncio.create_task(process.stderr.read())
        async with websockets.connect(f"{found[0].decode()}/session", max_size=None) as socket:
            bidi = Bidi(socket)
            await bidi.ask("session.new", capabilities={})
            yield bidi
            await bidi.ask("browser.close")
        await drain
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
