"""`windrow node verdicts`, `appeal` and `leave` as a contributor uses them, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from real_house import Node, words_of
from running_house import Said, windrow
from trust_world import INVENTED, TrustWorld

from contributor_node.egress.line_log import read_rows
from contributor_node.identity import KEY_FILE
from windrow_protocol.signing import dump_private_key

URL = "http://page.example/1"


@dataclass
class Desk:
    """A contributor's machine: a node's home, and the commands that use it."""

    world: TrustWorld
    node: Node
    home: Path
    coordinator: str
    rejected: str

    async def run(self, *arguments: object, stdin: str = "") -> Said:
        env = {"WINDROW_NODE_HOME": str(self.home), "WINDROW_NODE_COORDINATOR": self.coordinator}
        return await asyncio.to_thread(windrow, "node", *arguments, env=env, stdin=stdin)


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A node with one matching page and one rejected invention, of an epoch that is closed."""
    (tmp_path / "house").mkdir()
    world = TrustWorld(tmp_path / "house")
    node = await world.node()
    await world.work(node, 10, 1)
    world.pages[URL] = words_of(1)
    rejected = await world.hand_in(node, URL, INVENTED)
    await world.look()
    world.close_epoch()
    home = tmp_path / "node"
    home.mkdir()
    (home / KEY_FILE).write_text(dump_private_key(node.key))
    routes = [*world.doors.routes(), *world.trust.routes()]
    server = await world.house.env.network.serve(routes, host="127.0.0.1", port=0)
    try:
        yield Desk(world, node, home, server.url, rejected)
    finally:
        await server.close()


async def test_verdicts_are_told_with_their_reasons_and_remedies(desk: Desk) -> None:
    said = await desk.run("verdicts")
    assert said.code == 0, said.err
    assert f"{desk.rejected}  rejected" in said.out
    assert "The text differs from what validators fetched" in said.out
    assert "→ strike: A mismatch that costs nothing" in said.out
    assert "windrow node appeal" in said.out
    assert "2 audits told: 1 matched, 1 did not. Vesting waits." in said.out
    assert "accepted" not in said.out.replace("as accepted", "")
    assert "accepted" in (await desk.run("verdicts", "--all")).out


async def test_verdicts_as_json_hold_what_was_signed(desk: Desk) -> None:
    told = (await desk.run("verdicts", "--json")).json
    assert sorted(each["verdict"] for each in told["verdicts"]) == ["accepted", "rejected"]
    assert [each["kind"] for each in told["consequences"]] == ["replaced", "escalated", "strike"]
    assert told["standing"]["mismatches"] == 1
    asked = [row for row in read_rows(desk.home / "line_log.ndjson") if row.url.endswith("/v1/disclosures")]
    assert asked, "what leaves the machine stands in the line log"


async def test_a_verdict_signed_by_anybody_else_is_an_error(desk: Desk) -> None:
    with desk.world.house.state.write() as connection:
        connection.exec_driver_sql("UPDATE verdicts SET jws = substr(jws, 1, length(jws) - 8) || 'AAAAAAAA'")
    said = await desk.run("verdicts")
    assert (said.code, said.out) == (1, "")
    assert "[bad_signature]" in said.err


async def test_an_appeal_is_taken_once_and_its_state_is_shown(desk: Desk) -> None:
    first = await desk.run("appeal", desk.rejected, "--reason", "it had changed", "--json")
    assert first.json == {"contribution_id": desk.rejected, "state": "waiting"}
    await desk.world.look()
    assert "denied" in (await desk.run("appeal", desk.rejected)).out
    assert f"appeal of {desk.rejected}: denied" in (await desk.run("verdicts")).out
    refused = await desk.run("appeal", "c" + "0" * 31)
    assert (refused.code, "[not_appealable]" in refused.err) == (1, True)


async def test_leaving_asks_first(desk: Desk) -> None:
    kept = await desk.run("leave", stdin="n\n")
    assert (kept.code, "[not_confirmed]" in kept.err) == (1, True)
    left: Any = (await desk.run("leave", "--yes", "--json")).json
    assert left["bond_due_at_ms"] > left["settle_by_ms"]
    assert "leaving: drawing" in (await desk.run("verdicts")).out


async def test_a_home_without_a_node_is_told_so(desk: Desk, tmp_path: Path) -> None:
    said = await desk.run("verdicts", "--home", tmp_path / "nowhere")
    assert (said.code, "[no_node_key]" in said.err) == (2, True)
