"""The node as a process: killed in mid-batch it loses and repeats nothing; idle it is small; stopped it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from crawl_sites import wall_ms
from node_world import NETWORK, clean_environment, coordinator, node, site, until
from real_data import ROOT

from contributor_node.egress.line_log import read_rows
from windrow_protocol.messages import Receipt
from windrow_protocol.signing import verify

PAGES = 30
IDLE_RSS_BYTES_MAX = 60_000_000
HEAVY = (
    *("scrapy", "twisted", "playwright", "typer", "rich", "structlog", "pyarrow", "web3"),
    *("sqlalchemy", "duckdb", "pydantic", "resiliparse", "aiohttp"),
)
SEEN_IN_MAPS = ("pyarrow", "duckdb", "playwright", "resiliparse", "sqlalchemy", "pydantic_core", "lxml")


async def test_killed_in_mid_batch_it_submits_every_page_once_and_keeps_every_receipt(
    tmp_path: Path,
) -> None:
    async with coordinator(tmp_path / "house") as house, site() as pages:
        urls = [f"{pages.base}/{n}" for n in range(PAGES)]
        house.seed(urls)
        async with node(tmp_path / "node", house.url, "--batch", "20", sites=(pages,)) as running:
            await until(lambda: len(pages.hits_of("/")) > 12, "the twelfth page")
            await running.kill()
            assert len(running.receipts()) + running.count("results") < PAGES, "it was killed in mid-batch"
            await running.start()
            await until(lambda: len(running.receipts()) == PAGES, "the last receipt")
            assert await running.stop() == 0
            receipts = running.receipts()
            assert running.count("results") == running.count("leases") == running.count("refusals") == 0
        assert sorted(house.submitted()) == sorted((url, "fetched") for url in urls)
        opened = [
            msgspec.convert(
                verify(
                    token,
                    signer=house.house.coordinator_id,
                    network=NETWORK,
                    purpose="receipt",
                    now_ms=wall_ms(),
                ).content,
                Receipt,
            )
            for _, token in receipts.values()
        ]
        assert sorted(receipt.url for receipt in opened) == sorted(urls)
        assert {receipt.seq for receipt in opened} == set(range(1, PAGES + 1))
        rows = list(read_rows(tmp_path / "node" / "line_log.ndjson"))
        reached = [row.url.removeprefix(pages.base) for row in rows if row.purpose != "coordinator"]
        assert sorted(pages.hits) == sorted(reached), "the line log holds what the site saw, and nothing else"
        assert {row.url.split("/v1")[0] for row in rows if row.purpose == "coordinator"} == {house.url}


async def test_it_outlives_its_coordinator_and_hands_over_later(tmp_path: Path) -> None:
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(20)])
        async with node(tmp_path / "node", house.url, sites=(pages,)) as running:
            await until(lambda: len(pages.hits_of("/")) > 3, "the first pages")
            await house.down()
            await until(lambda: running.count("results") == 20 - len(running.receipts()), "all results")
            assert running.count("results") > 0
            await running.kill()
            await running.start()
            await house.up()
            await until(lambda: len(running.receipts()) == 20, "the last receipt")
        assert len(house.submitted()) == len(set(house.submitted())) == 20
        of_the_host = pages.hits.count("/robots.txt") + len(pages.hits_of("/.well-known/"))
        assert len(pages.hits_of("/")) - of_the_host == 20, "nothing was fetched twice"


async def test_told_to_stop_it_ends_at_once_and_goes_on_later(tmp_path: Path) -> None:
    async with coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(PAGES)])
        async with node(tmp_path / "node", house.url, sites=(pages,)) as running:
            await until(lambda: running.count("results") or running.receipts(), "the first results")
            assert await running.stop() == 0
            before = len(running.receipts())
            assert 0 < before < PAGES
            assert running.count("results") == 0, "what was ready was handed over"
            await running.start()
            await until(lambda: len(running.receipts()) == PAGES, "the last receipt")
        assert len(set(house.submitted())) == len(house.submitted()) == PAGES


async def test_idle_it_is_small_and_holds_nothing_heavy(tmp_path: Path) -> None:
    async with coordinator(tmp_path / "house") as house, node(tmp_path / "node", house.url) as running:
        await until(lambda: house.asked.count("/v1/leases") >= 3, "the third question for work")
        process = psutil.Process(running.pid)
        assert running.status["role"] == "contributor"
        assert process.children() == [], "no crawl child without work"
        assert process.memory_info().rss <= IDLE_RSS_BYTES_MAX
        mapped = " ".join(each.path for each in process.memory_maps())
        assert [name for name in SEEN_IN_MAPS if name in mapped] == []


def test_what_an_idle_node_imports_holds_nothing_heavy() -> None:
    code = (
        f"import sys, contributor_node.__main__\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


async def test_a_second_node_is_kept_out_of_the_home(tmp_path: Path) -> None:
    async with (
        coordinator(tmp_path / "house") as house,
        node(tmp_path / "node", house.url) as first,
    ):
        await until(lambda: first.status, "the first node's status")
        async with node(tmp_path / "node", house.url) as second:
            assert second.process is not None
            assert await second.process.wait() == 1
        assert "[node_running]" in first.log()
        assert psutil.Process(first.pid).is_running()


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT"])
async def test_it_can_be_stopped_before_it_ever_reached_a_coordinator(
    tmp_path: Path, signal_name: str
) -> None:
    async with node(tmp_path / "node", "http://127.0.0.1:9") as running:
        await until(lambda: running.status.get("last_error"), "the first failure")
        assert "[not_running]" in running.status["last_error"]
        assert running.process is not None
        running.process.send_signal(getattr(signal, signal_name))
        async with asyncio.timeout(120):
            assert await running.process.wait() == 0


async def test_a_coordinator_that_keeps_silent_does_not_hold_a_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, and nobody ever answers
        async with node(tmp_path / "node", f"http://127.0.0.1:{silent.getsockname()[1]}") as running:
            log = running.home / "line_log.ndjson"
            await until(lambda: log.exists() and list(read_rows(log)), "the first question")
            assert await running.stop() == 0
            assert [row.error for row in read_rows(log)] == ["connection failed"], (
                "nothing was asked after that"
            )
