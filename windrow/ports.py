"""Says before anything is started whether a port can be taken.

Rules: looks by binding for a moment, the only honest way; whoever listens later still has to be ready to lose the port.
A port that was just given up by a process that is still ending is waited for.

Does not: reserve anything. Usage: `await require_free("127.0.0.1", 8420)`.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from windrow_protocol.errors import WindrowError

PATIENCE_S: Final = 3.0
LOOK_AGAIN_S: Final = 0.2


def port_problem(host: str, port: int) -> str:
    """Return why a TCP port cannot be listened on, or an empty string when it can. Port 0 always can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"{host}:{port}: {error.strerror or error}"
    return ""


async def require_free(host: str, port: int) -> None:
    """Return once a TCP port can be listened on. Raises WindrowError `port_taken` when that does not come soon."""
    for _ in range(int(PATIENCE_S / LOOK_AGAIN_S)):
        if not port_problem(host, port):
            return
        await asyncio.sleep(LOOK_AGAIN_S)
    if problem := port_problem(host, port):
        raise WindrowError("port_taken", problem)
