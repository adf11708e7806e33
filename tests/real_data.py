"""Where the real inputs lie that are too large, or not ours, to be part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def real_data(name: str) -> Path:
    """Return the folder of one set of real inputs, or skip the calling test with the reason."""
    shared = Path(os.environ.get("WINDROW_REAL_DATA", ROOT.parent / "shared" / "data"))
    folder = shared / name
    if not folder.is_dir():
        pytest.skip(f"real inputs '{name}' are not on this machine (set WINDROW_REAL_DATA to their folder)")
    return folder
