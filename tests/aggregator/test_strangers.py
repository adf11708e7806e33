"""What a stranger can make a house do, who has a key and no place in the network: answer, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from aggregator_world import World, turns_of_the_writer
from real_house import Node

from aggregator import trust_routes
from aggregator.audit_routes import AuditDoors
from aggregator.trust_routes import TrustDoors
from storage.env import Route
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import DisclosureRequest

OPEN_TO_STRANGERS = {"register"}  # which is how one ceases to be one


def signed_doors(world: World) -> list[Route]:
    """Return every door that asks for a node's signature."""
    routes = [*world.doors.routes(), *AuditDoors(world.house).routes(), *TrustDoors(world.house).routes()]
    return [route for route in routes if route.purpose and route.purpose not in OPEN_TO_STRANGERS]


def test_there_are_doors_to_try(tmp_path: Path) -> None:
    assert len(signed_doors(World(tmp_path))) >= 10


async def test_a_stranger_has_no_turn_at_the_one_writer(tmp_path: Path) -> None:
    """Each turn makes everybody else wait, so whoever has a key could stop the house with requests it refuses."""
    world = World(tmp_path)
    with turns_of_the_writer(world, "begin") as begun:
        for route in signed_doors(world):
            for body in (b"{}", b"", b"[" * 60_000, DisclosureRequest(), b'{"count":1}', b'{"after_seq":0}'):
                data = body if isinstance(body, bytes) else msgspec.json.encode(body)
                with pytest.raises(WindrowError) as refused:
                    await route.handle(Node(world.house).request(route.purpose, data))
                assert refused.value.code in ("unknown_node", "wrong_schema", "not_json"), route.pattern
    assert begun == [0]


async def test_a_node_that_asks_about_itself_without_end_is_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_routes, "REQUESTS_PER_MINUTE_MAX", 3)
    world = World(tmp_path)
    node, doors = await world.node(), TrustDoors(world.house)
    now_ms = world.house.now_ms()
    world.clock.ahead_ms += 60_000 - now_ms % 60_000 + 1_000  # so that the minute does not end meanwhile
    for _ in range(3):
        await node.ask(doors.disclosures, "disclosures", DisclosureRequest())
    with pytest.raises(WindrowError) as refused:
        await node.ask(doors.disclosures, "disclosures", DisclosureRequest())
    assert refused.value.code == "too_many_requests"
