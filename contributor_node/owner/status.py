"""What a node says of itself: one small file in its home, for dashboards, demos and `windrow claim`.

Rules: replaced whole, so that a reader never sees half of it. It is told, not proven: the proofs are receipts and line
log.

Does not: serve it. Usage: `read_status(home)["outbox"]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contributor_node.identity import write_whole
from windrow_protocol.errors import WindrowError

STATUS_FILE = "status.json"


def write_status(home: Path, status: Mapping[str, Any]) -> None:
    """Replace the file. Raises WindrowError `home_unwritable`."""
    write_whole(home / STATUS_FILE, msgspec.json.encode(status), durable=False)


def read_status(home: Path) -> dict[str, Any]:
    """Return what a node last said of itself; empty when it never ran. Raises WindrowError `bad_config`."""
    try:
        return msgspec.json.decode((home / STATUS_FILE).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise WindrowError("bad_config", f"{home / STATUS_FILE}: {error}") from error
