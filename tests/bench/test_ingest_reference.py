"""What `bench/ingest.py` starts ends with it, however it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTED = """
import sys, time
from pathlib import Path
from bench.ingest_load.processes import reference
with reference(Path(sys.argv[1]), "each") as server:
    print(server.process.pid, flush=True)
    time.sleep(600)
"""
ENDED_WAIT_S = 60


def test_the_reference_does_not_outlive_a_killed_bench(tmp_path: Path) -> None:
    bench = subprocess.Popen(
        [sys.executable, "-c", STARTED, str(tmp_path / "reference")], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert bench.stdout is not None
    pid = int(bench.stdout.readline())
    reference = os.pidfd_open(pid)  # readable once the process has ended
    try:
        bench.kill()
        bench.wait()
        ended, _, _ = select.select([reference], [], [], ENDED_WAIT_S)
        if not ended:
            signal.pidfd_send_signal(reference, signal.SIGKILL)
        assert ended, "it still ran"
    finally:
        bench.stdout.close()
        os.close(reference)
