"""Does any of three clients of a node ever reach what it must not: every case against the crawl child, a plain client
and Chromium, in a network of its own in which every address answers, watched packet by packet.

Rules: prints one JSON line for each client; `connections` counts every connection or datagram to anything but the
egress proxy and ports 80 and 443 of public addresses that a case honestly names, and must be 0. The control line shows
that the watch sees a forbidden connection when there is one. The exit status is 1 when anything was reached, or the
watch lost packets.

Does not: leave this machine; the namespace has no other interface.

Usage::

    python -m bench.egress_corpus [--cases 0] [--clients plain,scrapy,chromium]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import resource
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

from crawl_sites import credentials, grant, lease, through, wall_ms  # noqa: E402
from egress_cases import Case, public_addresses, some_cases  # noqa: E402
from egress_internet import Internet, Watch, bring_up, in_its_own_network, internet, why_not  # noqa: E402
from playwright.async_api import Error as PlaywrightError  # noqa: E402
from playwright.async_api import Page as Tab  # noqa: E402
from playwright.async_api import async_playwright  # noqa: E402

from contributor_node.crawling.chromium import find_chromium  # noqa: E402
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings  # noqa: E402
from contributor_node.crawling.render import launch  # noqa: E402
from contributor_node.crawling.wire import Hello  # noqa: E402
from contributor_node.egress.line_log import LineLog, read_refusals, read_rows  # noqa: E402
from contributor_node.egress.proxy import EgressProxy, EgressSettings  # noqa: E402
from windrow_protocol.errors import WindrowError  # noqa: E402

AT_ONCE: Final = 48
LEASES_AT_ONCE: Final = 400
URLS_A_PAGE: Final = 150
USER_AGENT: Final = "WindrowBot/0.1 (+https://windrow.example/bot)"
PRYING: Final = """async urls => {
    const tries = [];
    const ways = [
        [1, url => tries.push(fetch(url, {mode: 'no-cors', signal: AbortSignal.timeout(4000)}))],
        [3, url => new Image().src = url],
        [5, url => new WebSocket(url.replace('http', 'ws'))],
        [10, url => navigator.sendBeacon(url, 'x')],
        [30, url => { const f = document.createElement('iframe'); f.src = url; document.body.append(f); }],
        [30, url => new RTCPeerConnection({iceServers: [{urls: 'stun:' + url.split('/')[2]}]})
            .createOffer({offerToReceiveAudio: true}).catch(() => 0)],
    ];
    for (const [every, way] of ways)
        urls.filter((_, n) => n % every == 0).forEach(url => { try { way(url); } catch (refused) {} });
    return (await Promise.allSettled(tries)).length;
}"""


@dataclass
class Stage:
    """One client's world: the network, its log, and what became of the cases."""

    net: Internet
    home: Path
    ends: Counter[str] = field(default_factory=Counter)
    ours: set[tuple[str, str, int]] = field(default_factory=set)

    def log(self) -> LineLog:
        self.home.mkdir(exist_ok=True)
        return LineLog(self.home / "line_log.ndjson", wall_ms)

    def own(self, proxy: EgressProxy) -> None:
        """Remember where our own proxy listens: to it everybody may connect."""
        self.ours.add(("tcp", "127.0.0.1", int(proxy.url.rpartition(":")[2])))


# --- three clients ---------------------------------------------------------------------------------------------


async def plain(stage: Stage, cases: Sequence[Case]) -> None:
    """A client that asks the proxy for exactly what a case names, under a lease for it, and follows redirects."""
    proxy = EgressProxy(EgressSettings(), stage.log(), wall_ms, resolve=stage.net.resolve)
    await proxy.start()
    stage.own(proxy)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, case: Case) -> None:
        async with turns:
            await _ask_plainly(stage, proxy, f"l{number}", case)

    await asyncio.gather(*(one(number, case) for number, case in enumerate(cases)))
    await proxy.close()


async def _ask_plainly(stage: Stage, proxy: EgressProxy, lease_id: str, case: Case) -> None:
    try:
        proxy.grants.add(grant(case.url, lease_id))
    except WindrowError as refusal:
        stage.ends[refusal.code] += 1
        proxy.grants.add(grant("http://public.example/x", lease_id))  # a lease, but not for this
    scheme, _, rest = case.url.partition("://")
    authority = rest.rpartition("/")[0]
    asks = [("GET", case.url, "page"), ("GET", f"{scheme}://{authority}/robots.txt", "robots")]
    asks += [("CONNECT", authority if ":" in authority else f"{authority}:443", "page")]
    if case.location:
        asks = [asks[0], ("GET", case.location, "redirect")]
    if case.kind == "rebinding":
        asks = [asks[0], asks[0], asks[2]]
    for method, target, purpose in asks:
        answer = await through(proxy, target, auth=credentials(proxy, lease_id, purpose), method=method)
        stage.ends[answer.refused or str(answer.status)] += 1
    proxy.grants.revoke(lease_id)


async def scrapy(stage: Stage, cases: Sequence[Case]) -> None:
    """The crawl child, given leases for what the cases name by a coordinator that means harm."""
    await _crawl(stage, [case.url for case in cases], "http")


async def _crawl(stage: Stage, urls: Sequence[str], render: str) -> None:
    settings = CrawlSettings(home=stage.home, user_agent=USER_AGENT)
    engine = CrawlEngine(settings, stage.log(), wall_ms, resolve=stage.net.resolve)
    await engine.start()
    stage.own(engine.proxy)
    try:
        for begin in range(0, len(urls), LEASES_AT_ONCE):
            chosen = urls[begin : begin + LEASES_AT_ONCE]
            time_s_max = 6 if render == "browser" else 20  # these pages never come to rest
            batch = engine.crawl([lease(url, render=render, time_s_max=time_s_max) for url in chosen])
            stage.ends.update([str(result.outcome) async for result in batch])
            stage.ends["unanswered"] += len(batch.unfinished)
    finally:
        await engine.close()


