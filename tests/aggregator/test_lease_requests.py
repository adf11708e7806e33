"""Requests for leases share a commit, those that get nothing write nothing, and a nonce still counts once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World, commits_of
from real_house import PAYOUT, Node, address_of_its_own

from aggregator import lease_requests
from aggregator.assignment.frontier import add_urls
from aggregator.assignment.pacing import Heard, note_reports
from aggregator.assignment.sybil import prefix_quota
from aggregator.heard_nonces import HeardNonces
from aggregator.requests import Caller, authenticate
from aggregator.routes import Doors
from storage.env import Request
from storage.tables.contributions import leases, nodes, nonces
from storage.tables.trust import standings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    CLOCK_SKEW_MS_MAX,
    LEASES_NEWCOMER_MAX,
    NODE_SEEN_STEP_MS,
    NODE_SILENT_MS,
    SIGNATURE_LIFE_MS,
)
from windrow_protocol.messages import LeaseRequest, Outcome, Registration
from windrow_protocol.trust_rules import TrustRules

WISH = msgspec.json.encode(LeaseRequest(count=1))


@pytest.fixture
def world(tmp_path: Path) -> World:
    # More newcomers than a day takes: the lottery among them is not what is tested here.
    return World(tmp_path, rules=TrustRules(young_leases_per_day=100_000))


def asks(node: Node, nonce: str = "") -> Request:
    return node.request("lease_request", WISH, nonce=nonce)


async def answers_to(doors: Doors, requests: list[Request]) -> list[Any]:
    """Send requests at once; return of each its answer, or the code of the error it raised."""
    responses = await asyncio.gather(*map(doors.leases, requests), return_exceptions=True)
    return [_told(response) for response in responses]


def _told(response: Any) -> Any:
    if isinstance(response, WindrowError):
        return response.code
    return response if isinstance(response, BaseException) else msgspec.json.decode(response.body)


def held(world: World) -> list[str]:
    with world.house.state.read() as connection:
        return list(connection.execute(sa.select(leases.c.node_id)).scalars())


def seen_at_ms(world: World, node: Node) -> int:
    with world.house.state.read() as connection:
        row = sa.select(nodes.c.seen_at_ms).where(nodes.c.node_id == node.node_id)
        return connection.execute(row).scalar_one()


def add_pages(world: World, count: int) -> None:
    with world.house.state.write() as connection:
        pages = [(f"http://host{number}.example/", "http") for number in range(count)]
        add_urls(connection, pages, world.house.now_ms())


async def test_who_gets_nothing_causes_no_write(world: World) -> None:
    asking = [await world.node() for _ in range(3)] + [world.validator]
    await world.validators_ready()
    requests = [asks(node) for node in asking for _ in range(3)]
    with commits_of(world) as commits:
        answers = await answers_to(world.doors, requests)
        alone = await answers_to(world.doors, [asks(asking[0])])
    assert commits == [0]
    expected = {
        "leases": [],
        "offer": "",
        "state": "active",
        "position": 0,
        "paused": {},
        "standing": None,
        "again_s": 0,
    }
    assert [{**answer, "server_time_ms": 0} for answer in answers + alone] == [
        {**expected, "server_time_ms": 0}
    ] * 13


async def test_the_more_nodes_wait_for_work_the_longer_each_is_told_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_requests, "REQUESTS_FOR_WORK_A_SECOND", 2)
    monkeypatch.setattr(lease_requests, "ASK_AGAIN_S_MAX", 4)
    asking = [await world.node() for _ in range(7)]
    (answer,) = await answers_to(world.doors, [asks(asking[0])])
    assert answer["again_s"] == 7 // 2
    asking += [await world.node() for _ in range(20)]
    (answer,) = await answers_to(world.doors, [asks(asking[0])])
    assert answer["again_s"] == 7 // 2, "counted now and then, not for each"
    world.clock.ahead_ms += 60_000
    (answer,) = await answers_to(world.doors, [asks(asking[0])])
    assert answer["again_s"] == 4, "and bounded"
    add_pages(world, 3)
    (answer,) = await answers_to(world.doors, [asks(asking[0])])
    assert answer["leases"]
    assert answer["again_s"] == 0, "who has work comes when it is done"
    world.clock.ahead_ms += NODE_SILENT_MS
    await world.validators_ready()
    (answer,) = await answers_to(world.doors, [asks(await world.node())])
    assert answer["again_s"] == 0, "who is away does not count"


async def test_those_that_get_pages_share_one_commit_and_no_page(world: World) -> None:
    asking = [await world.node() for _ in range(5)]
    add_pages(world, 8)
    with commits_of(world) as commits:
        answers = await answers_to(world.doors, [asks(node) for node in asking])
    assert commits == [1]
    given = [node.open_leases(answer["leases"])[0].url for node, answer in zip(asking, answers, strict=True)]
    assert len(set(given)) == 5
    assert sorted(held(world)) == sorted(node.node_id for node in asking)


async def test_who_asks_twice_at_once_holds_no_more_than_who_asks_once(world: World) -> None:
    node = await world.node()
    add_pages(world, 60)
    wish = msgspec.json.encode(LeaseRequest(count=LEASES_NEWCOMER_MAX))
    with commits_of(world) as commits:
        answers = await answers_to(world.doors, [node.request("lease_request", wish) for _ in range(4)])
    assert commits == [1]
    assert sorted(len(answer["leases"]) for answer in answers) == [0, 0, 0, LEASES_NEWCOMER_MAX]
    assert len(held(world)) == LEASES_NEWCOMER_MAX


async def test_nodes_of_one_prefix_and_owner_share_its_quota_also_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(probation_documents=4))
    home = address_of_its_own().rpartition(".")[0]
    family = [Node(world.house, address=f"{home}.{number + 1}") for number in range(4)]
    for node in family:
        await node.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    with world.house.state.write() as connection:
        connection.execute(sa.update(nodes).values(owner="0xowner"))
    add_pages(world, 60)
    wish = msgspec.json.encode(LeaseRequest(count=10))
    answers = await answers_to(world.doors, [each.request("lease_request", wish) for each in family * 2])
    assert {answer["state"] for answer in answers} == {"active", "queued"}
    assert (
        sum(len(answer["leases"]) for answer in answers)
        == len(held(world))
        == prefix_quota(world.house.rules)
    )
    assert family[3].node_id not in held(world)


async def test_an_answer_without_effect_cannot_be_had_again(world: World) -> None:
    node = await world.node()
    request = asks(node)
    first, at_once = await answers_to(world.doors, [request, request])
    assert (first["leases"], at_once) == ([], "replayed")
    add_pages(world, 1)
    assert await answers_to(world.doors, [request]) == ["replayed"], "also not when there is work by now"
    world.clock.ahead_ms += SIGNATURE_LIFE_MS - 60_000
    assert await answers_to(world.doors, [request]) == ["replayed"]
    assert held(world) == []


async def test_an_answer_with_effect_cannot_be_had_again(world: World) -> None:
    node = await world.node()
    add_pages(world, 1)
    request = asks(node)
    first, at_once = await answers_to(world.doors, [request, request])
    assert (len(first["leases"]), at_once) == (1, "replayed")
    assert await answers_to(world.doors, [request]) == ["replayed"], "nothing is open any more"


async def test_over_a_restart_a_request_has_its_effect_at_most_once(world: World) -> None:
    node = await world.node()
    idle, busy = asks(node), asks(node)
    assert (await answers_to(world.doors, [idle]))[0]["leases"] == []
    add_pages(world, 3)
    assert len((await answers_to(world.doors, [busy]))[0]["leases"]) == 1
    again = world.doors_anew()
    assert await answers_to(again, [busy]) == ["replayed"]
    assert len((await answers_to(again, [idle]))[0]["leases"]) == 1, "what it asked for, and never got"
    assert await answers_to(again, [idle]) == ["replayed"]
    assert held(world) == [node.node_id] * 2


async def test_where_memory_is_full_nonces_are_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    node = await world.node()
    monkeypatch.setattr(lease_requests, "NONCES_HEARD_MAX", 2)
    doors = world.doors_anew()
    requests = [asks(node, f"many{number}") for number in range(4)]
    with commits_of(world) as commits:
        answers = await answers_to(doors, requests)
    assert [answer["leases"] for answer in answers] == [[]] * 4
    assert commits == [1]
    assert await answers_to(doors, requests) == ["replayed"] * 4
    with world.house.state.read() as connection:
        written = connection.execute(sa.select(nonces.c.nonce).where(nonces.c.nonce.like("many%")))
        assert sorted(written.scalars()) == ["many2", "many3"]


async def test_memory_is_free_again_when_signatures_have_expired(world: World) -> None:
    def caller() -> Caller:
        return authenticate(world.house, asks(node), "lease_request")

    node, heard = Node(world.house), HeardNonces(2)
    first, second = caller(), caller()
    for each in (first, second):
        assert heard.has_room(world.house.now_ms())
        heard.add(each)
    assert not heard.has_room(world.house.now_ms())
    world.clock.ahead_ms += SIGNATURE_LIFE_MS + CLOCK_SKEW_MS_MAX - 60_000
    assert not heard.has_room(world.house.now_ms())
    assert first in heard
    world.clock.ahead_ms += 90_000
    assert heard.has_room(world.house.now_ms())
    assert first not in heard
    assert second not in heard


async def test_a_node_that_idles_is_noted_now_and_then_and_keeps_its_place(world: World) -> None:
    node = await world.node()
    registered_ms = seen_at_ms(world, node)
    await world.take(node, 1)
    assert seen_at_ms(world, node) == registered_ms
    world.clock.ahead_ms += NODE_SEEN_STEP_MS
    with commits_of(world) as commits:
        await world.take(node, 1)
        await world.take(node, 1)
    assert commits == [1]
    assert seen_at_ms(world, node) >= registered_ms + NODE_SEEN_STEP_MS


async def test_a_node_that_moved_is_noted_at_once(world: World) -> None:
    node = await world.node()
    node.address = address_of_its_own()
    with commits_of(world) as commits:
        await world.take(node, 1)
    assert commits == [1]
    with world.house.state.read() as connection:
        row = sa.select(nodes.c.prefix).where(nodes.c.node_id == node.node_id)
        prefix = connection.execute(row).scalar_one()
    assert prefix.startswith(node.address.rsplit(".", 1)[0])


async def test_whom_the_house_does_not_serve_is_told_so_and_nothing_is_written(world: World) -> None:
    stranger, suspended, good = Node(world.house), await world.node(), await world.node()
    with world.house.state.write() as connection:
        row = {"node_id": suspended.node_id, "standing": "{}", "suspended": True, "updated_at_ms": 0}
        connection.execute(sa.insert(standings), row)
    with commits_of(world) as commits:
        answers = await answers_to(world.doors, [asks(stranger), asks(suspended), asks(good)])
    assert (answers[:2], answers[2]["leases"]) == (["unknown_node", "node_suspended"], [])
    assert commits == [0]


async def test_one_that_breaks_the_transaction_costs_the_others_nothing(world: World) -> None:
    first, broken, last = [await world.node() for _ in range(3)]
    add_pages(world, 8)
    with world.house.state.write() as connection:
        row = {"node_id": broken.node_id, "standing": "{", "updated_at_ms": 0}  # a damaged row
        connection.execute(sa.insert(standings), row)
    request = asks(broken)
    answers = await answers_to(world.doors, [asks(first), request, asks(last)])
    assert isinstance(answers[1], msgspec.DecodeError)
    assert [len(answer["leases"]) for answer in (answers[0], answers[2])] == [1, 1]
    assert sorted(held(world)) == sorted((first.node_id, last.node_id))
    with world.house.state.write() as connection:
        connection.execute(sa.delete(standings))
    (again,) = await answers_to(world.doors, [request])
    assert len(again["leases"]) == 1, "its nonce was not spent"


async def test_pauses_are_told_to_whom_they_concern_though_nothing_is_given(world: World) -> None:
    working, idle = await world.node(), await world.node()
    add_pages(world, 1)
    (lease,) = await world.take(working, 1)
    until_ms = world.house.now_ms() + 60_000
    heard = Heard(Outcome.BLOCKED, http_status=429, retry_after_ms=60_000)
    with world.house.state.write() as connection:
        note_reports(connection, [(lease.url, heard)], until_ms - 60_000)
    told = await answers_to(world.doors, [asks(working), asks(idle)])
    assert [answer["paused"] for answer in told] == [{"host0.example": until_ms}, {}]
