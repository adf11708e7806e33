"""Where a house's processes and commands meet: sockets in its home, which this user alone can open.

    operator.sock   a command's road to the one that writes
    gates.sock      HTTP that gates pass on as it is
    batches.sock    frames that gates hand in

Does not: listen or connect. Usage: `socket_path(home)`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_PATH_CHARS_MAX = 100  # a Unix socket's path has at most 107


def socket_path(home: Path, name: str = "operator.sock") -> Path:
    """Return where a socket of a home lies: in it, or elsewhere where its path would be too long."""
    path = home / name
    if len(str(path)) <= _PATH_CHARS_MAX:
        return path
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"windrow-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{digest}{path.suffix if name == 'operator.sock' else '-' + name}"


def relayed_path(home: Path) -> Path:
    """Return the socket of requests that gates pass on."""
    return socket_path(home, "gates.sock")


def batches_path(home: Path) -> Path:
    """Return the socket of batches that gates hand in."""
    return socket_path(home, "batches.sock")