async def chromium(stage: Stage, cases: Sequence[Case]) -> None:
    """Chromium as the node starts it: without our interception (all that stands is the proxy), and then with it."""
    urls = [case.location or case.url for case in cases]
    proxy = EgressProxy(EgressSettings(), stage.log(), wall_ms, resolve=stage.net.resolve)
    await proxy.start()
    stage.own(proxy)
    path = find_chromium("", os.environ)
    hello = Hello(
        proxy_url=proxy.url,
        secret=proxy.secret,
        user_agent=USER_AGENT,
        home=str(stage.home),
        chromium=path,
        memory_bytes_max=0,
        browser_idle_s=1,
    )
    async with async_playwright() as playwright:
        browser = await launch(playwright, hello)
        tab = await browser.new_page()
        for begin in range(0, len(urls), URLS_A_PAGE):
            stage.ends["tried in the open browser"] += await _pry(tab, urls[begin : begin + URLS_A_PAGE])
        await browser.close()
    await proxy.close()
    for number, begin in enumerate(range(0, len(urls), URLS_A_PAGE)):
        script = f"({PRYING})({json.dumps(urls[begin : begin + URLS_A_PAGE])})".replace("</", "<\\/")
        stage.net.pages[f"b{number}.example"] = f"<p>words</p><script>{script}</script>"
    await _crawl(stage, [f"http://b{number}.example/x" for number in range(number + 1)], "browser")


async def _pry(tab: Tab, urls: list[str]) -> int:
    """Have one page try some URLs in every way a page can, then go to the first; return how many fetches it began."""
    begun = 0
    with contextlib.suppress(PlaywrightError, TimeoutError):
        async with asyncio.timeout(15):
            begun = await tab.evaluate(PRYING, urls)
    with contextlib.suppress(PlaywrightError):
        await tab.goto(urls[0], timeout=2_000)
    with contextlib.suppress(PlaywrightError):
        await tab.goto("about:blank", timeout=2_000)
    return begun


CLIENTS: Final[dict[str, Callable[[Stage, Sequence[Case]], Awaitable[None]]]] = {
    "plain": plain,
    "scrapy": scrapy,
    "chromium": chromium,
}


# --- running them ----------------------------------------------------------------------------------------------


async def attack(name: str, net: Internet, cases: Sequence[Case], folder: Path) -> dict[str, Any]:
    """Run one client against all cases and return its line."""
    stage, cpu_s = Stage(net, folder / name), _cpu_s()
    net.forget_looks()
    with Watch() as watch:
        await CLIENTS[name](stage, cases)
        await asyncio.sleep(0.5)  # what is on its way arrives
    allowed = {("tcp", address, port) for address in public_addresses(cases) for port in (80, 443)}
    reached = {seen: n for seen, n in watch.seen.items() if seen not in allowed | stage.ours}
    log = stage.home / "line_log.ndjson"
    return {
        "bench": "egress corpus",
        "client": name,
        "cases": len(cases),
        "kinds": dict(Counter(case.kind for case in cases)),
        "connections": sum(reached.values()),
        "reached": sorted(map(str, reached))[:20],
        "public_requests": sum(1 for _ in read_rows(log)),
        "refused": dict(Counter(row.error for row in read_refusals(log))),
        "ends": dict(stage.ends),
        "packets_lost": watch.dropped,
        "cpu_s": round(_cpu_s() - cpu_s, 1),
    }


def control() -> dict[str, Any]:
    """Connect to what nobody may reach, without any guard, and see that it is seen."""
    with Watch() as watch:
        for address in ("10.0.0.1", "169.254.169.254", "fec0::1"):
            socket.create_connection((address, 80)).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            datagram.sendto(b"x", ("10.0.0.53", 53))
    return {"bench": "egress corpus", "client": "control", "connections": len(watch.seen)}


def _cpu_s() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


async def run(options: argparse.Namespace) -> int:
    """Run the control and each client, print their lines and return the exit status."""
    cases, bad = some_cases(options.cases), False
    with tempfile.TemporaryDirectory() as folder:
        async with internet(Path(folder), cases) as net:
            os.environ["SSL_CERT_FILE"] = str(net.authority)
            seen = await asyncio.to_thread(control)
            print(json.dumps(seen), flush=True)
            for name in options.clients.split(","):
                line = await attack(name, net, cases, Path(folder))
                print(json.dumps(line), flush=True)
                bad = bad or line["connections"] > 0 or line["packets_lost"] > 0
    return int(bad or seen["connections"] != 4)


def main() -> int:
    """Start again in a network of its own, and run there."""
    parser = argparse.ArgumentParser(description="Does a node ever reach what it must not?")
    parser.add_argument("--cases", type=int, default=0, help="about so many of them; 0 for all")
    parser.add_argument("--clients", default=",".join(CLIENTS))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        logging.disable(logging.WARNING)  # a lease for what is no URL is worth a warning, but not thousands
        bring_up()
        return asyncio.run(run(options))
    if reason := why_not():
        print(f"egress_corpus: {reason}", file=sys.stderr)
        return 2
    return in_its_own_network([str(Path(__file__).resolve()), *sys.argv[1:], "--inside"]).returncode


if __name__ == "__main__":
    sys.exit(main())
