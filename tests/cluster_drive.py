"""Batch work as an operator's commands, in this process and on two nodes, with lake and exports on a real S3 server.

Meant for a network of its own, where nothing but loopback is: `python tests/cluster_drive.py BACKUP FOLDER NETWORK`.
Says in JSON what came out, once computed here and once on the cluster.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cluster_nodes import two_nodes
from msgspec import structs
from published_world import RECIPES
from running_house import windrow
from s3_server import S3Server

from aggregator.publish import publish
from storage.backup import restore_backup
from storage.lake_tables import lake_files
from storage.real_env import real_env
from windrow.home import disk_of, open_home
from windrow.settings import HouseSettings


def _outcome(settings: HouseSettings, out: Path) -> dict[str, Any]:
    """Judge all documents again, look for all duplicates, publish, and say by digests what came out."""
    env = {
        "WINDROW_FILES": settings.files,
        "WINDROW_CLUSTER": settings.cluster,
        "WINDROW_NETWORK": settings.network,
    }
    annotated = windrow("lake", "annotate", "--all", "--json", "--home", settings.home, env=env)
    assert annotated.code == 0, annotated.err
    found = windrow("lake", "duplicates", "--out", out, "--json", "--home", settings.home, env=env)
    assert found.code == 0, found.err
    with open_home(settings) as home:
        export = publish(home.house, RECIPES, "web_text")
        with home.house.state.read() as connection:
            live = sa.select(lake_files.c.path, lake_files.c.sha256).where(lake_files.c.removed_in.is_(None))
            lake = [list(row) for row in connection.execute(live.order_by(lake_files.c.path))]
    return {
        "rows": annotated.json["rows"],
        "lake": lake,
        "duplicates": found.json | {"snapshot": 0},
        "duplicates_sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "published": [export.manifest_sha256, export.rows],
    }


def main(backup: Path, folder: Path, network: str) -> None:
    """Restore a backup to S3 and do everything twice."""
    server = S3Server()
    settings = HouseSettings(home=str(folder / "home"), files=server.address(), network=network)
    files = (disk_of(settings), settings.files)
    restore_backup(real_env(), backup, Path(settings.home), None, files=files)
    here = _outcome(settings, folder / "here.parquet")
    with two_nodes() as (address, token):
        os.environ.update(token)
        there = _outcome(structs.replace(settings, cluster=address), folder / "there.parquet")
        refused = {name: value for name, value in os.environ.items() if name not in token}
        asked = [sys.executable, "-m", "windrow", "lake", "duplicates", "--home", settings.home]
        env = {
            **refused,
            "WINDROW_FILES": settings.files,
            "WINDROW_CLUSTER": address,
            "WINDROW_NETWORK": network,
        }
        stranger = subprocess.run(
            asked, env=env | {"RAY_AUTH_MODE": "disabled"}, capture_output=True, text=True, check=False
        )
    print(
        json.dumps({"here": here, "there": there, "stranger": [stranger.returncode, stranger.stderr[-600:]]})
    )
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
