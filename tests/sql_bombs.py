"""Statements asked of a small process of its own, so that what its children took can be measured.

A child is a copy of its parent until it runs its program, and a test's worker has grown to a gigabyte by then: asked
from there, the worker's own size would be measured.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from aggregator.sql.sandbox import run_query
from windrow_protocol.errors import WindrowError


class Question(NamedTuple):
    """A statement and how long and large it may become."""

    statement: str
    time_s_max: int
    memory_bytes_max: int


class Outcome(NamedTuple):
    """What became of a question: its code, everything said, and seconds."""

    code: str
    said: str
    seconds: float


class Asked(NamedTuple):
    """All outcomes, by how much the asking process grew, and the most that one of its children took."""

    outcomes: list[Outcome]
    grown_bytes: int
    child_peak_bytes: int


def ask(url: str, files: Any, question: Question) -> Outcome:
    """Ask one question in a child, as an operator's is."""
    began = time.monotonic()
    limits = {"time_s_max": question.time_s_max, "memory_bytes_max": question.memory_bytes_max}
    try:
        answer = run_query(url, files, question.statement, **limits)
        return Outcome("answered", json.dumps(answer.rows)[:10_000], time.monotonic() - began)
    except WindrowError as error:
        return Outcome(error.code, str(error), time.monotonic() - began)


def ask_all(url: str, files: Any, questions: Sequence[Question]) -> Asked:
    """Ask many, six at a time, from a process that holds nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_ask_all, url, files, questions).result()


def _ask_all(url: str, files: Any, questions: Sequence[Question]) -> Asked:
    before = _own_bytes()
    with ThreadPoolExecutor(6) as several:
        outcomes = list(several.map(lambda each: ask(url, files, each), questions))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Asked(outcomes, _own_bytes() - before, peak)


def _own_bytes() -> int:
    """Return this process's resident memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
