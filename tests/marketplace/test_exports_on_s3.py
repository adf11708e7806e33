"""Published versions on a real S3 server: the same bytes as in a home, sold and downloaded in ranges from there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from files_place import env_on_s3
from market_world import ServerThread
from published_world import RECIPES, PublishedWorld, copied_recipes, open_world
from s3_server import needs_s3, shared_s3

from aggregator.publish import Export, publish
from marketplace.catalogue import Catalogue
from marketplace.delivery import DOWNLOAD_PURPOSE
from marketplace.resuming import HttpClient
from marketplace.routes import routes
from rewards.royalties import read_shares
from storage.env import Env, Server
from storage.house import House
from storage.object_store import open_store
from storage.published import published_files
from storage.real_env import PosixDisk
from storage.s3_disk import S3Disk
from storage.state import set_meta
from windrow_protocol.errors import WindrowError

pytestmark = needs_s3


def opened(home: Path) -> PublishedWorld:
    """Return a world whose pseudonyms are those of every other one opened here."""
    world = open_world(home)
    with world.house.state.write() as connection:
        set_meta(connection, "publish/salt/web_text", "5a" * 32)
    return world


def on_s3(world: PublishedWorld) -> House:
    """Return the world's house with lake and exports on the server."""
    home = world.house.home
    shared_s3().address()
    env: Env = env_on_s3(home)
    assert isinstance(env.disk, S3Disk)
    env.disk.take_over(home / "lake")
    return replace(world.house, env=env)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    world = opened(tmp_path_factory.mktemp("s3") / "home")
    yield on_s3(world)
    world.close()


@pytest.fixture(scope="module")
def export(house: House) -> Export:
    return publish(house, RECIPES, "web_text")


@pytest.fixture(scope="module")
def url(house: House, export: Export, servers: ServerThread) -> Iterator[str]:
    async def no_chain() -> None:
        raise WindrowError("chain_unreachable")

    serving = house.env.network.serve(routes(house, no_chain), host="127.0.0.1", port=0)  # type: ignore[arg-type]
    server: Server = servers.run(serving)
    yield server.url
    servers.run(server.close())


def token(house: House, export: Export) -> str:
    """Return what an order that was paid gives."""
    return house.sign(DOWNLOAD_PURPOSE, "0xbuyer", {"export_id": export.export_id}, life_ms=60_000)


