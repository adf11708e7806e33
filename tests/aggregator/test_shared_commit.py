"""Submissions that arrive together share a commit, and nobody pays for another's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World, commits_of
from real_house import Node, words_of

from aggregator.assignment.frontier import add_urls
from aggregator.shared_commit import SharedCommit
from storage.env import Request
from storage.tables.contributions import leases, submissions
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import BATCHES_PER_COMMIT_MAX
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


async def test_no_turn_holds_more_than_the_bound() -> None:
    def doubled(numbers: Sequence[int]) -> list[int | Exception]:
        turns.append(len(numbers))
        return [number * 2 for number in numbers]

    turns: list[int] = []
    shared = SharedCommit(doubled, 4)
    assert await asyncio.gather(*map(shared.ask, range(9))) == [number * 2 for number in range(9)]
    assert turns == [4, 4, 1]


async def test_the_house_bounds_what_shares_a_commit(world: World) -> None:
    count = BATCHES_PER_COMMIT_MAX + 1
    requests = [request for _, request in await requests_of(world, count)]
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


async def test_a_batch_that_breaks_the_transaction_costs_the_others_nothing(world: World) -> None:
    (_, first), (poisoner, _), (_, last) = await requests_of(world, 3)
    poison = await poisoned(world, poisoner)
    with commits_of(world) as commits:
        answers = await answers_to(world, [first, poison, last])
    said = [answer.code if isinstance(answer, WindrowError) else answer["ok"] for answer in answers]
    assert said == [True, "bad_url", True]
    assert commits == [2], "the two that can be written, each alone"
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(submissions.c.seq)).scalars().all() == [1, 2]
    (again,) = await answers_to(world, [poison])
    assert again.code == "bad_url", "its nonce was not spent"


async def poisoned(world: World, node: Node) -> Request:
    """Return a batch that is admitted and cannot be entered: the host of its lease, a damaged row, has no pace."""
    pages = [("http://poison.example/", "http")]
    with world.house.state.write() as connection:
        add_urls(connection, pages, world.house.now_ms())
    (lease,) = await world.take(node, 1)
    lease = msgspec.structs.replace(lease, url="http://")
    with world.house.state.write() as connection:
        damaged = sa.update(leases).where(leases.c.lease_id == lease.lease_id).values(url=lease.url)
        connection.execute(damaged)
    return node.request("submit", encode_batch([node.contribution(lease, words_of(9))]))


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

    def full(_records: list[bytes]) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(world.segments, "append_packed", full)
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
