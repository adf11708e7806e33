"""Batch work as an operator's commands, in this process and on two nodes, with lake and exports on a real S3 server.

Meant for a network of its own, where nothing but loopback is: `python tests/cluster_drive.py BACKUP FOLDER NETWORK`.
Says in JSON what came out, once computed here and once on the cluster.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from cluster_nodes import two_nodes
from msgspec import structs
from published_world import RECIPES
from running_house import windrow
from s3_server import S3Server

from aggregator.publish import publish
from storage.backup import restore_backup
from storage.real_env import real_env
from windrow.home import disk_of, open_home
from windrow.settings import HouseSettings


def _outcome(settings: HouseSettings, out: Path) -> dict[str, Any]:
    """Look for all duplicates, publish, and say by digests what came out."""
    env = {
        "WINDROW_FILES": settings.files,
        "WINDROW_CLUSTER": settings.cluster,
        "WINDROW_NETWORK": settings.network,
    }
    found = windrow("lake", "duplicates", "--out", out, "--json", "--home", settings.home, env=env)
    assert found.code == 0, found.err
    with open_home(settings) as home:
        export = publish(home.house, RECIPES, "web_text")
    return {
        "duplicates": found.json,
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
    print(json.dumps({"here": here, "there": there}))
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
