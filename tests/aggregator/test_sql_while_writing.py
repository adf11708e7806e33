"""Questions while another process writes without pause: no lock, and each answer is one snapshot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sql_world import SqlWorld

from aggregator.sql import sandbox
from aggregator.sql.children import ENVIRONMENT
from aggregator.sql.job import Job
from aggregator.sql.loading import load_sources
from aggregator.sql.sandbox import run_query
from aggregator.sql.view_blocks import NOTHING
from aggregator.sql.views import VIEWS

ROOT = Path(__file__).resolve().parents[2]
READS = 300
WRITER = """
import sys
import sqlalchemy as sa
from sql_world import row_for
from storage.tables import contributions as tables
from storage.state import State
state = State.open(sys.argv[1])
number = 10
while True:
    with state.write() as connection:
        for _ in range(5):
            number += 1
            connection.execute(sa.insert(tables.submissions).values(row_for(tables.submissions, number)))
            row = row_for(tables.contributions, number, kind="work")
            connection.execute(sa.insert(tables.contributions).values(row))
    print(number, flush=True)
"""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqlWorld, subprocess.Popen[str]]]:
    world = SqlWorld(tmp_path_factory.mktemp("busy"))
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, world.url],
        stdout=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline()  # it writes
    yield world, writer
    writer.kill()
    writer.wait()


def test_hundreds_of_reads_meet_no_lock(busy: tuple[SqlWorld, subprocess.Popen[str]]) -> None:
    world, writer = busy
    sources = [sandbox._source(sa.make_url(world.url).get_dialect()(), VIEWS["contributions"], NOTHING)]
    job = Job(*sandbox._store(sa.make_url(world.url)), sources, [], [], "", 10, 10, 10**8, 10**6)
    seen = []
    for _ in range(READS):
        loaded, log_seq = load_sources(job)
        rows = loaded["contributions"]["seq"].to_pylist()
        assert max(rows) == log_seq
        assert len(rows) == 3 + (log_seq - 10 if log_seq > 10 else 0)  # whole transactions, nothing torn
        seen.append(log_seq)
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    assert writer.poll() is None


def test_whole_queries_meet_no_lock(busy: tuple[SqlWorld, subprocess.Popen[str]]) -> None:
    world, writer = busy
    question = "SELECT max(seq), count(*) FROM contributions"
    with ThreadPoolExecutor(3) as several:
        answers = list(several.map(lambda _: run_query(world.url, world.files, question), range(6)))
    for answer in answers:
        assert answer.rows == [[answer.log_seq, answer.log_seq - 7]]
    assert writer.poll() is None
