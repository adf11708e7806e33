"""A real coordinator on loopback, a node's home, and the bridge's host as the browser starts it."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_data import ROOT
from real_house import PAYOUT, Node, open_house, open_segments

from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.routes import Doors
from extension_bridge.settings import CHROMIUM_ORIGIN
from rewards.personal.statement import person_statement
from storage.house import House
from storage.http_server import HttpNetwork
from storage.tables.contributions import consents
from storage.tables.personal import personal_bodies
from windrow_protocol.messages import Registration
from windrow_protocol.personal.messages import PersonalContribution
from windrow_protocol.signing import dump_private_key

PAGE = {
    "url": "https://blog.example/post/7?session=s3cr3t#part",
    "title": "A day by the river",
    "text": "We met at the river.\n\nWrite to ana@example.org or call +49 30 1234567.\n\nThe hay lay in windrows.",
    "captured_at_ms": 1_700_000_000_000,
}
TERMS = {
    "source": "browser_page",
    "scope": ["url", "title", "text", "captured_at_ms"],
    "purpose": "model_training",
    "retention_days": 365,
}


@dataclass
class Coordinator:
    """The aggregator's own doors over a house in a folder, on real sockets."""

    house: House
    doors: Doors
    url: str
    personal: Personal

    async def register(self, home: Path) -> str:
        """Register the node whose key lies in a home; return its id."""
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((home / "node_key").read_text().strip()))
        node = Node(self.house, key)
        await node.ask(self.doors.register, "register", Registration(payout_address=PAYOUT))
        return node.node_id

    def received(self) -> list[PersonalContribution]:
        """Return every donation that the coordinator can read, in the order of its log."""
        with self.house.state.read() as connection:
            ids = connection.execute(
                sa.select(personal_bodies.c.contribution_id)
                .join(consents, consents.c.contribution_id == personal_bodies.c.contribution_id)
                .order_by(consents.c.received_at_ms)
            ).scalars()
            bodies = [self.personal.vault.read(each) for each in ids]
        return [msgspec.json.decode(body, type=PersonalContribution) for body in bodies]


@asynccontextmanager
async def coordinator(folder: Path) -> AsyncIterator[Coordinator]:
    """Run a coordinator until the block ends."""
    folder.mkdir()
    house = open_house(folder)
    personal = Personal(house, open_segments(house, "personal"))
    pay_of = partial(person_statement, house)
    doors = Doors(house, Ingest(house, open_segments(house)), personal, pay_of=pay_of)
    server = await HttpNetwork().serve(doors.routes(), host="127.0.0.1", port=0)
    try:
        yield Coordinator(house, doors, server.url, personal)
    finally:
        await server.close()


def new_home(folder: Path) -> Path:
    """Return a node's home with a key in it."""
    folder.mkdir(mode=0o700, parents=True)
    key = folder / "node_key"
    key.write_text(dump_private_key(Ed25519PrivateKey.generate()))
    key.chmod(0o600)
    return folder


class HostProcess:
    """The host over pipes, as a browser sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def read(self) -> Any:
        """Return the next answer, None when the host has ended."""
        assert self.process.stdout
        head = await self.process.stdout.read(4)
        if not head:
            return None
        (length,) = struct.unpack("=I", head + await self.process.stdout.readexactly(4 - len(head)))
        return msgspec.json.decode(await self.process.stdout.readexactly(length))

    async def ask(self, message: Any) -> Any:
        """Send one message and return its answer."""
        await self.send(frame(message))
        return await self.read()

    async def end(self) -> int:
        """Close stdin and return the exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return await self.process.wait()


def frame(message: Any) -> bytes:
    """Return one native message."""
    body = message if isinstance(message, bytes) else msgspec.json.encode(message)
    return struct.pack("=I", len(body)) + body


@asynccontextmanager
async def host(home: Path, *flags: str, origin: str = CHROMIUM_ORIGIN) -> AsyncIterator[HostProcess]:
    """Start the real host; whatever still runs at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "extension_bridge.native_host",
        "--home",
        str(home),
        *flags,
        *([origin] if origin else []),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield HostProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def donation(**changes: Any) -> dict[str, Any]:
    """Return the message by which the extension gives the page, with changes to the page."""
    return {"type": "donate", "page": {**PAGE, **changes}, "consent": {**TERMS, "agreed": True}}


@contextmanager
def no_bytes_of(secret: bytes, folder: Path) -> Iterator[None]:
    """Check, when the block ends, that no file below a folder holds these bytes."""
    yield
    holders = [path.name for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert holders == []
