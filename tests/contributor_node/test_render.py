"""Rendered pages in a real Chromium: what only JavaScript shows, and a browser without a road of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from aiohttp import web
from crawl_sites import Site, html, lease, serve, wall_ms
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from contributor_node.crawling.chromium import find_chromium, switches
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.crawling.render import launch
from contributor_node.crawling.wire import CrawlResult, Hello
from contributor_node.egress.line_log import LineLog, read_refusals, read_rows
from contributor_node.egress.proxy import EgressProxy, EgressSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER_AGENT = "WindrowBot/0.1 (+https://windrow.example/bot)"
APP = """
const show = text => { const p = document.createElement('p'); p.textContent = text; document.body.append(p); };
const tried = (name, promise) => promise.then(() => show(name + ' worked'), () => show(name + ' failed'));
"""
PRYING = """
tried('other host', fetch('OTHER/secret', {mode: 'no-cors'}));
tried('metadata', fetch('http://169.254.169.254/', {mode: 'no-cors'}));
tried('denied', fetch('/private/x').then(r => { if (!r.ok) throw r; }));
tried('posting', fetch('/post', {method: 'POST', body: 'x'}));
tried('worker', navigator.serviceWorker.register('/app.js')
    .then(() => navigator.serviceWorker.getRegistrations()).then(found => { if (!found.length) throw found; }));
const loading = (tag, src) => new Promise((yes, no) => {
    const e = document.createElement(tag); e.onload = yes; e.onerror = no; e.src = src; document.body.append(e); });
tried('image', loading('img', '/image.png'));
tried('video', loading('video', '/video.mp4'));
tried('script', loading('script', 'OTHER/foreign.js'));
loading('iframe', 'OTHER/frame');
navigator.sendBeacon('/beacon', 'x');
tried('socket', new Promise((yes, no) => {
    const s = new WebSocket('OTHER/ws'.replace('http', 'ws')); s.onmessage = yes; s.onerror = no; s.onclose = no; }));
