"""Rendering a page that only JavaScript can show, in a browser that never touches the network.

Rules: the page's own bytes have been fetched already (robots.txt, redirects, opt-outs and caps included) and
are handed to the browser as its navigation. Each further request is stopped in the browser: a script or data
request to the page's own host is fetched by the crawl child as any request is (robots.txt, proxy, pace, line
log) and handed in; stylesheets are answered empty, everything else is refused and counted. The browser has no
road of its own: see `chromium.switches`. It starts on demand and leaves `browser_idle_s` after its last page.

Does not: extract text, follow a page that navigates away, or keep cookies, workers or downloads.

Usage::

    rendered = await renderer.render(Page(url, body, content_type, time_s_max=20, markup_bytes_max=…), fetch_part)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.async_api import Browser, Playwright, Route, WebSocketRoute, async_playwright
from playwright.async_api import Error as PlaywrightError

from contributor_node.crawling.chromium import switches
from contributor_node.crawling.page import FetchPart, Page, Rendered
from contributor_node.crawling.wire import Hello
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import RENDER_SETTLE_S_MAX

PAGES_AT_ONCE = 2
LAUNCH_TIME_S_MAX = 20
_FETCHED_KINDS = frozenset(["script", "xhr", "fetch"])


class Renderer:
    """Owns the browser of one crawl child."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)
        self._starting = asyncio.Lock()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._open = 0
        self._leaving: asyncio.TimerHandle | None = None

    async def render(self, page: Page, fetch_part: FetchPart) -> Rendered:
        """Return the page as the browser shows it.

        Raises WindrowError `no_browser`, `fetch_timeout` (the page never came to rest) or `too_large`.
        """
        async with self._turns:
            self._open += 1
            try:
                return await self._render(page, fetch_part)
            except PlaywrightError as error:
                await self.close()
                raise WindrowError("no_browser", f"the browser failed: {error.message[:120]}") from error
            finally:
                self._open -= 1
                self._leave_later()

    async def close(self) -> None:
        """Close the browser, if there is one."""
        browser, playwright = self._browser, self._playwright
        self._browser = self._playwright = None
        with contextlib.suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(5):
                if browser is not None:
                    await browser.close()
        if playwright is not None:
            await playwright.stop()

    async def _render(self, page: Page, fetch_part: FetchPart) -> Rendered:
        browser = await self._started()
        rendered = Rendered()
        try:
            async with asyncio.timeout(page.time_s_max):
                await _show(browser, self._hello.user_agent, page, fetch_part, rendered)
        except TimeoutError as error:
            await self.close()  # a page that holds the browser is not worth another
            raise WindrowError("fetch_timeout", f"not rendered within {page.time_s_max} s") from error
        if len(rendered.markup) > page.markup_bytes_max:
            raise WindrowError("too_large", f"{len(rendered.markup)} characters once rendered")
        return rendered

    async def _started(self) -> Browser:
        if not self._hello.chromium:
            raise WindrowError("no_browser")
        async with self._starting:
            if self._leaving is not None:
                self._leaving.cancel()
            if self._browser is None or not self._browser.is_connected():
                with _without_memory_limit():
                    self._playwright = await async_playwright().start()
                self._browser = await launch(self._playwright, self._hello)
            return self._browser

    def _leave_later(self) -> None:
        async def leave() -> None:
            if not self._open:
                await self.close()

        loop = asyncio.get_running_loop()
        if self._leaving is not None:
            self._leaving.cancel()
        self._leaving = loop.call_later(self._hello.browser_idle_s, lambda: loop.create_task(leave()))


async def launch(playwright: Playwright, hello: Hello) -> Browser:
    """Start Chromium so that its only road leads to the egress proxy, for which it has no credentials."""
    is_root = os.geteuid() == 0
    return await playwright.chromium.launch(
        executable_path=hello.chromium,
        headless=True,
        proxy={"server": hello.proxy_url, "bypass": "<-loopback>"},
        args=switches(is_root),
        chromium_sandbox=not is_root,
        handle_sigint=False,
        handle_sigterm=False,
        handle_sighup=False,
        timeout=LAUNCH_TIME_S_MAX * 1000,
    )


async def _show(
    browser: Browser, user_agent: str, page: Page, fetch_part: FetchPart, rendered: Rendered
) -> None:
    context = await browser.new_context(
        user_agent=user_agent, service_workers="block", accept_downloads=False, java_script_enabled=True
    )
    try:
        guard = _Guard(page, fetch_part, rendered)
        await context.route("**/*", guard.on_route)
        await context.route_web_socket("**/*", guard.on_web_socket)
        tab = await context.new_page()
        with contextlib.suppress(PlaywrightError):  # slow scripts: what is there by now is taken
            await tab.goto(page.url, wait_until="load", timeout=page.time_s_max * 1000 * 0.8)
            await tab.wait_for_load_state("networkidle", timeout=RENDER_SETTLE_S_MAX * 1000)
        rendered.markup = await tab.content()
    finally:
        with contextlib.suppress(PlaywrightError):
            await context.close()


class _Guard:
    """Decides each request of one page."""

    def __init__(self, page: Page, fetch_part: FetchPart, rendered: Rendered) -> None:
        self._page, self._fetch_part, self._rendered = page, fetch_part, rendered
        self._navigated = False
        self._host = urlsplit(page.url)[:2]

    async def on_route(self, route: Route) -> None:
        request = route.request
        with contextlib.suppress(PlaywrightError):  # the page may be closed while a part is under way
            if request.is_navigation_request() and not self._navigated and request.url == self._page.url:
                self._navigated = True
                await route.fulfill(
                    status=200, headers={"content-type": self._page.content_type}, body=self._page.body
                )
            elif request.resource_type == "stylesheet":
                await route.fulfill(status=200, content_type="text/css", body="")
            else:
                await self._part(route)

    async def _part(self, route: Route) -> None:
        request = route.request
        same_host = urlsplit(request.url)[:2] == self._host
        wanted = request.resource_type in _FETCHED_KINDS and request.method == "GET"
        part = await self._fetch_part(request.url) if same_host and wanted else None
        if part is None:
            self._rendered.blocked.append(request.url)
            await route.abort("blockedbyclient")
            return
        self._rendered.parts += 1
        await route.fulfill(status=part.status, content_type=part.content_type, body=part.body)

    async def on_web_socket(self, socket: WebSocketRoute) -> None:
        self._rendered.blocked.append(socket.url)
        await socket.close()


@contextlib.contextmanager
def _without_memory_limit() -> Iterator[None]:
    """Let a process that reserves much and uses little (V8) start without this child's own bound."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
