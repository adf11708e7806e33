"""The crawl engine's life: children that die, wear out, idle and hang; batches given up; a parent that stays small."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from aiohttp import web
from crawl_sites import Site, html, lease, serve, wall_ms

from contributor_node.crawling import engine as crawl
from contributor_node.crawling import jobs as crawl_jobs
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog, read_rows
from windrow_protocol.messages import Outcome

ROOT = Path(__file__).resolve().parents[2]
PROSE = "<main>" + "".join(f"<p>Sentence {n} about the rows.</p>" for n in range(40)) + "</main>"
Opening = Callable[..., AbstractAsyncContextManager[CrawlEngine]]


@pytest.fixture
def open_engine(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def opening(*sites: Site, **settings: Any) -> AsyncIterator[CrawlEngine]:
        log = LineLog(tmp_path / "line_log.ndjson", wall_ms)
        allowed = frozenset(site.endpoint for site in sites)
        engine = CrawlEngine(
            CrawlSettings(
                home=tmp_path,
                user_agent="WindrowBot/0.1 (+https://windrow.example/bot)",
                allow_private=allowed,
                pace_private_s=0.1,
                **settings,
            ),
            log,
            wall_ms,
        )
        await engine.start()
        try:
            yield engine
        finally:
            await engine.close()

    return opening


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that must come to be. The test's own time limit is generous."""
    async with asyncio.timeout(120):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def prose(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404) if request.path == "/robots.txt" else html(PROSE)


async def test_a_child_killed_in_mid_batch_is_replaced_and_every_lease_answered_once(
    open_engine: Opening, tmp_path: Path
) -> None:
    pids: list[int | None] = []

    async def deadly_at_the_fifth(request: web.Request) -> web.StreamResponse:
        if len(site.hits) - site.hits.count("/robots.txt") > 4 and not pids:
            # By the site: the test may see no result before the batch has ended.
            pids.append(engine.child_pid)
            os.kill(engine.child_pid or 0, signal.SIGKILL)
        return await prose(request)

    async with serve(deadly_at_the_fifth) as site, open_engine(site) as engine:
        batch = engine.crawl([lease(f"{site.base}/{n}") for n in range(12)])
        results = [result async for result in batch]
        pids.append(engine.child_pid)
    assert sorted(r.url for r in results) == sorted(f"{site.base}/{n}" for n in range(12))
    assert {result.outcome for result in results} == {Outcome.FETCHED}
    assert batch.unfinished == []
    assert pids[0] != pids[1]
    assert len(list(read_rows(tmp_path / "line_log.ndjson"))) == len(site.hits)


async def test_a_page_that_kills_every_child_is_left_unanswered_and_the_others_are_not(
    open_engine: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl_jobs, "CHILD_DEATHS_MAX", 2)
    engine_box: list[CrawlEngine] = []

    async def deadly(request: web.Request) -> web.StreamResponse:
        if request.path == "/deadly":
            os.kill(engine_box[0].child_pid or 0, signal.SIGKILL)
        return await prose(request)

    async with serve(deadly) as site, serve(prose, "127.0.32.2") as other, open_engine(site, other) as engine:
        engine_box.append(engine)
        deadly_lease = lease(f"{site.base}/deadly")
        batch = engine.crawl([deadly_lease, lease(f"{other.base}/1")])
        results = [result async for result in batch]
        again = [result async for result in engine.crawl([lease(f"{other.base}/2")])]
    assert batch.unfinished == [deadly_lease.lease_id]
    assert [result.url for result in results] == [f"{other.base}/1"]
    assert [result.outcome for result in again] == [Outcome.FETCHED]
    assert site.hits.count("/deadly") == 2


async def test_a_new_name_is_carried_from_the_next_lease_on(open_engine: Opening) -> None:
    """What was being fetched under the name before ends under it; each page and its robots.txt say one name."""
    seen: dict[str, str] = {}

    async def renaming(request: web.Request) -> web.StreamResponse:
        seen[request.path] = request.headers["User-Agent"]
        if request.path == "/0":
            engine.name_to_sites("WindrowBot/0.1 (+https://moved.example/)")
        return await prose(request)

    async with serve(renaming) as site, open_engine(site) as engine:
        before = engine.user_agent
        results = [result async for result in engine.crawl([lease(f"{site.base}/0")])]
        results += [result async for result in engine.crawl([lease(f"{site.base}/1")])]
    assert [result.outcome for result in results] == [Outcome.FETCHED] * 2
    assert (seen["/0"], seen["/1"]) == (before, "WindrowBot/0.1 (+https://moved.example/)")


