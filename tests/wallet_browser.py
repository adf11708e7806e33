"""A real Chromium with a wallet in it, as an extension injects one, and what is measured of the pages it shows.

The wallet is an EIP-1193 provider that signs by a real key; what it stands for is the wallet and nothing of ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from contributor_node.chromium import find_chromium
from windrow_protocol.errors import WindrowError

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, async_playwright

PATIENCE_MS = 120_000  # a sale waits for blocks, and the machine may be busy
PROVIDER = """window.ethereum = { request: async (asked) => {
  const answer = JSON.parse(await window.askWallet(JSON.stringify(asked)));
  if (answer.error) throw Object.assign(new Error(answer.error), { code: answer.code });
  return answer.result;
} };"""
NAMELESS = """() => [...document.querySelectorAll("a, button, input, svg[role=img], summary")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.innerText || each.labels?.[0]?.innerText
    || (each.getAttribute("aria-labelledby") || "").split(" ").every((id) => document.getElementById(id)?.textContent)))
  .map((each) => each.outerHTML.slice(0, 120))"""

# The text that is hardest to read: its contrast with the first painted background behind it (WCAG 2.2, 1.4.3).
FAINTEST = r"""() => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = [99, ""];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest("title, desc")) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [one, other] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < worst[0]) worst = [contrast, text.slice(0, 60)];
  }
  return worst;
}"""


@dataclass
class Wallet:
    """Answers as a wallet does, and keeps what it was asked to sign."""

    key: Any
    chain_id: int = 31_337
    declines: bool = False
    signed: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def answer(self, text: str) -> str:
        asked = json.loads(text)
        self.asked.append(asked["method"])
        match asked["method"]:
            case "eth_requestAccounts":
                return json.dumps({"result": [self.key.address]})
            case "eth_chainId":
                return json.dumps({"result": hex(self.chain_id)})
            case "wallet_switchEthereumChain":
                self.chain_id = int(asked["params"][0]["chainId"], 16)
                return json.dumps({"result": None})
            case "eth_signTypedData_v4" if not self.declines:
                account, message = asked["params"][0], json.loads(asked["params"][1])
                assert account == self.key.address
                self.signed.append(message)
                signed = self.key.sign_typed_data(full_message=message)
                return json.dumps({"result": "0x" + bytes(signed.signature).hex()})
        return json.dumps({"error": "User rejected the request.", "code": 4001})


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start it, or skip with the reason."""
    try:
        path = find_chromium("", os.environ)
    except WindrowError:
        pytest.skip("no Chromium is installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


async def opened(
    browser: Browser, url: str, wallet: Wallet | None = None, scheme: Any = "light", width: int = 1200
) -> tuple[Page, list[str]]:
    """Return a page of a new profile, and what it complained about and asked of others than this market."""
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    origin = "/".join(url.split("/")[:3])
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((origin, "data:", "blob:")) else wrong.append(asked.url),
    )
    if wallet is not None:
        await page.expose_function("askWallet", wallet.answer)
        await page.add_init_script(PROVIDER)
    await page.goto(url)
    return page, wrong


async def readable(page: Page) -> None:
    contrast, text = await page.evaluate(FAINTEST)
    assert contrast >= 4.5, f"{text!r} has a contrast of {contrast:.2f}"
