"""Submissions that arrive together share a commit, and nobody pays for another's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from real_house import Node, words_of

from aggregator import shared_commit
from aggregator.assignment.frontier import add_urls
from storage.env import Request
from storage.tables import submissions
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import encode_batch
from windrow_protocol.trust_rules import TrustRules


@pytest.fixture
def world(tmp_path: Path) -> World:
    # More newcomers than a day takes: the lottery among them is not what is tested here.
    return World(tmp_path, rules=TrustRules(young_leases_per_day=100_000))


async def requests_of(world: World, count: int) -> list[tuple[Node, Request]]:
    """Sign one submission for each of some leases, each of a node of its own."""
    with world.house.state.write() as connection:
        pages = [(f"http://host{number}.example/", "http") for number in range(count)]
        add_urls(connection, pages, world.house.now_ms())
    signed = []
    for number in range(count):
        node = await world.node()
        (lease,) = await world.take(node, 1)
        body = encode_batch([node.contribution(lease, words_of(number))])
        signed.append((node, node.request("submit", body)))
    return signed


@contextmanager
def commits_of(world: World) -> Iterator[list[int]]:
    """Count what is committed while the block runs."""
    counted = [0]

    def count(_connection: sa.Connection) -> None:
        counted[0] += 1

    sa.event.listen(world.house.state._writer, "commit", count)
    try:
        yield counted
    finally:
        sa.event.remove(world.house.state._writer, "commit", count)


async def answers_to(world: World, requests: list[Request]) -> list[Any]:
    """Send requests at once and return the first result of each, or what it raised."""
    responses = await asyncio.gather(*map(world.doors.submissions, requests), return_exceptions=True)
    return [
        response if isinstance(response, BaseException) else msgspec.json.decode(response.body)["results"][0]
        for response in responses
    ]


def logged(world: World) -> int:
    with world.house.state.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(submissions)).scalar() or 0


async def test_those_that_arrive_together_share_one_commit(world: World) -> None:
    requests = [request for _, request in await requests_of(world, 8)]
    with commits_of(world) as commits:
        answers = await answers_to(world, requests)
    assert [answer["ok"] for answer in answers] == [True] * 8
    assert commits == [1]
    assert logged(world) == 8


async def test_one_alone_does_not_wait_for_others(world: World) -> None:
    ((_, request),) = await requests_of(world, 1)
    with commits_of(world) as commits:
        assert (await answers_to(world, [request]))[0]["ok"]
    assert commits == [1]


async def test_no_commit_holds_more_than_the_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_commit, "BATCHES_PER_COMMIT_MAX", 4)
    requests = [request for _, request in await requests_of(world, 5)]
    with commits_of(world) as commits:
        answers = await answers_to(world, requests)
    assert all(answer["ok"] for answer in answers)
    assert commits == [2]


async def test_a_batch_that_fails_costs_the_others_nothing(world: World) -> None:
    (_, first), (_, second), (node, third) = await requests_of(world, 3)
    broken = node.request("submit", b"not zstd at all")
    answers = await answers_to(world, [first, broken, first, second, third])
    assert [isinstance(answer, WindrowError) and answer.code for answer in answers] == [
        False,
        "bad_compression",
        "replayed",
        False,
        False,
    ]
    assert logged(world) == 3


async def test_the_same_record_twice_at_once_has_one_receipt_and_another_none(world: World) -> None:
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    record, other = node.contribution(lease, words_of(1)), node.contribution(lease, words_of(2))
    batches = [
        encode_batch([record]),
        encode_batch([record]),
        encode_batch([other]),
        encode_batch([record, other]),
    ]
    requests = [node.request("submit", body) for body in batches]
    first, again, changed, both = await answers_to(world, requests)
    assert first["receipt"] == again["receipt"] == both["receipt"]
    assert changed["error"] == "lease_closed"
    assert logged(world) == 1
    results = await node.submit(world.doors.submissions, [other, record])
    assert [result.get("error", "ok") for result in results] == ["lease_closed", "ok"]


async def test_a_disk_that_fails_is_told_to_everybody_and_commits_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request for _, request in await requests_of(world, 3)]

    def full(_data: bytes) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(world.segments, "append", full)
        answers = await answers_to(world, requests)
    assert [type(answer) for answer in answers] == [OSError] * 3
    assert logged(world) == 0
    again = await answers_to(world, requests)
    assert all(answer["ok"] for answer in again), "no nonce was spent"


async def test_the_first_may_go_away_while_others_wait(world: World) -> None:
    (_, first), (_, second) = await requests_of(world, 2)
    leader = asyncio.ensure_future(world.doors.submissions(first))
    follower = asyncio.ensure_future(world.doors.submissions(second))
    await asyncio.sleep(0)
    leader.cancel()
    assert msgspec.json.decode((await follower).body)["results"][0]["ok"]
    assert logged(world) == 2, "what was handed over is committed, and the retry gets its receipt"