async def test_a_child_that_hangs_is_ended(open_engine: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl, "CHILD_SILENT_S_MAX", 8.0)
    engine_box: list[CrawlEngine] = []

    async def freezing(request: web.Request) -> web.StreamResponse:
        if request.path == "/freeze" and site.hits.count("/freeze") == 1:
            os.kill(engine_box[0].child_pid or 0, signal.SIGSTOP)
        return await prose(request)

    async with serve(freezing) as site, open_engine(site) as engine:
        engine_box.append(engine)
        results = [result async for result in engine.crawl([lease(f"{site.base}/freeze")])]
    assert [result.outcome for result in results] == [Outcome.FETCHED]
    assert site.hits.count("/freeze") == 2


async def test_a_page_that_the_parser_chokes_on_is_said_to_be_too_large(
    open_engine: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl, "CHILD_SILENT_S_MAX", 3.5)
    choking = "<p " + " ".join(f"a{number}=1" for number in range(400_000)) + ">x</p>"

    async def choke(request: web.Request) -> web.StreamResponse:
        return html(choking) if request.path == "/choke" else await prose(request)

    async with serve(choke) as site, open_engine(site) as engine:
        leases = [lease(f"{site.base}/choke"), lease(f"{site.base}/fine")]
        outcomes = {result.url: result.outcome async for result in engine.crawl(leases)}
    assert outcomes == {f"{site.base}/choke": Outcome.TOO_LARGE, f"{site.base}/fine": Outcome.FETCHED}
    assert site.hits.count("/choke") == 1


async def test_a_worn_out_child_is_replaced_without_losing_a_lease(open_engine: Opening) -> None:
    async with serve(prose) as site, open_engine(site, child_pages_max=4) as engine:
        pids, results = set(), []
        async for result in engine.crawl([lease(f"{site.base}/{n}") for n in range(7)]):
            pids.add(engine.child_pid)
            results.append(result)
    assert {result.outcome for result in results} == {Outcome.FETCHED}
    assert (len(results), len(pids - {None})) == (7, 2)


async def test_there_is_no_child_before_work_and_none_long_after(open_engine: Opening) -> None:
    async with serve(prose) as site, open_engine(site, child_idle_s=0.2) as engine:
        assert engine.child_pid is None
        assert [r.outcome async for r in engine.crawl([lease(f"{site.base}/1")])] == [Outcome.FETCHED]
        await until(lambda: engine.child_pid is None)
        assert [r.outcome async for r in engine.crawl([lease(f"{site.base}/2")])] == [Outcome.FETCHED]
    assert site.hits.count("/robots.txt") == 1  # the next child reads the cache


async def test_news_of_no_work_keeps_no_child(open_engine: Opening) -> None:
    """A node asks for work more often than its child's patience lasts; each empty answer is news to the engine."""
    async with serve(prose) as site, open_engine(site, child_idle_s=0.4) as engine:
        assert [r.outcome async for r in engine.crawl([lease(f"{site.base}/1")])] == [Outcome.FETCHED]

        async def ask_for_ever() -> None:
            while True:
                engine.pause({})
                await asyncio.sleep(0.05)

        asking = asyncio.create_task(ask_for_ever())
        await until(lambda: engine.child_pid is None)
        asking.cancel()


async def test_a_batch_left_early_is_given_up(open_engine: Opening) -> None:
    async with serve(prose) as site, open_engine(site) as engine:
        leases = [lease(f"{site.base}/{n}") for n in range(30)]
        results = engine.crawl(leases).__aiter__()
        await anext(results)
        await results.aclose()  # type: ignore[attr-defined]
        asked = len(site.hits)
        assert all(engine.proxy.grants.revoke(one.lease_id) is None for one in leases)
        assert [r.outcome async for r in engine.crawl([lease(f"{site.base}/after")])] == [Outcome.FETCHED]
    assert len(site.hits) <= asked + 3


