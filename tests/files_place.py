"""Where a test's house keeps segments, lake and exports: in its home, or as objects of a real S3 server.

`WINDROW_TEST_FILES=s3` moves those of every house that tests open in their own process to the server, below a prefix
for each home; so any test of the server's rooms is a test on S3 too.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from s3_server import shared_s3

from storage.env import Env
from storage.object_store import open_store
from storage.real_env import PosixDisk, real_env
from storage.s3_disk import S3Disk

ON_S3: Final = os.environ.get("WINDROW_TEST_FILES", "home") == "s3"
home_alone = pytest.mark.skipif(ON_S3, reason="it looks into the home's own files")


def files_address(home: Path) -> str:
    """Return the place for a home's files; the same for the same folder."""
    bucket = urlsplit(shared_s3().address()).netloc
    return f"s3://{bucket}/{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:24]}"


def brought(export: Path) -> Path:
    """Return the folder of a published version on this machine: where it lies, or a copy of what the server holds."""
    if not ON_S3:
        return export
    disk = S3Disk(PosixDisk(), export.parents[2], open_store(files_address(export.parents[2])))
    folder = Path(tempfile.mkdtemp(prefix="windrow-export-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in disk.tree(export):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(disk.read(export / name))
    return folder


def copy_files(source: Path, target: Path) -> None:
    """Copy what the server holds of a home."""
    here, there = open_store(files_address(source)), open_store(files_address(target))
    for key in here.list(""):
        there.put(key, here.get(key))


def env_on_s3(home: Path) -> Env:
    """Return the port of a home whose segments, lake and exports lie on the server."""
    return replace(real_env(), disk=S3Disk(PosixDisk(), home, open_store(files_address(home))))


def env_for(home: Path) -> Env:
    """Return the port of a home, with its files wherever tests keep them."""
    return env_on_s3(home) if ON_S3 else real_env()
