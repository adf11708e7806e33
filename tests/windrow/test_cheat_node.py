"""The cheat of the examples: it is taken in as any stranger is, fetches nothing, and says nothing true."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from imported_modules import imported_strangers
from real_house import NETWORK, PAYOUT, open_house, open_segments

from aggregator.assignment.frontier import add_urls
from aggregator.ingest import Ingest, read_text
from aggregator.personal import Personal
from aggregator.routes import Doors
from aggregator.verification.comparing.comparison import decide
from storage.tables.contributions import contributions, leases, nodes
from windrow.demo_site.specials import article
from windrow_protocol.content import normalise_text, shingle_hashes, words

PROGRAM = Path(__file__).parents[2] / "examples" / "cheat_node.py"
PAGES = 30


class World:
    """A real coordinator on loopback, and a site that counts who knocks."""

    def __init__(self, home: Path) -> None:
        self.house = open_house(home)
        self.segments = open_segments(self.house)
        self.knocks = 0
        self.url = ""

    async def open(self) -> tuple[Any, asyncio.Server]:
        site = await asyncio.start_server(self._knocked, "127.0.20.1", 0)
        port = site.sockets[0].getsockname()[1]
        personal = Personal(self.house, open_segments(self.house, "personal"))
        doors = Doors(self.house, Ingest(self.house, self.segments), personal)
        server = await self.house.env.network.serve(doors.routes(), host="127.0.0.1", port=0)
        self.url = server.url
        urls = [(f"http://127.0.20.1:{port}/library/page{i}.html", "http") for i in range(PAGES)]
        with self.house.state.write() as connection:
            add_urls(connection, urls, self.house.now_ms())
        return server, site

    async def _knocked(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks += 1
        writer.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    server, site = await world.open()
    yield world
    site.close()
    await server.close()


async def _cheat(world: World, home: Path, *options: str) -> tuple[int, str, str]:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(PROGRAM), "--coordinator", world.url, "--home", str(home)),
        *("--payout", PAYOUT, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(program.communicate(), 60)
    return program.returncode or 0, out.decode(), err.decode()


async def test_invented_text_is_taken_in_like_any_other_and_nothing_is_fetched(
    world: World, tmp_path: Path
) -> None:
    options = ("--leases", "12", "--source-address", "127.0.30.9", "--network", NETWORK)
    code, out, err = await _cheat(world, tmp_path / "cheat", *options)
    assert code == 0, err
    sums = json.loads(out)
    assert (sums["submitted"], sums["refused"]) == (12, 0)
    assert world.knocks == 0
    with world.house.state.read() as connection:
        node = connection.execute(sa.select(nodes)).one()
        rows = connection.execute(sa.select(contributions.c.node_id, contributions.c.seq)).all()
        texts = [read_text(connection, world.segments, row.seq) for row in rows]
    assert node.node_id == sums["node_id"]
    assert node.prefix.startswith("127.0.30.")
    assert {row.node_id for row in rows} == {node.node_id}
    assert len({*texts}) == 12
    assert all(text == normalise_text(text) and len(words(text)) >= 80 for text in texts)
    shingles = [shingle_hashes(text) for text in texts]
    for i, one in enumerate(shingles):
        for other in shingles[:i]:
            assert len(one & other) / len(one | other) < 0.8  # not even near-duplicates of each other


async def test_the_same_cheat_comes_back_with_the_same_key(world: World, tmp_path: Path) -> None:
    _, first, _ = await _cheat(world, tmp_path / "cheat", "--leases", "2")
    _, second, _ = await _cheat(world, tmp_path / "cheat", "--leases", "3")
    assert json.loads(first)["node_id"] == json.loads(second)["node_id"]
    assert (tmp_path / "cheat" / "node.key").stat().st_mode & 0o777 == 0o600
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(leases)).scalar_one() == 5
        assert connection.execute(sa.select(sa.func.count()).select_from(nodes)).scalar_one() == 1


async def test_a_refusal_is_one_clear_sentence(world: World, tmp_path: Path) -> None:
    code, out, err = await _cheat(world, tmp_path / "a", "--network", "windrow-elsewhere")
    assert (code, out) == (1, "")
    assert f"the coordinator serves network '{NETWORK}'" in err
    code, _, err = await _cheat(world, tmp_path / "b", "--payout", "0x12")
    assert code == 1
    assert err.startswith("cheat: /v1/nodes: The payout address is not a valid EVM address")


def test_texts_follow_from_seed_and_address() -> None:
    invented_text = runpy.run_path(str(PROGRAM))["invented_text"]
    url = "http://127.0.20.1/library/json.html"
    assert invented_text(url, 1) == invented_text(url, 1)
    assert invented_text(url, 1) != invented_text(url, 2)
    assert "json" in invented_text(url, 1)[1]
    assert invented_text("http://127.0.20.1/", 0)[1]


def test_no_invention_comes_near_the_page_itself() -> None:
    invented_text = runpy.run_path(str(PROGRAM))["invented_text"]
    title, paragraphs = article("guide-intro")
    page = normalise_text("\n\n".join([title, *paragraphs]))
    invented = invented_text("http://127.0.20.1/guide/intro", 0)[1]
    assert decide(page, [page]).kind == "match"
    found_out = decide(invented, [page, page, page])
    assert (found_out.kind, found_out.reason_code) == ("mismatch", "differs_from_truth")


def test_the_cheat_uses_nothing_of_windrow() -> None:
    assert imported_strangers(PROGRAM) == {"aiohttp", "cryptography", "joserfc", "zstandard"}
