"""The bare reference: takes the same batches over HTTP with no checks at all but the signature.

For each request: aiohttp reads the body, Ed25519 over it is verified, zstd unpacks it, it is written to a file that is
fsynced, one SQLite transaction (`synchronous=FULL`) indexes them, and the answer is signed: one receipt for
each record as the protocol has it, or with `--receipts batch` one for all of them.

It ends with its standard input, so that it does not outlive a bench that was killed.

Usage: `python -m bench.ingest_load.reference FOLDER [--receipts each]` prints where it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import sqlite3
from pathlib import Path

import msgspec
import zstandard
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contributor_node.parent_watch import stop_with_parent

_BODY_BYTES_MAX = 8_000_000


class _Line(msgspec.Struct):
    lease_id: str


class Reference:
    """One file, one table."""

    def __init__(self, folder: Path, receipts: str) -> None:
        self._file = os.open(folder / "records", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._state = sqlite3.connect(folder / "state.db", isolation_level=None)
        self._state.execute("PRAGMA journal_mode=WAL")
        self._state.execute("PRAGMA synchronous=FULL")
        self._state.execute("CREATE TABLE records (lease_id TEXT PRIMARY KEY, at INTEGER, receipt TEXT)")
        self._key = Ed25519PrivateKey.generate()
        self._each = receipts == "each"
        self._end = 0

    async def submissions(self, request: web.Request) -> web.Response:
        """Make a batch durable and answer with its receipts."""
        body = await request.read()
        _verify(request.headers["Windrow-Signature"], body)
        decoded = zstandard.ZstdDecompressor().stream_reader(body).read()
        leases = [msgspec.json.decode(line, type=_Line).lease_id for line in decoded.split(b"\n")]
        at, self._end = self._end, self._end + len(body)
        os.write(self._file, body)
        os.fsync(self._file)
        signed = leases if self._each else [",".join(leases)]
        receipts = [self._key.sign(f"{lease} {at}".encode()).hex() for lease in signed]
        rows = zip(leases, [at] * len(leases), receipts * (len(leases) // len(receipts)), strict=True)
        self._state.execute("BEGIN IMMEDIATE")
        self._state.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
        self._state.execute("COMMIT")
        return web.Response(
            body=msgspec.json.encode({"results": [{"ok": True, "receipt": each} for each in receipts]})
        )


def _verify(token: str, body: bytes) -> None:
    head, payload, signature = token.split(".")
    key = bytes.fromhex(json.loads(_decoded(head))["kid"])
    Ed25519PublicKey.from_public_bytes(key).verify(_decoded(signature), f"{head}.{payload}".encode())
    assert json.loads(_decoded(payload))["content_sha256"] == hashlib.sha256(body).hexdigest()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def serve(folder: Path, receipts: str) -> None:
    """Serve until killed, or until standard input ends."""
    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.router.add_post("/v1/submissions", Reference(folder, receipts).submissions)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    print(f"Running on http://{host}:{port}", flush=True)
    stop = asyncio.Event()
    stop_with_parent(stop)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Make the folder and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--receipts", choices=("each", "batch"), default="each")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(options.folder, options.receipts))


if __name__ == "__main__":
    main()
