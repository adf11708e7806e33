"""What a node costs its owner: memory, CPU, honesty of its log, obedience to caps and pause. One JSON line a case.

Rules: the node is the process a contributor starts (`python -m contributor_node`), read from outside; the web and bare
Scrapy are processes of their own. Memory is proportional (PSS, /proc/PID/smaps_rollup) over the process tree; CPU is
the tree's own, ended children included. Wall times are reported, never judged. Cases:

    idle         connected, its dashboard served and looked at: memory, CPU of an hour (a sample of --idle-s)
    throughput   the engine (guard, log, budget, robots.txt, extraction) against bare Scrapy on the same pages
    soak         --fetches leases through the whole node: growth, children, logged bytes against the kernel's
    caps         killed at its cap again and again: what it used beyond
    pause        from the owner's pause to the last page request that left
    browser      from the last rendered page to the last process of the browser

Does not: judge; figures promised stand in docs/node.md.

Usage: `python bench/node_footprint.py [--cases idle,throughput] [--pages PAGES.parquet] [--fetches 10000]`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

from crawl_sites import lease, wall_ms  # noqa: E402
from dashboard_world import Visitor  # noqa: E402
from node_world import Coordinator, coordinator, node  # noqa: E402

from bench.process_tree import MB, cpu_s, memory_mb, own_mb, tree  # noqa: E402
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings  # noqa: E402
from contributor_node.dashboard.link_file import LINK_FILE  # noqa: E402
from contributor_node.egress.line_log import LineLog, read_rows  # noqa: E402
from contributor_node.owner import control  # noqa: E402
from contributor_node.owner.budget import Budget, Caps, OwnerRules, read_usage  # noqa: E402
from storage.tables.trust import audits  # noqa: E402
from windrow_protocol.addresses import parse_allowed  # noqa: E402
from windrow_protocol.trust_rules import TrustRules  # noqa: E402

LEASES_AT_ONCE: Final = 400
# a node long known
GENEROUS: Final = TrustRules(off=("lease_limits", "probation", "sybil_limits", "canaries"))


async def until(true: Callable[[], Any], wait_s: float) -> None:
    """Wait for something. Raises TimeoutError."""
    async with asyncio.timeout(wait_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


class Web:
    """The web's process."""

    def __init__(self, process: asyncio.subprocess.Process, hosts: list[str]) -> None:
        self._process, self.hosts = process, hosts

    async def counters(self) -> dict[str, Any]:
        """Return what the kernel has counted over all connections that ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"counters\n")
        return dict(json.loads(await self._process.stdout.readline()))

    def urls(self, count: int, name: str = "p") -> list[str]:
        """Return so many addresses, host after host."""
        return [f"http://{self.hosts[n % len(self.hosts)]}/{name}/{n}" for n in range(count)]


@asynccontextmanager
async def web(options: argparse.Namespace, *flags: str) -> AsyncIterator[Web]:
    """Run the web until the block ends."""
    pages = ("--pages", str(options.pages)) if options.pages else ()
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            str(ROOT / "bench" / "footprint_web.py"),
            "--hosts",
            str(options.hosts),
            *pages,
            *flags,
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdout is not None
    try:
        yield Web(process, json.loads(await process.stdout.readline()))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# --- cases -----------------------------------------------------------------------------------------------------


async def idle(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A node that is connected, asks for work as often as by default, and whose dashboard is looked at."""
    async with (
        coordinator(folder / "house") as house,
        node(folder / "node", house.url, "--poll-s", "30", "--renders", "http", "browser") as running,
    ):
        await until(lambda: running.status.get("role") and (running.home / LINK_FILE).exists(), 60)
        await asyncio.sleep(5)
        connected = memory_mb(running.pid)
        visitor = Visitor(running.home)
        visitor.enter()
        for _ in range(3):
            for page in ("", "log", "data", "money", "questions"):
                visitor.page(page)
        looked_at = memory_mb(running.pid)
        begun = cpu_s(running.pid), time.monotonic()
        await asyncio.sleep(options.idle_s)
        spent_s, passed_s = cpu_s(running.pid) - begun[0], time.monotonic() - begun[1]
        return {
            "connected": connected,
            "after_the_dashboard": looked_at,
            "after_the_sample": memory_mb(running.pid),
            "processes": len(tree(running.pid)),
            "cpu_s_an_hour": round(spent_s / passed_s * 3_600, 2),
            "sampled_s": round(passed_s),
            "questions_for_work": house.asked.count("/v1/leases"),
        }


