"""A hundred SIGKILLs of the real ingest on the real disk; `bench/crash.py` does a thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).with_name("killed_process.py")
ROOT = HARNESS.parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_nothing_acknowledged_is_lost_and_nothing_is_taken_twice() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, str(HARNESS), "100", "1"]  # in a process of its own: it forks
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["kills"] == 100
    assert (found["lost"], found["double"], found["broken"], found["receipts_changed"]) == (0, 0, 0, 0)
    assert found["refused"] == []
    assert found["acknowledged"] > 100, "lives that acknowledge nothing show nothing"
    assert found["before_the_first_answer"] > 10, "and some must end while they open"
