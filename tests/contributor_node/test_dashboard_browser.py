"""The dashboard in a real Chromium: by keyboard, in the dark, on a small screen, while requests come in."""

from __future__ import annotations

import http.server
import itertools
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from crawl_sites import wall_ms
from dashboard_world import judge, paying_coordinator, sell
from node_world import PAYOUT, Coordinator, NodeProcess, node, site, until

from contributor_node.crawling.chromium import find_chromium
from contributor_node.dashboard.link_file import new_link
from contributor_node.egress.line_log import LineLog
from rewards.known_assets import remember
from windrow_protocol.errors import WindrowError

pytest.importorskip("playwright", reason="playwright is not installed (extra `browser`)")
from playwright.async_api import Browser, Page, async_playwright, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = ("", "log", "data", "money", "money?asset=USDC", "give", "questions")
PAGES = 5
CONTRAST_MIN = 4.5  # WCAG 2.2, 1.4.3, for text of any size
NON_TEXT_CONTRAST_MIN = 3.0  # WCAG 2.2, 1.4.11
Scheme = Literal["light", "dark"]

# Every visible piece of text with its colour and the first background behind it that is painted.
TEXTS = r"""() => {
  const painted = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!/, 0\)$/.test(colour) && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (text && element.checkVisibility() && !element.closest("noscript, :disabled, .skip"))
      found.push([text.slice(0, 40), getComputedStyle(element).color, painted(element)]);
  }
  return found;
}"""
LONG_AMOUNTS = """() => document.querySelectorAll("td.n:last-child, .works strong, .works ul span + span, .figure")
  .forEach((place) => { place.textContent = "1,234,567.123456789012345678 WIND"; })"""
# Words of our own, up to 30 letters long, that stand on two lines without a hyphen of theirs between them.
# Rows whose cells reach below them, onto the next.
OVERFLOWING_ROWS = """[...document.querySelectorAll('.row')].filter((row) => [...row.children].some((cell) =>
  cell.getBoundingClientRect().bottom > row.getBoundingClientRect().bottom + 1)).map((row) => row.textContent)"""
BROKEN_WORDS = r"""() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.checkVisibility() || node.parentElement.closest("code, pre, .works, [data-rows], dd"))
      continue;
    for (const match of node.textContent.matchAll(/\p{L}{2,30}/gu)) {
      const range = document.createRange();
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      if (new Set([...range.getClientRects()].map((each) => Math.round(each.top))).size > 1) found.push(match[0]);
    }
  }
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll("a, button, input, svg[role=img], nav, summary")]
  .filter((each) => each.checkVisibility() && each.type !== "hidden")
  .filter((each) => !(each.innerText || each.getAttribute("aria-label") || each.labels?.[0]?.innerText)?.trim())
  .map((each) => each.outerHTML.slice(0, 120))"""
