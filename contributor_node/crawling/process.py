"""One crawl child as the node sees it: started, spoken to, listened to, ended.

Rules: the child gets a session of its own, so that ending it ends its browser too, and an environment without
proxies, tokens or the node's own settings. Its stderr goes to one file in the node's home, begun anew with each
child.

Does not: know leases, or decide when to start or end one.

Usage::

    child = await CrawlProcess.start(hello, log_path)
    await child.send(work)
    async for message in child.messages(): ...
    await child.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from contributor_node.crawling.wire import Close, Hello, ToChild, ToParent, decode_to_parent, encode
from windrow_protocol.limits import CHILD_LINE_BYTES_MAX

STOP_TIME_S_MAX = 10
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")
_PACKAGES = Path(__file__).resolve().parents[2]


class CrawlProcess:
    """A running child. `pid` is its process id, `sent` how many leases it was given."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.sent = 0

    @classmethod
    async def start(cls, hello: Hello, log_path: Path) -> CrawlProcess:
        """Start a child and greet it. Raises OSError."""
        environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environ["PYTHONPATH"] = str(_PACKAGES)
        with log_path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "contributor_node.crawling.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environ,
                limit=CHILD_LINE_BYTES_MAX,
                start_new_session=True,
            )
        child = cls(process)
        await child.send(hello)
        return child

    async def send(self, message: ToChild) -> None:
        """Send one line. A child that has just died is no error here: its silence is noticed by who listens."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(encode(message))
            await self._process.stdin.drain()

    async def messages(self) -> AsyncIterator[ToParent]:
        """Yield what the child says until it is gone.

        Raises WindrowError `wrong_schema` for a line that is none.
        """
        assert self._process.stdout is not None
        while (line := await self._process.stdout.readline()).endswith(b"\n"):
            yield decode_to_parent(line)

    def kill(self) -> None:
        """End the child and its browser at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Let the child finish what it has begun, then end it and whatever it left behind."""
        await self.send(Close())
        try:
            async with asyncio.timeout(STOP_TIME_S_MAX):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
            await self._process.wait()