"""
RTC = """
const peer = new RTCPeerConnection({iceServers: [{urls: 'stun:STUN'}]});
peer.createDataChannel('x');
peer.onicegatheringstatechange = () => show('gathering ' + peer.iceGatheringState);
peer.createOffer().then(offer => peer.setLocalDescription(offer));
"""
DATA = "Only JavaScript can show these words about mown grass. " * 10


def app(script: str, head: str = "") -> web.Response:
    return html(f'<div id="root"></div><script src="/app.js"></script><script>{script}</script>', head=head)


async def site_handler(request: web.Request) -> web.StreamResponse:
    path = request.path
    if path == "/robots.txt":
        return web.Response(text="User-agent: *\nDisallow: /private/\n")
    if path == "/app.js":
        return web.Response(text=APP, content_type="text/javascript")
    if path == "/data.json":
        return web.json_response({"text": DATA})
    other = request.query.get("other", "")
    scripts = {
        "/app": "fetch('/data.json').then(r => r.json()).then(d => show(d.text))",
        "/agent": "show('agent ' + navigator.userAgent)",
        "/noai": "show('words'); document.head.innerHTML += '<meta name=\"robots\" content=\"noai\">'",
        "/loop": "while (true) {}",
        "/leave": f"location.href = '{other}/elsewhere'; show('still here')",
        "/prying": PRYING.replace("OTHER", other),
        "/rtc": RTC.replace("STUN", other),
    }
    if path in scripts:
        return app(scripts[path], head='<link rel="stylesheet" href="/style.css">')
    return html("anything else")


@dataclass
class Stage:
    engine: CrawlEngine
    log: Path
    site: Site
    other: Site

    async def show(self, path: str, **fields: object) -> CrawlResult | None:
        batch = self.engine.crawl([lease(self.site.base + path, render="browser", **fields)])
        return next(iter([result async for result in batch]), None)


def chromium() -> str:
    try:
        return find_chromium("", os.environ)
    except WindrowError as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    chromium()
    home = tmp_path_factory.mktemp("node")
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(serve(site_handler))
        other = await stack.enter_async_context(serve(site_handler, "127.0.33.2"))
        settings = CrawlSettings(
            home=home,
            user_agent=USER_AGENT,
            allow_private=frozenset([site.endpoint, other.endpoint]),
            pace_private_s=0.1,
            browser_idle_s=1,
        )
        log = LineLog(home / "line_log.ndjson", wall_ms)
        engine = CrawlEngine(settings, log, wall_ms)
        await engine.start()
        yield Stage(engine, log.path, site, other)
        await engine.close()


async def test_text_that_only_javascript_shows_is_in_the_result(stage: Stage) -> None:
    result = await stage.show("/app")
    assert result is not None
    assert (result.outcome, result.rendered, result.needs_browser) == (Outcome.FETCHED, True, False)
    assert DATA.strip() in " ".join(result.text.split())
    rows = [row for row in read_rows(stage.log) if row.lease_id == result.lease_id]
    assert sorted(
        (row.purpose, row.url.removeprefix(stage.site.base))
        for row in rows
        if row.purpose not in ("robots", "tdmrep")
    ) == [
        ("page", "/app"),
        ("subresource", "/app.js"),
        ("subresource", "/data.json"),
    ]
    assert result.requests == len(rows)
    assert "/style.css" not in stage.site.hits


async def test_without_a_browser_lease_the_same_page_is_a_shell(stage: Stage) -> None:
    (result,) = [r async for r in stage.engine.crawl([lease(f"{stage.site.base}/app?plain")])]
    assert (result.rendered, result.needs_browser, DATA[:20] in result.text) == (False, True, False)


async def test_the_browser_says_who_it_is(stage: Stage) -> None:
    result = await stage.show("/agent")
    assert result is not None
    assert f"agent {USER_AGENT}" in result.text


async def test_prying_scripts_reach_nothing(stage: Stage) -> None:
    result = await stage.show(f"/prying?other={stage.other.base}")
    assert result is not None
    for name in (
        "other host",
        "metadata",
        "denied",
        "posting",
        "worker",
        "image",
        "video",
        "script",
        "socket",
    ):
        assert f"{name} failed" in result.text, name
    assert "worked" not in result.text
    assert stage.other.hits == []
    assert {"/private/x", "/post", "/image.png", "/video.mp4", "/beacon"}.isdisjoint(stage.site.hits)


async def test_webrtc_sends_nothing_around_the_proxy(stage: Stage) -> None:
    heard: list[bytes] = []

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            heard.append(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    result = await stage.show(f"/rtc?other=127.0.0.1:{port}")
    transport.close()
    assert result is not None
    assert "gathering complete" in result.text
    assert heard == []


async def test_a_page_cannot_lead_the_browser_away(stage: Stage) -> None:
    await stage.show(f"/leave?other={stage.other.base}")
    assert stage.other.hits == []


async def test_an_opt_out_that_a_script_adds_counts(stage: Stage) -> None:
    result = await stage.show("/noai")
    assert result is not None
    assert (result.outcome, result.text) == (Outcome.OPTOUT_DENIED, "")


async def test_an_endless_script_costs_its_time_and_no_more(stage: Stage) -> None:
    endless = await stage.show("/loop", time_s_max=3)
    after = await stage.show("/app?after")
    assert endless is not None
    assert after is not None
    assert (endless.outcome, after.outcome) == (Outcome.TIMEOUT, Outcome.FETCHED)


def descendants(pid: int | None) -> list[psutil.Process]:
    return list(psutil.Process(pid).children(recursive=True))


async def gone(processes: list[psutil.Process]) -> None:
    async with asyncio.timeout(120):
        while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_browser_leaves_when_it_is_no_longer_needed(stage: Stage) -> None:
    await stage.show("/app?idle")
    browsers = descendants(stage.engine.child_pid)
    assert browsers
    await gone(browsers)
    assert stage.engine.child_pid is not None


async def test_a_killed_child_leaves_no_browser_behind(stage: Stage) -> None:
    await stage.show("/app?kill")
    pid = stage.engine.child_pid
    browsers = descendants(pid)
    assert browsers
    os.kill(pid or 0, signal.SIGKILL)
    await gone(browsers)


async def test_where_there_is_no_chromium_the_lease_stays_unanswered(tmp_path: Path) -> None:
    async with serve(site_handler) as site:
        settings = CrawlSettings(
            home=tmp_path,
            user_agent=USER_AGENT,
            allow_private=frozenset([site.endpoint]),
            pace_private_s=0.1,
            chromium_path="/nonexistent/chromium",
        )
        engine = CrawlEngine(settings, LineLog(tmp_path / "line_log.ndjson", wall_ms), wall_ms)
        await engine.start()
        batch = engine.crawl([lease(f"{site.base}/app", render="browser"), lease(f"{site.base}/plain")])
        results = [result async for result in batch]
        await engine.close()
    assert [result.outcome for result in results] == [Outcome.FETCHED]
    assert len(batch.unfinished) == 1


async def test_chromium_itself_has_no_road_not_even_to_loopback(tmp_path: Path) -> None:
    """The browser as it is started, without our interception: everything ends at the proxy."""
    log = LineLog(tmp_path / "line_log.ndjson", wall_ms)
    async with serve(site_handler) as site, serve(site_handler, "127.0.33.9") as other:
        proxy = EgressProxy(EgressSettings(frozenset([site.endpoint, other.endpoint])), log, wall_ms)
        await proxy.start()
        hello = Hello(
            proxy_url=proxy.url,
            secret=proxy.secret,
            user_agent=USER_AGENT,
            home=str(tmp_path),
            chromium=chromium(),
            memory_bytes_max=10**9,
            browser_idle_s=1,
        )
        async with async_playwright() as playwright:
            browser = await launch(playwright, hello)
            tab = await browser.new_page()
            places = [
                site.base,
                other.base,
                f"http://localhost:{site.port}",
                "http://[::1]/",
                "https://a.example/",
            ]
            for place in places:
                with contextlib.suppress(PlaywrightError):  # a refusal may be an error page or none
                    answer = await tab.goto(place, timeout=5_000)
                    assert answer is None or answer.status >= 400
            await browser.close()
        await proxy.close()
    assert site.hits == other.hits == []
    asked = {row.url for row in read_refusals(log.path)}
    assert {f"{site.base}/", f"{other.base}/", f"http://localhost:{site.port}/"} <= asked
    assert list(read_rows(log.path)) == []


async def test_chromium_is_found_in_order(tmp_path: Path) -> None:
    for name in ("google-chrome", "chromium", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    assert find_chromium("", path) == str(tmp_path / "chromium")
    assert find_chromium("", {**path, "WINDROW_CHROMIUM": str(tmp_path / "mine")}) == str(tmp_path / "mine")
    assert find_chromium("google-chrome", path) == str(tmp_path / "google-chrome")
    with pytest.raises(WindrowError, match=r"No Chromium was found \(/no/such cannot be run\).*apt-get"):
        find_chromium("/no/such", path)
    with pytest.raises(WindrowError):
        find_chromium("", {"PATH": str(tmp_path / "empty"), "HOME": str(tmp_path / "empty")})


async def test_only_root_gives_up_the_sandbox() -> None:
    assert "--no-sandbox" in switches(is_root=True)
    assert "--no-sandbox" not in switches(is_root=False)
    assert "--proxy-bypass-list=<-loopback>" in switches(is_root=False)
