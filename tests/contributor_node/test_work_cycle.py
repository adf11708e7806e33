"""The cycle's decisions, against a real coordinator: what a result becomes, and which receipt counts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
import pytest_asyncio
from crawl_sites import wall_ms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from node_world import NETWORK, PAYOUT, Coordinator, client_of, coordinator, until

from contributor_node import work_cycle
from contributor_node.coordinator import client as coordinator_client
from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.coordinator.outbox import Outbox
from contributor_node.coordinator.submission import submission_for
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.crawling.wire import CrawlResult
from contributor_node.egress.line_log import LineLog, read_rows
from contributor_node.owner.budget import Budget, Caps, OwnerRules
from contributor_node.owner.facts import who_is
from contributor_node.owner.settings import NodeSettings
from contributor_node.owner.status import read_status
from contributor_node.work_cycle import WorkCycle
from storage.env import Request, Response, json_response
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TEXT_BYTES_MAX
from windrow_protocol.messages import Contribution, Lease, Outcome, Report, decode_batch, encode_batch
from windrow_protocol.signing import sign

NODE_ID = "a" * 64


def result(**fields: Any) -> CrawlResult:
    values: dict[str, Any] = {
        "lease_id": "l" + "0" * 31,
        "url": "http://a.example/",
        "outcome": Outcome.FETCHED,
        "final_url": "http://a.example/",
        "fetched_at_ms": wall_ms(),
        "http_status": 200,
        "raw_sha256": "0" * 64,
        "text": "A row of hay.",
    }
    return CrawlResult(**{**values, **fields})


@pytest.mark.parametrize("text", ["", " \n\t ", "\ufeff", "\x00\x01"])
def test_a_page_without_text_is_reported_as_not_found(text: str) -> None:
    record = submission_for(result(text=text), NODE_ID)
    assert isinstance(record, Report)
    assert (record.outcome, record.detail) == (Outcome.NOT_FOUND, "the page has no text")


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.FETCHED])
def test_what_was_not_fetched_is_reported_as_it_is_and_carries_no_text(outcome: Outcome) -> None:
    record = submission_for(result(outcome=outcome, detail="d" * 999), NODE_ID)
    assert isinstance(record, Report)
    assert (record.outcome, len(record.detail)) == (outcome, 256)


@given(
    text=st.text(min_size=1),
    title=st.text(max_size=600),
    signals=st.lists(st.text(max_size=300), max_size=40),
    content_type=st.text(max_size=300),
)
@example(text="a\0b", title="\0t", signals=["n\0o"], content_type="\0")
def test_every_result_becomes_a_record_that_the_protocol_takes(
    text: str, title: str, signals: list[str], content_type: str
) -> None:
    odd = result(text=text, title=title, optout_signals=signals, content_type=content_type)
    record = submission_for(odd, NODE_ID)
    assert list(decode_batch(encode_batch([record]))) == [record]


WALLS = [
    (
        "Just a moment...",
        "Checking your browser before you enter. Please enable JavaScript and cookies to continue.",
    ),
    ("Access Denied", "You have no permission to see this page."),
    ("Are you a robot?", "Solve the captcha below, and the page you wanted will open."),
    ("Sign in", "Please log in"),
    ("", "Our systems have detected unusual traffic from your network."),
]


@pytest.mark.parametrize(("title", "text"), WALLS)
def test_what_stands_in_place_of_a_page_is_reported_as_blocked_and_not_handed_in(
    title: str, text: str
) -> None:
    record = submission_for(result(title=title, text=text, retry_after_ms=5), NODE_ID)
    assert isinstance(record, Report)
    assert (record.outcome, record.http_status, record.retry_after_ms) == (Outcome.BLOCKED, 200, 5)
    assert record.detail == "a block, a challenge or a log-in stands in place of the page"


def test_a_long_page_about_walls_is_handed_in() -> None:
    text = "Just a moment, said the captcha, are you a human? " * 30
    assert isinstance(submission_for(result(title="Access denied", text=text), NODE_ID), Contribution)


def test_an_endless_text_is_cut_and_still_in_normal_form() -> None:
    record = submission_for(result(text="é " * TEXT_BYTES_MAX), NODE_ID)
    assert isinstance(record, Contribution)
    assert TEXT_BYTES_MAX - 4 <= len(record.text.encode()) <= TEXT_BYTES_MAX
    assert list(decode_batch(encode_batch([record]))) == [record]


@dataclass
class World:
    """A coordinator that may be made to lie, and one node's parts in this process; no lease is ever fetched."""

    house: Coordinator
    client: CoordinatorClient
    outbox: Outbox
    home: Path
    engine: CrawlEngine

    async def taken(self, count: int) -> list[Lease]:
        """Lease some pages and hold their results ready, as after a kill -9 just before they were sent."""
        self.house.seed([f"http://h{n}.example/" for n in range(count)])
        leases = self.outbox.take((await self.client.leases(count, ["http"])).leases)
        for each in leases:
            page = result(lease_id=each.lease_id, url=each.url, final_url=each.url, text=f"Page {each.url}")
            self.outbox.put(submission_for(page, self.client.node_id))
        return leases

    async def lie(self, pattern: str, handle: Any) -> None:
        self.house.swap(pattern, handle)
        await self.house.down()
        await self.house.up()

    async def tell_the_truth(self) -> None:
        self.house.routes = []
        await self.house.down()
        await self.house.up()

    def cycle(self) -> WorkCycle:
        settings = NodeSettings(
            home=str(self.home), coordinator=self.house.url, payout=PAYOUT, renders=["http"], poll_s=0.1
        )
        budget = Budget(self.home, OwnerRules(Caps(10**9, 10**9)), wall_ms)
        return WorkCycle(settings, self.client, self.engine, self.outbox, budget, wall_ms)

    def last_error(self) -> str:
        return str(read_status(self.home).get("last_error", ""))