async def throughput(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The same pages through the engine and through bare Scrapy."""
    async with web(options) as sites:
        urls = sites.urls(options.throughput_pages)
        (folder / "urls.json").write_text(json.dumps(urls))
        before = await sites.counters()
        ours = await _engine(folder / "engine", urls, sites.hosts)
        between = await sites.counters()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "bench" / "bare_scrapy.py"), str(folder / "urls.json")),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        bare = json.loads(out)
    moved = sum(between[name] - before[name] for name in ("bytes_in", "bytes_out"))
    return {
        "node": ours,
        "bare_scrapy": bare,
        "cpu_s_per_1000_pages": [round(each["cpu_s"] / each["pages"] * 1_000, 2) for each in (ours, bare)],
        "ratio_by_cpu": round(ours["pages"] / ours["cpu_s"] / (bare["pages"] / bare["cpu_s"]), 3),
        "ratio_by_wall": round(ours["pages"] / ours["wall_s"] / (bare["pages"] / bare["wall_s"]), 3),
        "same_text": ours["text_chars"] == bare["text_chars"],
        "logged_to_kernel_bytes": round(ours["logged_bytes"] / moved, 4),
    }


async def _engine(home: Path, urls: list[str], hosts: list[str]) -> dict[str, Any]:
    log = LineLog(home / "line_log.ndjson", wall_ms)
    settings = CrawlSettings(
        home=home,
        user_agent="WindrowBot/0.1 (+https://windrow.example/bot)",
        allow_private=frozenset(map(parse_allowed, hosts)),
        pace_private_s=0.1,
    )
    engine = CrawlEngine(
        settings, log, wall_ms, meter=Budget(home, OwnerRules(Caps(10**12, 10**12)), wall_ms)
    )
    await engine.start()
    begun_cpu_s, pages, chars = time.process_time(), 0, 0
    async for _ in engine.crawl([lease(f"{urls[0]}?begin")]):
        pass  # the child has started: bare Scrapy's clock, too, begins behind its imports; their CPU counts for both
    begun_s = time.monotonic()
    for begin in range(0, len(urls), LEASES_AT_ONCE):
        async for result in engine.crawl([lease(url) for url in urls[begin : begin + LEASES_AT_ONCE]]):
            pages += result.outcome == "fetched"
            chars += len(result.text)
    child_cpu_s = cpu_s(engine.child_pid) if engine.child_pid else 0.0
    spent_s, wall_s = time.process_time() - begun_cpu_s, time.monotonic() - begun_s
    await engine.close()
    rows = read_rows(home / "line_log.ndjson")
    return {
        "pages": pages,
        "text_chars": chars,
        "cpu_s": round(spent_s + child_cpu_s, 2),
        "cpu_s_proxy": round(spent_s, 2),
        "wall_s": round(wall_s, 2),
        "logged_bytes": sum(row.bytes_up + row.bytes_down for row in rows),
    }


async def soak(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Many leases through the whole node: its own memory at each tenth, its children, its log."""
    async with (
        web(options) as sites,
        coordinator(folder / "house", rules=GENEROUS) as house,
        node(folder / "node", house.url, "--allow-private", *sites.hosts, "--batch", "50") as running,
    ):
        house.seed(sites.urls(options.fetches))
        await until(lambda: running.status.get("role"), 60)
        home, steps, children = running.home, [(0, own_mb(running.pid))], set()
        begun, tenth = cpu_s(running.pid), max(1, options.fetches // 10)
        deadline = time.monotonic() + options.soak_s
        while (done := running.count("receipts")) < options.fetches and time.monotonic() < deadline:
            _decide(house)
            children.update(each.pid for each in tree(running.pid)[1:2])
            if done >= tenth * len(steps):
                steps.append((done, own_mb(running.pid)))
            await asyncio.sleep(0.5)
        steps.append((done, own_mb(running.pid)))
        spent_s = cpu_s(running.pid) - begun
        await until(lambda: len(tree(running.pid)) == 1, 120)  # its idle child leaves
        counters = await sites.counters()
        rows = [row for row in read_rows(home / "line_log.ndjson") if row.client == "crawl"]
    logged, moved = (
        sum(row.bytes_up + row.bytes_down for row in rows),
        counters["bytes_in"] + counters["bytes_out"],
    )
    first, last = steps[0], steps[-1]
    return {
        "fetches": done,
        "rows": len(rows),
        "requests_served": counters["requests"],
        "own_memory_mb": steps,
        "growth_mb": round(last[1] - first[1], 1),
        "growth_mb_per_10000": round((last[1] - first[1]) / max(1, last[0] - first[0]) * 10_000, 1),
        "children": len(children),
        "idle_child_left": True,
        "logged_to_kernel_bytes": round(logged / moved, 4),
        "cpu_s_per_1000_pages": round(spent_s / max(1, done) * 1_000, 1),
    }


def _decide(house: Coordinator) -> None:
    """Close the audits: no validator works here, and a node with 200 answers undecided is given no lease."""
    with house.house.state.write() as connection:
        connection.execute(sa.update(audits).values(state="decided"))


async def caps(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A cap of 3 MB a day, pages of 4 MB, and a SIGKILL in the middle of one again and again."""
    async with (
        web(options, "--endless") as sites,
        coordinator(folder / "house") as house,
        node(folder / "node", house.url, "--allow-private", *sites.hosts, "--day-mb-max", "3") as running,
    ):
        house.seed(sites.urls(options.hosts))
        kills = 0
        while read_usage(running.home).day_bytes < 3 * MB:
            used = read_usage(running.home).day_bytes
            await until(lambda used=used: read_usage(running.home).day_bytes > used + 100_000, 90)  # type: ignore[misc]
            await running.kill()
            kills += 1
            await running.start()
        await until(lambda: running.status.get("may_work") == "day_cap", 60)
        await asyncio.sleep(5)
        used = read_usage(running.home).day_bytes
        counters = await sites.counters()
    moved = counters["bytes_in"] + counters["bytes_out"]
    return {
        "cap_bytes": 3 * MB,
        "kills": kills,
        "overshoot_bytes": used - 3 * MB,
        "one_chunk_bytes": 65_536,
        "pages_by_the_kernel_bytes": moved,
    }


async def pause(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Pause a node at full speed some times; the web says when it last saw a page asked for."""
    waits_s = []
    async with (
        web(options) as sites,
        coordinator(folder / "house", rules=GENEROUS) as house,
        node(folder / "node", house.url, "--allow-private", *sites.hosts, "--batch", "50") as running,
    ):
        for turn in range(options.pauses):
            house.seed(sites.urls(300, f"t{turn}"))
            _decide(house)
            before = (await sites.counters())["requests"]
            await _more_requests(sites, before + 40)
            paused_at = time.time()
            control.pause(running.home)
            await asyncio.sleep(6)
            waits_s.append(round((await sites.counters())["last_page_at"] - paused_at, 3))
            control.resume(running.home)
    return {"pauses": len(waits_s), "last_page_after_s": waits_s, "longest_s": max(waits_s)}


async def _more_requests(sites: Web, wanted: int) -> None:
    async with asyncio.timeout(120):
        while (await sites.counters())["requests"] < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def browser(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Render one page, then wait until the browser, and at last the crawl child, has gone."""
    async with web(options) as sites:
        engine = CrawlEngine(
            CrawlSettings(
                home=folder / "node",
                user_agent="W/1",
                allow_private=frozenset(map(parse_allowed, sites.hosts)),
            ),
            LineLog(folder / "line_log.ndjson", wall_ms),
            wall_ms,
        )
        await engine.start()
        results = [result async for result in engine.crawl([lease(sites.urls(1)[0], render="browser")])]
        ended = time.monotonic()
        with_browser, count = memory_mb(engine.child_pid or 0), len(tree(engine.child_pid or 0))
        await until(lambda: not _chromium(), 90)
        browser_s = time.monotonic() - ended
        await until(lambda: engine.child_pid is None, 90)
        child_s = time.monotonic() - ended
        await engine.close()
    return {
        "rendered": [result.rendered for result in results],
        "with_browser": with_browser,
        "processes": count,
        "browser_gone_after_s": round(browser_s, 1),
        "child_gone_after_s": round(child_s, 1),
    }


def _chromium() -> list[int]:
    return [each.pid for each in tree(os.getpid())[1:] if each.is_running() and "chrom" in each.name()]


CASES: Final = {each.__name__: each for each in (idle, throughput, soak, caps, pause, browser)}


async def run(options: argparse.Namespace) -> None:
    """Run the cases and print their lines."""
    for name in options.cases.split(","):
        with tempfile.TemporaryDirectory() as folder:
            line = await CASES[name](options, Path(folder))
            print(json.dumps({"bench": "node footprint", "case": name, **line}), flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="What a node costs its owner.")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--pages", type=Path, help="labelled pages; invented ones without")
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--idle-s", type=int, default=120)
    parser.add_argument("--throughput-pages", type=int, default=1_900)  # below what one child takes
    parser.add_argument("--fetches", type=int, default=10_000)
    parser.add_argument("--soak-s", type=int, default=1_800)
    parser.add_argument("--pauses", type=int, default=5)
    options = parser.parse_args()
    for name in list(os.environ):
        if name.startswith("WINDROW_") and name != "WINDROW_CHROMIUM":
            del os.environ[name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
