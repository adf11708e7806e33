"""The `Env` port: the only way server rooms reach clock, randomness, disk and network.

Rules: a room asks `env.clock`, never `time`; writes through `env.disk`, never `open`; answers plain `Request`s with
plain `Response`s, so that the same code runs behind a real socket and inside a seeded simulation with faults.
The order of a durable write is: temporary file → fsync → rename → fsync of the directory. A failed fsync is fatal.

Does not: hold state, retry, or know any room. The real adapters are in `storage/real_env.py`, and for files on S3 in
`storage/s3_disk.py`.

Usage::

    env = real_env()
    env.disk.write_durably(home / "epochs" / "1" / "tree.json", body)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from windrow_protocol.limits import REQUEST_BYTES_MAX

if TYPE_CHECKING:  # it takes 0.2 s to import, and only readers of the lake need it
    import pyarrow.fs as pafs


class Clock(Protocol):
    """Time in integer milliseconds since the Unix epoch."""

    def now_ms(self) -> int:
        """Return the time now."""
        ...

    async def sleep(self, wait_s: float) -> None:
        """Wait without blocking others."""
        ...


class Randomness(Protocol):
    """Unpredictable bytes; seeded in a simulation."""

    def token(self, size_bytes: int) -> bytes:
        """Return that many random bytes."""
        ...


class AppendFile(Protocol):
    """One file that only grows."""

    def append(self, data: bytes) -> int:
        """Write at the end and return the offset where the data begins; it can be read once it is synced."""
        ...

    def sync(self) -> None:
        """Return only when all that was appended is durable.

        A failing disk ends the process. A store raises OSError, and what came since the last sync is lost.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Disk(Protocol):
    """The few file operations that durability rests on; each is a place where a crash may be injected.

    Two adapters keep its promises, files of this machine and objects on an S3 server; one test asks both.
    """

    def open_append(self, path: Path, keep_bytes: int) -> AppendFile:
        """Open for appending, first cutting the file to `keep_bytes` (what the last commit vouches for)."""
        ...

    def read_range(self, path: Path, offset: int, length: int) -> bytes:
        """Return exactly that range, or raise OSError."""
        ...

    def read(self, path: Path) -> bytes:
        """Return a whole file, or raise OSError (FileNotFoundError where there is none)."""
        ...

    def names(self, folder: Path) -> dict[str, int]:
        """Return the files in a folder, unfinished ones too, with their sizes in bytes; absent is empty."""
        ...

    def tree(self, folder: Path) -> dict[str, int]:
        """Return the finished files below a folder, by their path in it, with their sizes in bytes; absent is empty."""
        ...

    def place(self, path: Path) -> str:
        """Return where a file or folder lies, as people are told."""
        ...

    def arrow(self, folder: Path) -> pafs.FileSystem:
        """Return how Arrow reads the finished files in a folder, by their names."""
        ...

    def tidy(self, folder: Path) -> int:
        """Do a portion of what makes a folder's growing files cheaper to read; 0 when nothing is worth it now."""
        ...

    def wipe_range(self, path: Path, offset: int, length: int) -> None:
        """Overwrite that range with zeros, durably, or raise OSError; the file keeps its size."""
        ...

    def write_durably(self, path: Path, data: bytes) -> None:
        """Write a whole file so that a crash leaves either nothing or all of it."""
        ...

    def adopt_durably(self, temporary: Path, path: Path) -> None:
        """Give a finished temporary file or folder its final name, durably."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file or a folder tree; absent is fine."""
        ...


@dataclass(frozen=True)
class Request:
    """One request as a room sees it; `peer` is the sender's IP address."""

    method: str
    path: str
    body: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""

    def header(self, name: str) -> str:
        """Return a header's value whatever its case, or an empty string."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True)
class RangedFile:
    """A file that never changes, sent whole or in ranges from wherever it lies; `sha256` is of all its `size` in bytes.

    `read(offset, length)` returns exactly that range, blocking, or raises OSError.
    """

    size: int
    sha256: str
    read: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Response:
    """One answer; `file` and `ranged` are sent with support for byte ranges instead of `body`, `chunks` as they come.

    An error while the chunks come breaks the connection off, so that nobody takes a part for the whole.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    ranged: RangedFile | None = None
    chunks: AsyncGenerator[bytes] | None = None


def json_response(value: object, status: int = 200) -> Response:
    """Return a value (msgspec struct, dict, list) as a JSON answer."""
    return Response(status=status, body=msgspec.json.encode(value))


def page_response(html: str, status: int = 200, *, asks_us: bool = False) -> Response:
    """Return an HTML page that may load nothing from elsewhere and stands in nobody's frame.

    With `asks_us` its script may also send requests, to this server alone.
    """
    policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; script-src 'self'"
    policy += "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    policy += "; connect-src 'self'" if asks_us else ""
    return Response(
        status=status,
        body=html.encode(),
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"},
    )


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """One door of a server. `purpose` is what the request's signature must be made for, empty when unsigned."""

    method: str
    pattern: str
    handle: Handler
    summary: str
    purpose: str = ""
    body_bytes_max: int = REQUEST_BYTES_MAX
    message: Any = None  # type of the request's body (a struct or a union of them), for the API's description
    media: str = "application/json"
    ends_with_asker: bool = False  # the handler is cancelled when whoever asked has gone


class Server(Protocol):
    """A listening server."""

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:8420 (empty for a local socket)."""
        ...

    async def close(self) -> None:
        """Stop listening, letting running requests end."""
        ...


class Network(Protocol):
    """How requests reach the rooms."""

    async def serve(self, routes: Sequence[Route], *, host: str, port: int) -> Server:
        """Listen on TCP. Raises WindrowError `port_taken`."""
        ...

    async def serve_local(self, routes: Sequence[Route], path: Path) -> Server:
        """Listen on a local socket that only this user can open."""
        ...


@dataclass(frozen=True)
class Env:
    """Everything outside the rooms' own logic."""

    clock: Clock
    randomness: Randomness
    disk: Disk
    network: Network