def asked(url: str, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    async def ask() -> tuple[int, Mapping[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(method, url, headers=named) as answer,
        ):
            return answer.status, answer.headers, await answer.read()

    return asyncio.run(ask())


def test_a_version_is_the_same_there_and_nothing_of_it_is_left_in_the_home(
    house: House, export: Export, tmp_path: Path
) -> None:
    local = opened(tmp_path / "home")
    kept_here = publish(local.house, RECIPES, "web_text")
    assert kept_here.path is not None
    here, there = (
        published_files(each.env.disk, each.home, "web_text", "0.1.0") for each in (local.house, house)
    )
    tree = house.env.disk.tree(there.folder)
    assert set(tree) == set(PosixDisk().tree(here.folder))
    other = {name for name in tree if here.read(name) != there.read(name)}
    assert other <= {"manifest.json", "manifest.jws", "croissant.json", "removed_ids.json"}, "what says when"
    assert read_shares(there) == read_shares(here)
    assert not list((house.home / "exports").glob("*")), "what was built is sent and gone"
    assert house.env.disk.place(there.folder).startswith("s3://windrow/")
    local.close()


def test_publishing_again_changes_nothing_and_a_new_version_is_compared_with_the_one_there(
    house: House, export: Export, tmp_path: Path
) -> None:
    assert publish(house, RECIPES, "web_text").state == "unchanged"
    changed = publish(house, copied_recipes(tmp_path / "r", card=("#", "# Again:\n#")), "web_text")
    offer = Catalogue(house).offer("web_text", changed.version)
    assert offer.measures is not None
    assert offer.measures.changes is not None
    assert (offer.measures.changes.since, offer.measures.changes.rows_new) == ("0.1.0", 0)
    with pytest.raises(WindrowError, match="nothing_to_publish"):
        publish(house, RECIPES, "web_text", since="0.1.0")


def test_what_was_bought_comes_whole_in_ranges_and_resumes(
    house: House, export: Export, url: str, tmp_path: Path
) -> None:
    door = f"/market/download/{token(house, export)}"
    offer = Catalogue(house).offer("web_text", "0.1.0")
    for file in offer.manifest.files:
        target = tmp_path / Path(file.path).name
        HttpClient(url, 30).save(f"{door}/{file.path}", target, bytes_max=file.bytes, sha256=file.sha256)
    shard = next(file for file in offer.manifest.files if file.path.startswith("data/"))
    whole = (tmp_path / Path(shard.path).name).read_bytes()
    part = tmp_path / "again.parquet.part"
    part.write_bytes(whole[:1_000])
    came: list[int] = []
    HttpClient(url, 30).save(
        f"{door}/{shard.path}",
        tmp_path / "again.parquet",
        bytes_max=len(whole),
        sha256=shard.sha256,
        progress=came.append,
    )
    assert came[0] > 1_000, "it went on where it had ended"
    path, etag = f"{url}{door}/{shard.path}", f'"{shard.sha256}"'
    size = len(whole)
    for asked_for, first, last in (
        ("bytes=10-19", 10, 19),
        ("bytes=-7", size - 7, size - 1),
        (f"bytes={size - 3}-", size - 3, size - 1),
        (f"bytes=5-{size * 2}", 5, size - 1),
    ):
        got, headers, answer = asked(path, Range=asked_for)
        assert (got, answer) == (206, whole[first : last + 1]), asked_for
        assert headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    for not_one in ("bytes=9-3", "bytes=-", "bytes=0-1,5-6", "lines=1-2"):
        assert asked(path, Range=not_one)[::2] == (200, whole), not_one
    for beyond in (f"bytes={len(whole)}-", "bytes=-0"):
        got, headers, answer = asked(path, Range=beyond)
        assert (got, headers["Content-Range"], answer) == (416, f"bytes */{len(whole)}", b"")
    assert asked(path, Range="bytes=0-4", If_Range=etag)[::2] == (206, whole[:5])
    assert asked(path, Range="bytes=0-4", If_Range='"other"')[::2] == (200, whole)
    assert asked(path, If_None_Match=etag)[::2] == (304, b"")
    got, headers, answer = asked(path, "HEAD")
    assert (got, headers["Content-Length"], headers["ETag"], answer) == (200, str(len(whole)), etag, b"")
    assert headers["Cache-Control"] == "private, no-store"
    assert asked(f"{url}{door}/data/none.parquet")[0] == 404


def test_what_is_free_is_shown_from_there(house: House, export: Export, url: str) -> None:
    one = f"{url}/market/datasets/web_text/0.1.0"
    assert asked(one)[0] == 200
    assert asked(f"{one}/manifest.json")[2] == published_files(
        house.env.disk, house.home, "web_text", "0.1.0"
    ).read("manifest.json")
    assert b'"rows":[{' in asked(f"{one}/sample")[2]
    assert asked(f"{one}/sample?format=parquet", Range="bytes=0-3")[::2] == (206, b"PAR1")


def test_while_the_server_is_away_buyers_are_told_to_come_again(
    house: House, export: Export, servers: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = house.env.disk.store.root  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # where nobody listens
    disk = S3Disk(PosixDisk(), house.home, open_store(f"s3://{place}"))
    away = replace(house, env=replace(house.env, disk=disk))

    async def no_chain() -> None:
        raise WindrowError("chain_unreachable")

    serving = house.env.network.serve(routes(away, no_chain), host="127.0.0.1", port=0)  # type: ignore[arg-type]
    server: Server = servers.run(serving)
    path = f"{server.url}/market/download/{token(house, export)}/shares.parquet"
    got, headers, answer = asked(path)
    assert (got, b"files_away" in answer) == (503, True), answer
    assert headers["Retry-After"]
    with pytest.raises(OSError, match="AWS Error"):
        published_files(disk, house.home, "web_text", "0.1.0").table("provenance.parquet", ["id"])
    servers.run(server.close())
