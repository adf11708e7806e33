"""Compiled loops run where nothing can be kept: a read-only installation without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from aggregator.dedup.compiling import compiled
@compiled
def doubled(number):
    return 2 * number
from aggregator.dedup import minhash
minhash._kernels(), minhash._shingle_kernels()
print(doubled(21))
"""


def test_loops_are_compiled_anew_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = {
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
        "NUMBA_CACHE_DIR": str(tmp_path / "file" / "below"),
    }
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **nowhere}, capture_output=True, text=True
    )
    assert printed.stdout == "42\n", printed.stderr
