"""Looking through what would leave, in a real Chromium: edit, mask, delete, agree, undo, send and take back."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
import sqlalchemy as sa
from crawl_sites import wall_ms
from node_world import Coordinator, NodeProcess, coordinator, node, until

from contributor_node.crawling.chromium import find_chromium
from contributor_node.dashboard.link_file import new_link
from extension_bridge.donation import Page as GivenPage
from extension_bridge.donation import Piece as GivenPiece
from extension_bridge.drafts import Drafts
from extension_bridge.outbox import Outbox
from extension_bridge.sources import Source
from storage.tables.contributions import consents
from windrow_protocol.errors import WindrowError

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, async_playwright, expect

expect.set_options(timeout=60_000)  # a bound for what never comes, not a wait
pytestmark = pytest.mark.asyncio(loop_scope="module")
HOSTILE = "<script>document.title='hit'</script> \u202egnp.exe"
TEXTS = [
    "Plover wrote to ana@example.org about the hay. PLOVER called +49 30 1234567.\n\nThe rake stands behind the barn.",
    "A second page, about rain. Ploverton is a town.",
    f"A page that must not leave. {HOSTILE}",
]


@dataclass
class World:
    house: Coordinator
    node: NodeProcess
    browser: Browser

    async def open(
        self, scheme: Literal["light", "dark"] = "light", width: int = 1200, locale: str = "en-GB"
    ) -> Page:
        """Return the page of a browser that was let in."""
        context = await self.browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, locale=locale
        )
        page = await context.new_page()
        await page.goto(new_link(self.node.home, wall_ms()))
        give = "Spenden" if locale.startswith("de") else "Give"
        await page.get_by_role("link", name=give, exact=True).click()
        return page

    def languages(self) -> set[str]:
        """In which languages the consents that arrived were asked."""
        with self.house.house.state.read() as connection:
            tokens = connection.execute(sa.select(consents.c.consent_jws)).scalars()
            return {content_of(token)["notice_language"] for token in tokens}

    def received(self) -> int:
        with self.house.house.state.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(consents)).scalar_one())

    def states(self) -> list[str]:
        with Outbox.open(self.node.home / "bridge.db") as outbox:
            return [kept.state for kept in outbox.all(100)]


def content_of(token: str) -> dict[str, Any]:
    """What a token signs, unchecked: the coordinator has checked it."""
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["content"])


def put_aside(home: Path, texts: list[str], first: int = 0) -> None:
    pages = [
        GivenPage(f"https://farm.example/plover/{n}?q=secret", f"Note {n}", text, 1_700_000_000_000 + n)
        for n, text in enumerate(texts, first)
    ]
    with Outbox.open(home / "bridge.db") as outbox:
        added, refused = Drafts(outbox.file).put(pages, "browser_page")
    assert (added, refused) == (len(texts), [])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    try:
        path = find_chromium("", os.environ)
    except WindrowError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("give")
    async with (
        coordinator(folder / "house") as house,
        node(folder / "node", house.url, "--poll-s", "3600") as running,
        async_playwright() as playwright,
    ):
        await until(lambda: (running.home / "coordinator.json").exists(), "the first contact")
        await until(lambda: (running.home / "dashboard.json").exists(), "the dashboard")
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=sandbox)
        yield World(house, running, browser)
        await browser.close()


async def look(page: Page, folder: Path, name: str) -> None:
    """Check, wide and narrow, that nothing has to be scrolled sideways; take pictures for who asks for them."""
    for width in (1200, 360):
        await page.set_viewport_size({"width": width, "height": 900})
        if "WINDROW_SCREENSHOTS" in os.environ:
            await page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide == 0, f"{name} at {width}"
    await page.set_viewport_size({"width": 1200, "height": 900})


async def test_what_is_put_aside_is_looked_through_edited_and_sent(world: World, tmp_path: Path) -> None:
    put_aside(world.node.home, TEXTS)
    page = await world.open()
    rows = page.locator(".review tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(0)).to_contain_text("[EMAIL]")
    await expect(rows.nth(0)).to_contain_text("1 e-mail address: somebody can be reached there")
    await expect(rows.nth(0)).to_contain_text("a month of visits earns as one")
    await expect(rows.nth(0)).not_to_contain_text("secret")
    assert "hit" not in await page.title()
    await look(page, tmp_path, "rows")

    await page.get_by_label("Take out a word").fill("plover")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Taken out 5 times")
    await expect(rows.nth(0).locator("pre")).to_contain_text("[MASKED] wrote")
    await expect(rows.nth(0)).to_contain_text("farm.example/[MASKED]/0")
    await expect(rows.nth(1).locator("pre")).to_contain_text("Ploverton is a town")

    await rows.nth(0).get_by_text("Edit or delete").click()
    await rows.nth(0).get_by_label("Text").fill("I edited this. My brother is bo@example.org.")
    await rows.nth(0).get_by_role("button", name="Save").click()
    await expect(rows.nth(0).locator("pre")).to_have_text("I edited this. My brother is [EMAIL].")
    await rows.nth(2).get_by_text("Edit or delete").click()
    await rows.nth(2).get_by_role("button", name="Delete this row").click()
    await expect(rows).to_have_count(2)

    await page.get_by_role("button", name="Give the chosen rows").click()
    await expect(page.get_by_role("status")).to_contain_text("no row was chosen")
    await page.get_by_role("link", name="Choose all rows shown").click()
    await page.get_by_label("Keep for").select_option("90")
    await page.get_by_role("button", name="Give the chosen rows").click()
    await expect(page.get_by_text("kept for 90 days at most")).to_be_visible()
    await look(page, tmp_path, "agree")
    await page.get_by_label("I have read what would leave").check()
    await page.get_by_label("Time to change your mind").select_option("86400")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_role("heading", name="2 rows will leave")).to_be_visible()
    await look(page, tmp_path, "leaving")
    assert (world.received(), world.states()) == (0, [])

    await page.get_by_role("button", name="Undo").click()
    await expect(rows).to_have_count(2)
    assert (world.received(), world.states()) == (0, [])

    await page.get_by_label("Give “Note 0”").check()
    await page.get_by_role("button", name="Give the chosen rows").click()
    await page.get_by_label("I have read what would leave").check()
    await page.get_by_role("button", name="Send", exact=True).click()
    await page.get_by_role("button", name="Send now").click()
    await until(lambda: world.states() == ["delivered"], "the receipt")
    assert world.received() == 1
    await page.goto(page.url)
    given = page.locator(".works > li")
    await expect(given).to_contain_text("delivered, receipt signed")
    await look(page, tmp_path, "given")
    await given.get_by_role("button", name="Take “Note 0” back").click()
    await expect(given).to_contain_text("being taken back")  # the answer was written before the carrier woke
    await page.context.close()


async def test_a_row_changed_meanwhile_is_not_sent(world: World) -> None:
    put_aside(world.node.home, ["As it was shown."], first=70)
    page = await world.open()
    await page.get_by_label("Give “Note 70”").check()
    await page.get_by_role("button", name="Give the chosen rows").click()
    with Outbox.open(world.node.home / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        (item,) = [each for each in drafts.open_items(50) if each.title == "Note 70"]
        drafts.edit(item.draft_id, item.title, "As it is now.")
    await page.get_by_label("I have read what would leave").check()
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("changed since it was looked at")
    with Outbox.open(world.node.home / "bridge.db") as outbox:
        assert Drafts(outbox.file).counts()["leaving"] == 0
    await page.context.close()


async def test_it_all_works_from_the_keyboard_and_in_the_dark(world: World, tmp_path: Path) -> None:
    put_aside(world.node.home, ["By keyboard only."], first=80)
    page = await world.open("dark")
    box = page.get_by_label("Give “Note 80”")
    await box.focus()
    await page.keyboard.press("Space")
    await expect(box).to_be_checked()
    nameless = await page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), textarea, select, button')]"
        ".filter((e) => !(e.labels?.[0] ?? e).textContent.trim()).map((e) => e.outerHTML)"
    )
    assert nameless == []
    await page.get_by_role("button", name="Give the chosen rows").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Agree, then send")
    await look(page, tmp_path, "agree-dark")
    await page.get_by_label("I have read what would leave").focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="1 row will leave")).to_be_visible()
    await look(page, tmp_path, "leaving-dark")
    await page.get_by_role("button", name="Undo").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="1 row will leave")).to_have_count(0)
    await page.context.close()


async def test_a_long_text_is_taken_from_a_session_only(world: World) -> None:
    put_aside(world.node.home, ["Short."], first=90)
    page = await world.open()
    long_text = "The hay lay in windrows. " * 4_000
    row = page.locator(".review tbody tr", has_text="Note 90").first
    await row.get_by_text("Edit or delete").click()
    await row.get_by_label("Text").fill(long_text)
    await row.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").first).to_contain_text("Saved")
    stranger = await world.browser.new_context()
    answer = await stranger.request.post(
        page.url.partition("?")[0], form={"do": "edit", "text": long_text}, max_redirects=0
    )
    assert answer.status == 413
    await stranger.close()
    await page.context.close()


def put_export_aside(home: Path) -> None:
    pieces: list[tuple[Source, GivenPiece]] = [
        (
            "ai_prompt",
            GivenPiece(
                text="How dry must hay be?\n> Bo wrote: call +49 30 1234567\nI am ana@example.org.",
                captured_at_ms=1_790_000_000_000,
                author="self",
            ),
        ),
        (
            "transaction",
            GivenPiece(
                title="PLOVER FEED 4711-0815 LEIPZIG",
                text="private",
                amount="-43.17 EUR",
                captured_at_ms=1_790_000_000_000,
            ),
        ),
        ("listen", GivenPiece(title="Haymaker’s song", text="The Larks", captured_at_ms=1_790_000_000_000)),
    ]
    with Outbox.open(home / "bridge.db") as outbox:
        assert Drafts(outbox.file).put_pieces(pieces) == (3, [])


async def test_items_of_an_export_are_read_edited_agreed_to_and_taken_back(
    world: World, tmp_path: Path
) -> None:
    put_export_aside(world.node.home)
    page = await world.open()
    rows = page.locator(".review tbody tr", has_text="September 2026")
    await expect(rows).to_have_count(3)
    prompt, payment, song = rows.nth(0), rows.nth(1), rows.nth(2)
    await expect(prompt.locator("pre")).to_have_text("How dry must hay be?\n[QUOTE]\nI am [EMAIL].")
    await expect(prompt).to_contain_text("1 quoted passage: somebody else wrote it")
    await expect(prompt).to_contain_text("It earns nothing")
    await expect(payment).to_contain_text("PLOVER FEED [NUMBER] LEIPZIG")
    await expect(payment).to_contain_text("A payment of yours, about 40 EUR, September 2026")
    await expect(payment).not_to_contain_text("private")
    await expect(song).to_contain_text("The Larks")
    await look(page, tmp_path, "exports")
    await page.emulate_media(color_scheme="dark")
    await look(page, tmp_path, "exports-dark")

    await payment.get_by_text("Edit or delete").click()
    await expect(payment.get_by_label("Text")).to_have_count(0)
    await payment.get_by_label("Title").fill("FEED 99887766")
    await payment.get_by_role("button", name="Save").click()
    await expect(rows.nth(1)).to_contain_text("FEED [NUMBER]")
    await prompt.get_by_text("Edit or delete").click()
    await expect(prompt.get_by_label("Title")).to_have_count(0)
    await prompt.get_by_label("Text", exact=True).fill("How dry must hay be, bo@example.org?")
    await prompt.get_by_role("button", name="Save").click()
    await expect(rows.nth(0).locator("pre")).to_have_text("How dry must hay be, [EMAIL]?")

    for place in range(2):
        await rows.nth(place).get_by_role("checkbox").check()
    await page.get_by_role("button", name="Give the chosen rows").click()
    await expect(page.get_by_text("You give this message of yours to an AI assistant")).to_be_visible()
    await expect(page.get_by_text("the sum, rounded to its first digit")).to_be_visible()
    await look(page, tmp_path, "exports-agree")
    await page.get_by_label("I have read what would leave").check()
    await page.get_by_role("button", name="Send", exact=True).click()
    before = world.received()
    await page.get_by_role("button", name="Send now").click()
    await until(lambda: world.received() == before + 2, "both donations")
    await until(lambda: world.states().count("pending") + world.states().count("sent") == 0, "the receipts")
    await page.goto(page.url)
    given = page.locator(".works > li", has_text="What you wrote to an AI assistant")
    await expect(given).to_contain_text("delivered, receipt signed")
    await given.get_by_role("button", name="Take “What you wrote to an AI assistant” back").click()
    await until(lambda: "withdrawn" in world.states(), "the withdrawal")
    await page.context.close()


async def test_a_german_browser_is_asked_in_german_and_the_receipt_says_so(
    world: World, tmp_path: Path
) -> None:
    put_aside(world.node.home, ["Auf Deutsch gefragt, von ana@example.org."], first=95)
    page = await world.open(locale="de-AT")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    row = page.locator(".review tbody tr", has_text="Note 95")
    await expect(row).to_contain_text("1 E-Mail-Adresse: dort ist jemand zu erreichen")
    await look(page, tmp_path, "german-rows")
    await row.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Gewählte Zeilen spenden").click()
    await expect(page.get_by_text("Sie geben diese Seite an Windrow")).to_be_visible()
    await expect(page.get_by_text("bei einer Seite oder einem kurzen Eintrag nicht")).to_be_visible()
    await look(page, tmp_path, "german-agree")
    await page.emulate_media(color_scheme="dark")
    await look(page, tmp_path, "german-agree-dark")
    await page.get_by_label("Ich habe gelesen, was hinausgeht").check()
    await page.get_by_role("button", name="Senden", exact=True).click()
    await expect(page.get_by_role("heading", name="Bald unterwegs: 1 Zeile")).to_be_visible()
    await look(page, tmp_path, "german-leaving")
    before = world.received()
    await page.get_by_role("button", name="Jetzt senden").click()
    await until(lambda: world.received() == before + 1, "the donation")
    assert "de" in world.languages()
    await page.goto(page.url)
    given = page.locator(".works > li", has_text="Note 95")
    await look(page, tmp_path, "german-given")
    await given.get_by_role("button", name="„Note 95“ zurücknehmen").click()
    await expect(page.get_by_role("status").first).to_contain_text("Zurückgenommen")
    await page.context.close()


async def test_a_german_browser_is_told_of_the_node_in_german_too(world: World, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        page = await world.open(scheme, locale="de-DE")
        for link, heading in (
            ("Jetzt", "Bereit"),
            ("Protokoll", "Was über die Leitung ging"),
            ("Daten", "Verbrauchte Daten"),
            ("Geld", "Was Sie verdient haben, und wofür"),
            ("Fragen", "Fünf Fragen, beantwortet"),
        ):
            await page.get_by_role("navigation", name="Seiten").get_by_role("link", name=link).click()
            await expect(page.locator("html")).to_have_attribute("lang", "de")
            await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
            await look(page, tmp_path, f"german-{link}-{scheme}")
        await page.get_by_role("link", name="Daten", exact=True).click()
        await page.get_by_label("Megabyte am Tag").fill("1500")
        await page.get_by_role("button", name="Speichern").click()
        await expect(page.get_by_role("status").first).to_contain_text("Gespeichert.")
        async with page.expect_response("**/live.json*"):
            pass  # what is told again and again is German too
        await expect(page.locator("[data-text=day_cap]")).to_have_text("1,5 GB")
        await page.context.close()


async def test_words_shown_in_one_language_are_not_agreed_to_in_another(world: World) -> None:
    put_aside(world.node.home, ["Shown in German."], first=97)
    page = await world.open(locale="de-DE")
    await page.get_by_label("„Note 97“ spenden").check()
    await page.get_by_role("button", name="Gewählte Zeilen spenden").click()
    await page.get_by_label("Ich habe gelesen, was hinausgeht").check()
    await page.evaluate("document.querySelector('input[name=language]').value = 'en'")
    await page.get_by_role("button", name="Senden", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("in einer anderen Sprache gezeigt")
    with Outbox.open(world.node.home / "bridge.db") as outbox:
        assert Drafts(outbox.file).counts()["leaving"] == 0
    await page.context.close()
