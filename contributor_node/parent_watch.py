"""Ends a process with the one that started it, for demos and tests that may be killed themselves.

Rules: the parent holds the other end of standard input and never writes; when it is gone, however it went, the pipe
ends. Asked for by a flag only: a service has no such pipe.

Does not: end children (each watches its own parent). Usage: `stop_with_parent(stop)` inside a running loop.
"""

from __future__ import annotations

import asyncio
import os
import threading


def stop_with_parent(stop: asyncio.Event) -> None:
    """Set `stop` once standard input ends."""
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_end, daemon=True, name="parent-watch").start()
