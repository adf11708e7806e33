"""Finds an audit epoch's files, in a home, a folder or at a coordinator, and repeats them.

Rules: from a home the coordinator's key is the home's own, from a coordinator the one it says it has, unless a key is
given; a folder that somebody sent is believed to be by whom its header names. What is downloaded lies in a temporary
folder and is gone afterwards.

Does not: recompute anything itself (`aggregator.verification.epochs.replay`).

Usage: `replayed = replay_epoch(7, home=Path("…"))`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from aggregator.verification.epochs.audit_files import BYTES_MAX, audit_folder
from aggregator.verification.epochs.audit_rows import NAMES
from aggregator.verification.epochs.replay import Replayed, replay
from marketplace.resuming import HttpClient
from windrow.coordinator_http import get_json
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import load_private_key, public_id

TIMEOUT_S = 30.0


def replay_epoch(
    epoch_id: int,
    *,
    home: Path | None = None,
    folder: Path | None = None,
    coordinator: str = "",
    coordinator_id: str = "",
) -> Replayed:
    """Repeat one epoch. Raises WindrowError `not_found` where it has no files, `not_running`, or `too_large`."""
    if coordinator:
        return _downloaded(epoch_id, coordinator, coordinator_id)
    if folder is not None:
        _require_files(folder, epoch_id)
        return replay(folder, coordinator_id, epoch_id)
    if home is None:
        raise WindrowError("bad_usage", "give --home, --from or --coordinator")
    found = audit_folder(home, epoch_id)
    _require_files(found, epoch_id)
    return replay(found, coordinator_id or _own_id(home), epoch_id)


def _downloaded(epoch_id: int, coordinator: str, coordinator_id: str) -> Replayed:
    signer = coordinator_id or str(get_json(coordinator, "/v1/network")["coordinator_id"])
    client = HttpClient(coordinator, TIMEOUT_S)
    with tempfile.TemporaryDirectory(prefix="windrow-audit-") as temporary:
        folder = Path(temporary)
        for name in NAMES:
            path = f"/v1/audit/epochs/{epoch_id}/{name}"
            client.save(path, folder / name, bytes_max=BYTES_MAX[name])
        return replay(folder, signer, epoch_id)


def _require_files(folder: Path, epoch_id: int) -> None:
    missing = [name for name in NAMES if not (folder / name).is_file()]
    if missing:
        raise WindrowError("not_found", f"audit epoch {epoch_id} has no {missing[0]} in {folder}")


def _own_id(home: Path) -> str:
    """Return the id of the home's key, or nothing where this user may not read it: then the header's counts."""
    try:
        return public_id(load_private_key((home / "keys" / "coordinator").read_bytes()))
    except OSError:
        return ""
