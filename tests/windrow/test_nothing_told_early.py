"""An adaptive cheat polls every public door: while an audit epoch is open, no answer depends on what audits found."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from real_house import PAYOUT, Node, words_of
from trust_world import INVENTED, TrustWorld

from aggregator.audit_routes import AuditDoors
from marketplace import routes as market_routes
from rewards import routes as reward_routes
from rewards.accountant import run_accountant
from storage.env import Request, Route
from windrow.summary import public_figures
from windrow_protocol.errors import WindrowError

FAKED = "http://page.example/1"
DATED = ("server_time_ms", "at_ms")


def no_chain() -> Any:
    """A chain that does not answer: pages are shown without it, and it knows nothing of audits."""
    raise WindrowError("chain_unreachable", "there is none here")


class Doors:
    """What a stranger and a node can ask without changing anything."""

    def __init__(self, world: TrustWorld) -> None:
        house = world.house
        self._world = world
        self._routes: list[Route] = [
            *reward_routes.routes(house, no_chain, no_chain),
            *market_routes.routes(house, no_chain),
            *AuditDoors(house).routes(),
            *world.doors.routes(),
        ]

    async def answers(self, node: Node) -> dict[str, Any]:
        """Return the answer of every door that can be read, and of those about this node."""
        said: dict[str, Any] = {"disclosures": await self._world.told(node)}
        for route in self._routes:
            if route.method == "GET" and "{path" not in route.pattern and "{token" not in route.pattern:
                said[route.pattern] = await self._ask(route)
        with self._world.house.state.read() as connection:
            figures = public_figures(connection)
        said["status.json"] = {
            name: value for name, value in figures.items() if name not in ("pages", "log_seq")
        }
        return undated(said)

    async def _ask(self, route: Route) -> Any:
        named = {
            "payout": PAYOUT,
            "account": PAYOUT,
            "epoch_id": "1",
            "name": "header.json",
            "dataset": "web_text",
            "version": "latest",
        }
        path = route.pattern.format(**named)
        try:
            answer = await route.handle(Request("GET", path, b"", params=named, peer="127.0.0.1"))
        except WindrowError as refused:
            return refused.code
        return json.loads(answer.body) if answer.body.startswith((b"{", b"[")) else answer.body.decode()


def undated(said: Any) -> Any:
    """Leave out the clock, which moves by itself, also where it is signed: what is signed stays."""
    if isinstance(said, dict):
        return {
            name: undated(signed(value) if name == "jws" else value)
            for name, value in said.items()
            if name not in DATED
        }
    return [undated(each) for each in said] if isinstance(said, list) else said


def signed(jws: str) -> Any:
    """Return the content of a statement, without when it was signed."""
    body = jws.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["content"]


@pytest.mark.parametrize(
    "text", [INVENTED, words_of(1)], ids=["a fake that is caught", "a page that matches"]
)
async def test_no_door_tells_what_an_open_epoch_found(tmp_path: Path, text: str) -> None:
    world = TrustWorld(tmp_path)
    node, doors = await world.node(), Doors(world)
    await world.work(node, 40, 2)
    await world.look_and_pay()
    world.close_epoch()
    run_accountant(world.house)
    world.pages[FAKED] = words_of(1)
    contribution_id = await world.hand_in(node, FAKED, text)
    before = await doors.answers(node)
    assert before["disclosures"]["verdicts"], "the closed epoch is told"
    await world.look_and_pay()
    assert bool(world.followed(node)) is (text == INVENTED)
    assert await doors.answers(node) == before
    with pytest.raises(WindrowError) as refused:
        await world.appeal(node, contribution_id)
    assert refused.value.code == "not_appealable"
    world.close_epoch()
    await asyncio.to_thread(run_accountant, world.house)
    assert await doors.answers(node) != before