# How far things moved by themselves since the page began (web.dev, Cumulative Layout Shift).
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => { for (const each of list.getEntries()) sum += each.value; })
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum), 0)));
})"""


@dataclass
class World:
    house: Coordinator
    node: NodeProcess
    base: str
    browser: Browser

    async def open(self, scheme: Scheme = "light", width: int = 1200, height: int = 900) -> Page:
        """Return a page of a new browser profile that has been let in."""
        context = await self.browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": height}
        )
        page = await context.new_page()
        page.wrong = []  # type: ignore[attr-defined]
        page.on("console", lambda message: page.wrong.append(message.text))  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.wrong.append(str(error)))  # type: ignore[attr-defined]
        await page.goto(new_link(self.node.home, wall_ms()))
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    try:
        path = find_chromium("", os.environ)
    except WindrowError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("browser")
    async with (
        paying_coordinator(folder / "house") as house,
        site() as pages,
        async_playwright() as playwright,
    ):
        house.seed([f"{pages.base}/{n}" for n in range(PAGES)])
        async with node(folder / "node", house.url, "--poll-s", "3600", sites=(pages,)) as running:
            await until(lambda: len(running.receipts()) == PAGES, "the last receipt")
            judge(house.house, rejected=1)
            remember(house.house.state, "USDC", 6)
            sell(house.house, 1_234_567, {PAYOUT: 1}, "USDC")
            sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = await playwright.chromium.launch(executable_path=path, headless=True, args=sandbox)
            yield World(house, running, pages.base, browser)
            await browser.close()


def luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


async def focused(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(
        """() => {
          const at = document.activeElement, style = getComputedStyle(at);
          return { name: (at.innerText || at.labels?.[0]?.innerText || "").trim(), tag: at.tagName,
                   outline: parseFloat(style.outlineWidth), colour: style.outlineColor, style: style.outlineStyle,
                   ground: getComputedStyle(document.body).backgroundColor };
        }"""
    )
    return found


async def test_the_contrast_formula_is_the_standards() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "rgb(255, 255, 255)") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_can_be_read_and_has_landmarks_and_names(world: World, scheme: Scheme) -> None:
    page = await world.open(scheme)
    grounds = set()
    for name in NAMES:
        await page.goto(page.url.rsplit("/", 1)[0] + "/" + name)
        await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        texts = await page.evaluate(TEXTS)
        assert len(texts) > 10
        for landmark in ("banner", "main", "contentinfo"):
            await expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert await page.evaluate(NAMELESS) == [], name
        weak = [text for text in texts if contrast(text[1], text[2]) < CONTRAST_MIN]
        assert weak == [], name
        grounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (luminance(grounds.pop()) < 0.1) is (scheme == "dark")
    assert page.wrong == []  # type: ignore[attr-defined]
    await page.context.close()


async def test_a_narrow_screen_needs_no_sideways_scrolling_and_breaks_no_word(
    world: World, tmp_path: Path
) -> None:
    log = LineLog(world.node.home / "line_log.ndjson", wall_ms)
    log.refused(
        url="http://x.example/" + "w" * 900,
        purpose="page",
        client="crawl",
        lease_id="",
        error="unsafe_address",
    )
    log.close()
    page = await world.open(width=360, height=640)
    for language, name in itertools.product(("en", "de"), NAMES):
        await page.set_extra_http_headers({"Accept-Language": language})
        await page.goto(page.url.rsplit("/", 1)[0] + "/" + name)
        await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        if name == "log":
            await page.locator("#follow").uncheck()
        assert await page.evaluate(BROKEN_WORDS) == [], (language, name)
        assert await page.evaluate(OVERFLOWING_ROWS) == [], (language, name)
        if "WINDROW_SCREENSHOTS" in os.environ:
            file = f"{name.replace('?', '-') or 'now'}-{language}-360.png"
            await page.screenshot(path=tmp_path / file, full_page=True)
        await page.evaluate(LONG_AMOUNTS)
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide == 0, (language, name)
    await page.context.close()


async def test_a_new_request_shows_without_moving_anything(world: World) -> None:
    page = await world.open()
    await page.get_by_role("link", name="Log", exact=True).click()
    await expect(page.get_by_role("row").nth(1)).to_be_visible()
    log = LineLog(world.node.home / "line_log.ndjson", wall_ms)
    url = "http://fresh.example/<img src=x onerror=document.title='hit'>"
    request_id = log.sent(url=url, purpose="page", client="crawl", lease_id="l1")
    newest = page.get_by_role("row").nth(1)
    await expect(newest.get_by_role("cell").nth(2)).to_have_text(url)
    await expect(newest.get_by_role("cell").nth(3)).to_have_text("under way")
    log.done(request_id, status=200, bytes_up=100, bytes_down=1_400)
    await expect(newest.get_by_role("cell").nth(3)).to_have_text("200")
    await expect(newest.get_by_role("cell").nth(4)).to_have_text("1.5 kB")
    assert await page.evaluate(SHIFTS) == 0
    await page.get_by_label("Follow live").uncheck()
    log.sent(url="http://later.example/", purpose="page", client="crawl")
    log.close()
    await expect(page.locator("[data-rows].still")).to_be_visible()
    await expect(newest.get_by_role("cell").nth(2)).to_have_text(url)
    await page.get_by_label("Follow live").check()
    await expect(newest.get_by_role("cell").nth(2)).to_have_text("http://later.example/")
    assert "hit" not in await page.title()
    assert await page.locator("img").count() == 0
    assert page.wrong == []  # type: ignore[attr-defined]
    await page.context.close()


async def test_nothing_moves_on_the_first_page_while_the_node_goes_from_work_to_pause(world: World) -> None:
    page = await world.open()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Ready")
    from contributor_node.owner import control

    control.pause(world.node.home)  # as `windrow node pause` does
    await expect(heading).to_have_text("Paused")
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    control.resume(world.node.home)
    await expect(heading).to_have_text("Ready")
    await expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    assert await page.evaluate(SHIFTS) == 0
    await page.context.close()


async def test_everything_can_be_reached_and_done_by_keyboard(world: World) -> None:
    page = await world.open()
    await page.keyboard.press("Tab")
    assert (await focused(page))["name"] == "Skip to content"
    names = []
    for _ in range(14):
        await page.keyboard.press("Tab")
        at = await focused(page)
        if at["tag"] == "BODY":
            break
        names.append(at["name"].splitlines()[0])
        assert at["style"] == "solid", at
        assert at["outline"] >= 2
        assert contrast(at["colour"], at["ground"]) >= NON_TEXT_CONTRAST_MIN
    wanted = ["Windrow", "Now", "Log", "Data", "Money", "Give", "Questions", "Pause for 1 hour", "Pause"]
    assert names[:9] == wanted
    assert names[9] == "Finish and stop…"
    await page.get_by_role("button", name="Pause", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Paused")
    await until(lambda: world.node.status["may_work"] == "paused", "the pause")
    await page.get_by_role("button", name="Resume").focus()
    await page.keyboard.press("Space")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Ready")
    await until(lambda: world.node.status["may_work"] == "yes", "the resumption")
    await page.context.close()


async def test_the_plots_values_are_a_table_too(world: World) -> None:
    page = await world.open()
    await page.get_by_role("link", name="Data", exact=True).click()
    await expect(page.get_by_role("img", name="Bytes per day")).to_be_visible()
    await page.get_by_text("The same as a table").click()
    await expect(page.get_by_role("row")).to_have_count(31)
    await page.context.close()


@contextmanager
def neighbour() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Another program's web server on another port of this machine, which keeps what it was asked."""
    heard: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Neighbour</title>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()