@pytest_asyncio.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(coordinator_client, "WAIT_S_MAX", 0.01)
    home = tmp_path / "node"
    async with coordinator(tmp_path / "house") as house:
        client = await client_of(house, home)
        log = LineLog(home / "line_log.ndjson", wall_ms)
        engine = CrawlEngine(CrawlSettings(home=home, user_agent="T/1"), log, wall_ms)
        await engine.start()
        outbox = Outbox(home / "outbox.db")
        try:
            yield World(house, client, outbox, home, engine)
        finally:
            await engine.close()
            outbox.close()


class Running:
    """A cycle that runs until the block ends."""

    def __init__(self, world: World) -> None:
        self._stop = asyncio.Event()
        self._cycle = world.cycle()

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._cycle.run(self._stop))

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._task


def _signed(world: World, lease: Lease, key: Ed25519PrivateKey, **changes: Any) -> str:
    content = {
        "lease_id": lease.lease_id,
        "contribution_id": "",
        "url": lease.url,
        "outcome": "fetched",
        "content_sha256": "0" * 64,
        "seq": 1,
        "head": "0" * 64,
        "received_at_ms": wall_ms(),
    }
    subject = changes.pop("subject", world.client.node_id)
    return sign(
        key,
        network=NETWORK,
        purpose="receipt",
        subject=subject,
        now_ms=wall_ms(),
        content={**content, **changes},
    )


@pytest.mark.parametrize(
    "lie", ["another text", "another lease", "another key", "another node", "no receipt", "nonsense"]
)
async def test_a_receipt_that_does_not_match_is_no_receipt_and_costs_the_others_nothing(
    world: World, lie: str
) -> None:
    leases = await world.taken(3)
    real = world.house.doors.submissions
    stranger = Ed25519PrivateKey.generate()

    async def lying(request: Request) -> Response:
        rows = msgspec.json.decode((await real(request)).body)["results"]
        for row in rows:
            if row["lease_id"] != leases[0].lease_id:
                continue
            own = world.house.house.key
            digest = (
                ""
                if "receipt" not in row
                else world.client.open_statement(row["receipt"], "receipt", dict[str, Any])
            )
            digest = digest["content_sha256"] if digest else ""
            row["receipt"] = {
                "another text": _signed(world, leases[0], own),
                "another lease": _signed(world, leases[1], own, content_sha256=digest),
                "another key": _signed(world, leases[0], stranger, content_sha256=digest),
                "another node": _signed(world, leases[0], own, content_sha256=digest, subject=NODE_ID),
                "no receipt": "",
                "nonsense": "x.y.z",
            }[lie]
        return json_response({"results": rows})

    await world.lie("/v1/submissions", lying)
    async with Running(world):
        await until(lambda: world.outbox.counts().get("fetched") == 2, "the two honest receipts")
        await until(world.last_error, "the complaint")
        assert world.outbox.unsent_count() == 1, "the result is kept"
        await world.tell_the_truth()
        await until(lambda: world.outbox.counts().get("fetched") == 3, "the true receipt")
    assert world.outbox.unsent_count() == 0
    assert len(world.house.submitted()) == 3


