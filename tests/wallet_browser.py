"""A real Chromium, with a wallet in it, as an extension injects one.

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
from eth_account.messages import encode_defunct
from page_checks import PROVIDER

from contributor_node.crawling.chromium import find_chromium
from windrow_protocol.errors import WindrowError

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, async_playwright

PATIENCE_MS = 120_000  # a sale waits for blocks, and the machine may be busy


@dataclass
class Wallet:
    """Answers as a wallet does, and keeps what it was asked to sign."""

    key: Any
    chain_id: int = 31_337
    declines: bool = False
    spelled: str = ""  # how it writes its address; empty: with its checksum
    signed: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def answer(self, text: str) -> str:
        asked = json.loads(text)
        self.asked.append(asked["method"])
        match asked["method"]:
            case "eth_requestAccounts":
                return json.dumps({"result": [self.spelled or self.key.address]})
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
            case "personal_sign" if not self.declines:
                text = bytes.fromhex(asked["params"][0][2:]).decode()
                self.signed.append(text)
                signed = self.key.sign_message(encode_defunct(text=text))
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