async def test_a_neighbouring_port_gets_no_cookie_and_no_answer(world: World) -> None:
    page = await world.open()
    own = page.url
    with neighbour() as (url, heard):
        await page.goto(f"{url}/")
        asked = [each for each in heard if each["path"] == "/"]
        assert asked
        assert all("cookie" not in each for each in asked)
        for way in (
            f"fetch({own!r}, {{credentials: 'include', mode: 'no-cors'}}).then(() => 'sent', () => 'refused')",
            f"fetch({own!r}, {{credentials: 'include'}}).then((a) => a.text(), () => 'refused')",
            f"new Promise((done) => {{ const s = document.createElement('script'); s.src = {own.rsplit('/', 2)[0]!r}"
            " + '/assets/live.js'; s.onload = () => done('loaded'); s.onerror = () => done('refused');"
            " document.head.append(s); })",
            f"new Promise((done) => {{ const f = document.createElement('iframe'); f.src = {own!r};"
            " f.onload = () => { try { done(f.contentDocument.title) } catch { done('refused') } };"
            " document.body.append(f); })",
        ):
            assert await page.evaluate(way) in ("refused", "sent"), way
        form = f"""() => {{ const form = document.createElement("form"); form.method = "post";
          form.action = {own!r} + "control"; form.innerHTML = '<input name="do" value="pause">';
          document.body.append(form); form.submit(); }}"""
        async with page.expect_navigation():
            await page.evaluate(form)
        assert "did not work" in await page.get_by_role("heading", level=1).inner_text()
    assert world.node.status["may_work"] == "yes"
    await page.context.close()