async def test_a_refusal_for_good_is_kept_with_its_reason_and_trouble_is_not_one(world: World) -> None:
    leases = await world.taken(2)
    codes = {leases[0].lease_id: "lease_expired", leases[1].lease_id: "busy"}

    async def refusing(request: Request) -> Response:
        records = [each for each in decode_batch(request.body) if not isinstance(each, WindrowError)]
        rows = [{"lease_id": r.lease_id, "ok": False, "error": codes[r.lease_id]} for r in records]
        return json_response({"results": rows})

    await world.lie("/v1/submissions", refusing)
    async with Running(world):
        await until(lambda: world.outbox.counts()["refused"] == 1, "the refusal")
        assert [record.lease_id for record in world.outbox.unsent(9, 10**6)] == [leases[1].lease_id]
        await world.tell_the_truth()
        await until(lambda: world.outbox.counts().get("fetched") == 1, "the receipt")


@pytest.mark.parametrize("pattern", ["/v1/network", "/v1/nodes", "/v1/leases", "/v1/submissions"])
async def test_nonsense_from_the_coordinator_ends_nothing(world: World, pattern: str) -> None:
    await world.taken(1)

    async def odd(_request: Request) -> Response:
        return Response(body=b"<html>Log in to the hotel's network</html>")

    await world.lie(pattern, odd)
    async with Running(world):
        await until(lambda: "[bad_coordinator_answer]" in world.last_error(), "the complaint")
        await world.tell_the_truth()
        await until(lambda: world.outbox.counts().get("fetched") == 1, "the receipt")
        asked = len(world.house.asked)
        await until(lambda: "/v1/leases" in world.house.asked[asked:], "the next question for work")


def _saying(world: World, url: str) -> Any:
    real = world.house.doors.network

    async def network(request: Request) -> Response:
        return json_response({**msgspec.json.decode((await real(request)).body), "publishers_url": url})

    return network


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/\r\nCookie: b",
        "https://a.example/\n",
        "https://a.example/) Mozilla/5.0 (",
        "x" * 99_999,
    ],
)
async def test_no_coordinator_writes_into_the_requests_of_its_nodes(world: World, url: str) -> None:
    await world.taken(1)
    await world.lie("/v1/network", _saying(world, url))
    asked = len(world.house.asked)
    async with Running(world):
        await until(lambda: "[bad_coordinator_answer]" in world.last_error(), "the complaint")
        assert "publishers_url" in world.last_error()
        assert world.engine.user_agent == "T/1", "nothing of it was taken over"
        assert set(world.house.asked[asked:]) == {"/v1/network"}, "nobody works for who says such things"
        await world.tell_the_truth()
        await until(lambda: world.outbox.counts().get("fetched") == 1, "the receipt")


async def test_all_nodes_name_the_page_that_the_network_publishes_and_follow_when_it_moves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_cycle, "MEET_EVERY_S", 0.2)
    for url in ("https://one.example/publishers", "https://two.example/publishers"):
        await world.lie("/v1/network", _saying(world, url))
        async with Running(world):
            await until(lambda url=url: url in world.engine.user_agent, "the page")
            assert who_is(NodeSettings(home=str(world.home))).user_agent == world.engine.user_agent
            await world.lie("/v1/network", _saying(world, "https://moved.example/"))
            await until(lambda: "moved.example" in world.engine.user_agent, "the page it moved to")
            assert world.engine.user_agent == "WindrowBot/0.1 (+https://moved.example/)"
    await world.tell_the_truth()
    async with Running(world):
        await until(lambda: "names no page" in world.engine.user_agent, "the name without a page")


async def test_without_work_it_asks_once_a_poll_and_never_faster(world: World) -> None:
    async with Running(world):
        await until(lambda: world.house.asked.count("/v1/leases") >= 5, "five questions")
    times = [row.sent_at_ms for row in _rows(world) if row.url.endswith("/v1/leases")]
    assert min(b - a for a, b in itertools.pairwise(times)) >= 90


@pytest.mark.parametrize(("said", "waits_s"), [(3_600, 3_500.0), (0, 0.0), (10**9, None)])
async def test_without_work_it_waits_as_long_as_it_is_told_within_bounds(
    world: World, said: int, waits_s: float | None
) -> None:
    async def nothing(_request: Request) -> Response:
        return json_response({"leases": [], "again_s": said})

    await world.lie("/v1/leases", nothing)
    cycle = world.cycle()
    begun_s = asyncio.get_running_loop().time()
    if waits_s is None:
        with pytest.raises(WindrowError, match="bad_coordinator_answer"):
            await cycle._take_work()
        return
    await cycle._take_work()
    assert waits_s <= cycle._ask_at_s - begun_s < waits_s + 200


def _rows(world: World) -> list[Any]:
    return list(read_rows(world.home / "line_log.ndjson"))
