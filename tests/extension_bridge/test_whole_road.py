"""From the browser to the coordinator and back: pair, put aside, edit, send, see what it earned, take it back."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from crawl_sites import wall_ms
from dashboard_world import paying_coordinator
from extension_world import browser, look, open_popup, serve_article, unpacked_for_tests
from node_world import NodeProcess, clean_environment, node, until
from real_data import ROOT

from extension_bridge.outbox import Outbox
from extension_bridge.pairing import Pairing
from rewards.accountant import run_accountant

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Page, expect

SECRET = "The hay lay in windrows"


@asynccontextmanager
async def bridge_serve(home: Path, url: str) -> AsyncIterator[int]:
    """Run `windrow bridge serve` on a free port until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "windrow.cli", "bridge", "serve"),
        *("--port", "0", "--node-home", str(home), "--coordinator", url),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
    )
    assert process.stdout
    try:
        ready = (await process.stdout.readline()).decode()
        yield int(ready.rpartition(":")[2].partition("/")[0])
    finally:
        process.terminate()
        await process.wait()


def with_port(extension: Path, port: int) -> Path:
    """Have an unpacked copy of the extension speak to a bridge on another port than the usual one."""
    for name in ("manifest.json", "bridge.js"):
        path = extension / name
        path.write_text(path.read_text(encoding="utf-8").replace("8431", str(port)), encoding="utf-8")
    return extension


def states(home: Path) -> list[str]:
    with Outbox.open(home / "bridge.db") as outbox:
        return [kept.state for kept in outbox.all(10)]


async def test_a_page_goes_all_the_way_and_comes_back(tmp_path: Path) -> None:
    home = tmp_path / "node"
    async with (
        paying_coordinator(tmp_path / "house") as house,
        serve_article() as url,
        node(home, house.url, "--poll-s", "3600") as running,
        bridge_serve_when_ready(home, house.url) as port,
        browser(tmp_path / "profile", with_port(unpacked_for_tests(tmp_path), port)) as context,
    ):
        front = context.pages[0]
        await front.goto(url)
        popup = await open_popup(context, front)
        await paired_and_steered(popup, home, running)
        await put_aside(popup, tmp_path)
        async with context.expect_page() as opening:
            await popup.get_by_role("button", name="Look through and send (2 waiting)").click()
        desk = await opening.value
        await reviewed_and_sent(desk, home)
        run_accountant(house.house)
        await credited(popup, desk, tmp_path)
        given = popup.locator("#given li")
        await given.get_by_role("button", name="Withdraw").click()
        await expect(given).to_contain_text("withdrawn")
        removals = await asyncio.to_thread(removed_ids, house.url)
        with Outbox.open(home / "bridge.db") as outbox:
            assert removals == [kept.contribution_id for kept in outbox.all(10)]
    for folder in (home, tmp_path / "house"):
        holders = [p for p in folder.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
        assert holders == []


async def paired_and_steered(popup: Page, home: Path, running: NodeProcess) -> None:
    """The extension finds the bridge by a code, and pauses and resumes the node."""
    await expect(popup.get_by_role("alert")).to_contain_text("The bridge was not found")
    await popup.get_by_label("windrow bridge pair").fill(Pairing(home, wall_ms).offer())
    await popup.get_by_role("button", name="Pair").click()
    await expect(popup.locator("#node-heading")).to_have_text("Ready")
    await expect(popup.locator("#node-earned")).to_have_text("Earned today: 0 WIND")
    await popup.get_by_role("button", name="Pause", exact=True).click()
    await expect(popup.locator("#node-heading")).to_have_text("Paused")
    await until(lambda: running.status["may_work"] == "paused", "the pause")
    await popup.get_by_role("button", name="Resume").click()
    await expect(popup.locator("#node-heading")).to_have_text("Ready")


async def put_aside(popup: Page, tmp_path: Path) -> None:
    """A visit and a page are put aside on this computer, and nothing leaves."""
    await popup.get_by_role("button", name="Donate from my history").click()
    visits = popup.locator("#visits li")
    await expect(visits).to_have_count(1)
    await visits.get_by_role("checkbox").check()
    await popup.locator("#put-visits-aside").click()
    await expect(popup.locator("#news")).to_contain_text("1 put aside on this computer")

    await popup.get_by_role("button", name="Donate this page").click()
    await expect(popup.locator("#title")).to_have_value("A day by the river – [EMAIL]")
    await popup.locator("#put-page-aside").click()
    await expect(popup.locator("#news")).to_contain_text("1 put aside on this computer")
    await look(popup, tmp_path, "aside")


async def reviewed_and_sent(desk: Page, home: Path) -> None:
    """One row is deleted and the other edited; it leaves only when it is agreed to and sent."""
    rows = desk.locator(".review tbody tr")
    await expect(rows).to_have_count(2)
    await rows.nth(0).get_by_text("Edit or delete").click()
    await rows.nth(0).get_by_role("button", name="Delete this row").click()
    await expect(rows).to_have_count(1)
    await rows.nth(0).get_by_text("Edit or delete").click()
    await rows.nth(0).get_by_label("Title").fill("The river")
    await rows.nth(0).get_by_role("button", name="Save").click()
    await expect(rows.nth(0).locator("strong")).to_have_text("The river")
    await desk.get_by_label("Give “The river”").check()
    await desk.get_by_role("button", name="Give the chosen rows").click()
    await desk.get_by_label("I have read what would leave").check()
    await desk.get_by_role("button", name="Send", exact=True).click()
    await expect(desk.get_by_role("heading", name="1 row will leave")).to_be_visible()
    assert states(home) == [], "nothing has left"
    await desk.get_by_role("button", name="Send now").click()
    await until(lambda: states(home) == ["delivered"], "the receipt")


async def credited(popup: Page, desk: Page, tmp_path: Path) -> None:
    """The dashboard and the extension say what the month is, and what it earned."""
    await desk.get_by_role("link", name="Money", exact=True).click()
    await expect(desk.get_by_text("Personal data earns by the month").first).to_be_visible()
    await popup.reload()
    given = popup.locator("#given li")
    await expect(given).to_contain_text("The river")
    await expect(given).to_contain_text("received")
    await expect(popup.locator("#months li")).to_contain_text("waits to be looked at")
    await expect(popup.locator("#months li")).to_contain_text("0 WIND pending, 0 WIND yours")
    await look(popup, tmp_path, "credit")


@asynccontextmanager
async def bridge_serve_when_ready(home: Path, url: str) -> AsyncIterator[int]:
    """Wait for the node to be known to its coordinator, then serve."""
    await until(lambda: (home / "status.json").exists() and (home / "dashboard.json").exists(), "the node")
    async with bridge_serve(home, url) as port:
        yield port


def removed_ids(url: str) -> list[str]:
    with build_opener(ProxyHandler({})).open(f"{url}/v1/personal/removals") as answer:
        return list(json.load(answer)["ids"])
