"""Nothing is compiled while a batch is judged: all of it was before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from aggregator.dedup import block_kernels, kernels, run_kernels, shingle_kernels
from aggregator.dedup.warming import warm_up

def signatures():
    found = {}
    for module in (block_kernels, kernels, run_kernels, shingle_kernels):
        found |= {name: len(each.signatures) for name, each in vars(module).items() if hasattr(each, "signatures")}
    return found

warm_up()
before = signatures()
sys.path[:0] = ["tests"]
from seen_world import Seen, page
from aggregator.dedup import Postings, postings as module
from storage.real_env import PosixDisk
module.RESIDENT_TEXTS = 0
seen = Seen(Postings(PosixDisk(), Path(sys.argv[1]), flush_texts=4))
texts = [page(i, i + 90 + i % 7) for i in range(0, 900, 12)] + ["stra\\u00dfe", "ko\\u0308ln", "a \\t b", "", "\\u6f22"]
for start in range(0, len(texts), 8):
    seen.judge_all([(str(i), text) for i, text in enumerate(texts[start:start + 8] * 2)])
    seen.postings.keep(seen.position)
    seen.postings.upkeep()
seen.postings.compact()
import sqlalchemy as sa
from aggregator.dedup import mark_boilerplate, read_pages
from storage.tables.contributions import metadata
engine = sa.create_engine("sqlite://")
metadata.create_all(engine)
for number in range(4):
    pages = read_pages([(f"https://a.example/{number}", "\\n".join(texts) + str(number))])
    with engine.begin() as connection:
        mark_boilerplate(connection, pages, [number != 2])
seen.judge_all([("again", texts[0] + " end")])
print({name: (count, before.get(name)) for name, count in signatures().items() if count != before.get(name)})
"""


def test_judging_compiles_nothing_that_was_not_warm(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "dedup")]
    printed = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True)
    assert printed.stdout == "{}\n", printed.stdout + printed.stderr
