"""On a cluster the same functions give the same bytes as on this machine, and lose nothing with a worker."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from cluster_world import (
    always_lost,
    cluster,
    doubtful_texts,
    late_when_even,
    lost_at,
    lost_once,
    refused_at,
    written,
)
from cluster_world import why_not as why_no_ray
from files_place import ON_S3, files_address
from published_world import RECIPES, open_world
from s3_server import why_not as why_no_s3
from state_database import database_of

from aggregator.curation import recompute
from aggregator.curation.host_lists import HostLists
from aggregator.dedup import batch
from aggregator.publish import rows
from aggregator.publish.export import publish
from storage import ray_runner
from storage.backup import write_backup
from storage.lake import Lake
from storage.lake.manifest import files_of
from storage.ray_runner import LOCAL, RayRunner
from storage.runner import LocalRunner, Runner
from windrow.home import open_home
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError


@pytest.fixture(params=["local", "ray"])
def runner(request: pytest.FixtureRequest) -> Runner:
    return cluster() if request.param == "ray" else LocalRunner()


def test_results_come_in_the_order_of_their_items(runner: Runner) -> None:
    assert list(runner.map(late_when_even, range(12))) == list(range(12))


def test_nothing_gives_nothing(runner: Runner) -> None:
    assert list(runner.map(late_when_even, [])) == []


def test_what_is_refused_is_refused_here_when_its_turn_comes(runner: Runner) -> None:
    results = runner.map(partial(refused_at, 3), range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(WindrowError) as refusal:
        next(results)
    assert (refusal.value.code, refusal.value.detail) == ("too_large", "item 3")


def test_few_more_items_are_taken_than_are_asked_for(runner: Runner) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = runner.map(late_when_even, items())
    assert next(results) == 0
    results.close()
    assert len(taken) <= 5


def test_an_item_whose_worker_is_killed_is_neither_lost_nor_double(tmp_path: Path) -> None:
    results = list(cluster().map(partial(lost_at, tmp_path, 7), range(30)))
    assert (tmp_path / "killed").exists()
    assert results == [2 * item for item in range(30)]


def test_an_item_that_ends_every_worker_ends_the_work_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_runner, "TIMES_LOST_MAX", 0)
    with pytest.raises(WindrowError) as failure:
        list(cluster().map(always_lost, [1]))
    assert failure.value.code == "cluster_failed"


def test_a_cluster_of_this_machine_listens_on_loopback_only() -> None:
    assert list(cluster().map(late_when_even, [1])) == [1]
    heard: set[str] = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            heard |= {each.laddr.ip for each in child.net_connections() if each.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in heard} == {"127.0.0.1"}


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WindrowError, match="pip install") as failure:
        list(RayRunner(LOCAL).map(late_when_even, [1]))
    assert failure.value.code == "cluster_failed"


def test_a_cluster_that_is_not_there_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(WindrowError, match=address) as failure:
        list(RayRunner(address).map(late_when_even, [1]))
    assert failure.value.code == "cluster_failed"


def clusters_of(runner: Runner, folder: Path, files: int, span: int) -> bytes:
    """Return the very bytes of the clusters of the same texts, in so many files."""
    table = batch.cluster_all(runner, written(folder, doubtful_texts(300, 4), files, files), span)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def test_clusters_have_the_same_bytes_even_when_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = clusters_of(LocalRunner(), tmp_path / "here", 2, 2048)
    monkeypatch.setattr(batch, "sketch_group", partial(lost_once, tmp_path, batch.sketch_group))
    assert clusters_of(cluster(), tmp_path / "there", 6, 32) == here
    assert (tmp_path / "killed").exists()


def annotated(home: Path, runner: Runner) -> dict[str, str]:
    """Judge a lake's documents again and return its files' names and digests; their rows must be what they were."""
    world = open_world(home)
    lake = Lake(world.house.env, home / "lake")
    with world.house.state.read() as connection:
        before = lake.dataset(connection).to_table().sort_by("seq")
    work = recompute.Recompute(world.house.state, lake, HostLists(), everything=True, runner=runner)
    while work.step():
        pass
    with world.house.state.read() as connection:
        assert lake.dataset(connection).to_table().sort_by("seq") == before
        return {file.path: file.sha256 for file in files_of(connection)}


def test_judgements_made_again_have_the_same_bytes_even_when_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = annotated(tmp_path / "here", LocalRunner())
    monkeypatch.setattr(recompute, "judge_group", partial(lost_once, tmp_path, recompute.judge_group))
    assert annotated(tmp_path / "there", cluster()) == here
    assert (tmp_path / "killed").exists()


def test_a_version_published_again_is_unchanged_even_when_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = open_world(tmp_path / "house").house
    here = publish(house, RECIPES, "web_text")
    assert (here.state, here.rows > 0) == ("published", True)
    monkeypatch.setattr(rows, "finish_rows", partial(lost_once, tmp_path, rows.finish_rows))
    there = publish(replace(house, runner=cluster()), RECIPES, "web_text")
    assert (there.state, there.version) == ("unchanged", here.version)  # by the digest of every file
    assert (tmp_path / "killed").exists()


def test_two_nodes_by_address_with_lake_and_exports_on_s3_give_what_is_computed_here(tmp_path: Path) -> None:
    """In a network of its own: a head that others may join listens on every address it finds."""
    alone = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no network namespace, or has no `ip`")
    if why_not_here := why_no_s3() or why_no_ray():
        pytest.skip(why_not_here)
    world = open_world(tmp_path / "built")
    world.close()
    home = tmp_path / "built"
    settings = HouseSettings(
        home=str(home),
        network=world.house.network,
        database_url=database_of(home),
        files=files_address(home) if ON_S3 else "",
    )
    with open_home(settings) as opened:
        write_backup(opened.house, tmp_path / "backup")
    tests = Path(__file__).resolve().parent.parent
    drive = [
        sys.executable,
        str(tests / "cluster_drive.py"),
        tmp_path / "backup",
        tmp_path,
        world.house.network,
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WINDROW_", "RAY_"))}
    env["PYTHONPATH"] = os.pathsep.join((str(tests), str(tests.parent)))
    done = subprocess.run([*alone, *drive], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["there"] == said["here"]
    assert said["here"]["duplicates"]["rows"] > 20
    assert said["here"]["published"][1] > 0