async def test_a_lease_is_worked_on_only_once_at_a_time(open_engine: Opening) -> None:
    async with open_engine() as engine:
        one = lease("http://a.example/")
        with pytest.raises(ValueError, match="only once"):
            engine.crawl([one, one])
        engine.crawl([one])
        with pytest.raises(ValueError, match="only once"):
            engine.crawl([one])


async def test_a_lease_that_is_no_url_has_no_result(open_engine: Opening) -> None:
    async with open_engine() as engine:
        bad = lease("http://user:password@a.example/")
        batch = engine.crawl([bad])
        assert [result async for result in batch] == []
        assert batch.unfinished == [bad.lease_id]


async def test_where_no_child_can_run_leases_are_left_unanswered(
    open_engine: Opening, tmp_path: Path
) -> None:
    (tmp_path / "crawl_child.log").mkdir()
    async with open_engine() as engine:
        leases = [lease(f"http://a.example/{n}") for n in range(3)]
        batch = engine.crawl(leases)
        assert [result async for result in batch] == []
    assert sorted(batch.unfinished) == [one.lease_id for one in leases]


async def test_a_child_that_never_speaks_is_tried_three_times(
    open_engine: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with open_engine() as engine:
        batch = engine.crawl([lease("http://a.example/")])
        assert [result async for result in batch] == []
    assert len(batch.unfinished) == 1


async def test_two_batches_keep_apart_and_closing_leaves_nothing_behind(open_engine: Opening) -> None:
    async with serve(prose) as site, serve(prose, "127.0.32.2") as other, open_engine(site, other) as engine:

        async def collect(base: str) -> list[str]:
            return [result.url async for result in engine.crawl([lease(f"{base}/{n}") for n in range(5)])]

        first, second = await asyncio.gather(collect(site.base), collect(other.base))
        assert sorted(first) == [f"{site.base}/{n}" for n in range(5)]
        assert sorted(second) == [f"{other.base}/{n}" for n in range(5)]
        batch = engine.crawl([lease(f"{site.base}/{n}") for n in range(20)])
        await anext(batch.__aiter__())
        pid = engine.child_pid
        assert pid is not None
        await engine.close()
        assert not psutil.pid_exists(pid)
        assert engine.child_pid is None


PARENT = """
import asyncio, json, sys
from pathlib import Path
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog
from windrow_protocol.addresses import parse_allowed
from windrow_protocol.messages import Lease

async def main(home, endpoint):
    log = LineLog(home / "line_log.ndjson", lambda: 0)
    settings = CrawlSettings(home=home, user_agent="WindrowBot/0.1", allow_private=frozenset([parse_allowed(endpoint)]))
    engine = CrawlEngine(settings, log, lambda: 0)
    await engine.start()
    one = Lease(lease_id="l" + "0" * 31, node_id="0" * 64, url=f"http://{endpoint}/x", render="http",
                body_bytes_max=10**6, decoded_bytes_max=10**6, time_s_max=20, redirects_max=5, nonce="n",
                issued_at_ms=0, expires_at_ms=10**15)
    async for result in engine.crawl([one]):
        rss = int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])
        print(json.dumps({"outcome": result.outcome, "rss_kb": rss, "child": engine.child_pid,
                          "modules": sorted({name.partition(".")[0] for name in sys.modules})}), flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_the_parent_stays_small_and_its_death_ends_the_child(tmp_path: Path) -> None:
    async with serve(prose) as site:
        parent = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PARENT,
            str(tmp_path),
            f"{site.address}:{site.port}",
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )
        assert parent.stdout is not None
        told = json.loads(await parent.stdout.readline())
        parent.kill()
        await parent.wait()
        await until(lambda: not psutil.pid_exists(told["child"]))
    assert told["outcome"] == "fetched"
    heavy = {"scrapy", "twisted", "playwright", "resiliparse", "lxml", "web3", "pyarrow", "duckdb", "aiohttp"}
    assert heavy.isdisjoint(told["modules"])
    assert told["rss_kb"] < 60_000
