"""Hostile statements: none escapes, none outlives its limits, and this process does not notice."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sql_attacks import BOMBS, REFUSED
from sql_bombs import Question, ask, ask_all
from sql_world import SqlWorld

from aggregator.sql.children import ENVIRONMENT

SECRET = "a-secret-that-no-answer-may-hold"
LONG_AGO_S = 1_000_000_000
BOMB_TIME_S, BOMB_BYTES = 3, 128_000_000
REFUSED_S_MAX, WALL_S_MAX = 90, 100.0  # bounds for what never ends: a busy machine starts children slowly
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Trap:
    """What an escape would touch."""

    world: SqlWorld
    canary: Path
    out: Path
    port: int
    calls: list[object]

    def aim(self, statement: str) -> str:
        """Point a statement at this trap."""
        aims = {"canary": self.canary, "folder": self.canary.parent, "out": self.out, "port": self.port}
        for name, value in aims.items():
            statement = statement.replace("{" + name + "}", str(value))
        return statement

    def assert_untouched(self) -> None:
        """Nothing was written, read or called."""
        assert [each.name for each in self.canary.parent.iterdir()] == ["canary.csv"]
        assert not self.out.exists()
        assert self.calls == []
        if _reading_leaves_a_trace(self.out.parent):
            assert self.canary.stat().st_atime == LONG_AGO_S


def _reading_leaves_a_trace(folder: Path) -> bool:
    """Say whether this file system records reads, by reading a file of our own."""
    probe = folder / "probe"
    probe.write_text("x")
    os.utime(probe, (LONG_AGO_S, LONG_AGO_S))
    probe.read_text()
    return probe.stat().st_atime != LONG_AGO_S


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trap]:
    home = tmp_path_factory.mktemp("hostile")
    canary = home / "canary" / "canary.csv"
    canary.parent.mkdir()
    canary.write_text(f"name,value\n{SECRET},1\n")
    os.utime(canary, (LONG_AGO_S, LONG_AGO_S))
    for folder in (home, *home.parents):  # nothing but the sandbox stands between a child and the canary
        if folder.stat().st_uid == os.getuid() and "pytest" in folder.name:
            folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls: list[object] = []
        threading.Thread(target=_count_calls, args=(server, calls), daemon=True).start()
        yield Trap(SqlWorld(home / "house"), canary, home / "out", server.getsockname()[1], calls)


def _count_calls(server: socket.socket, calls: list[object]) -> None:
    while True:
        try:
            calls.append(server.accept())
        except OSError:
            return


def _state_bytes(trap: Trap) -> bytes:
    return Path(trap.world.url.removeprefix("sqlite:///")).read_bytes()


def test_bombs_end_at_their_limits_and_refusals_come_through(trap: Trap) -> None:
    """Each statement in a child of its own, as an operator's; of the refused, every fifth."""
    before, sample = _state_bytes(trap), REFUSED[::5]
    questions = [Question(trap.aim(each), BOMB_TIME_S, BOMB_BYTES) for each in BOMBS]
    questions += [Question(trap.aim(each), REFUSED_S_MAX, BOMB_BYTES) for each in sample]
    asked = ask_all(trap.world.url, trap.world.files, questions)
    told = list(zip([*BOMBS, *sample], asked.outcomes, strict=True))
    ended, said = told[: len(BOMBS)], told[len(BOMBS) :]
    assert [(each[:80], out) for each, out in ended if out.code == "answered"] == []
    assert sum(out.code == "sql_limits" for _, out in ended) >= len(BOMBS) - 2
    assert [(each[:80], out) for each, out in said if out.code not in ("sql_refused", "sql_failed")] == []
    assert [(each[:80], out) for each, out in said if SECRET in out.said or "ended with" in out.said] == []
    assert max(out.seconds for out in asked.outcomes) < WALL_S_MAX
    trap.assert_untouched()
    assert _state_bytes(trap) == before
    assert asked.grown_bytes < 64_000_000
    assert asked.child_peak_bytes < 128_000_000 + BOMB_BYTES + 200_000_000


BARE = """
import encodings.idna, json, os, socket, subprocess, sys  # idna: a call must not fail for want of a file
import duckdb
from aggregator.sql.contained_engine import lock
from aggregator.sql.containment import contain, empty_network
from aggregator.sql.loading import import_arrow
from aggregator.sql.statements import check_statement
from windrow_protocol.errors import WindrowError
job = json.load(sys.stdin)
import_arrow()
engine, checker = (
    duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "128MB"}) for _ in range(2)
)
own_network = os.readlink("/proc/thread-self/ns/net")
network = empty_network()
assert os.readlink("/proc/thread-self/ns/net") == own_network, "the state may lie behind it"
contain(128_000_000, 30, network)
lock(engine, {})
lock(checker, {})
passed, said = [], []
for statement in job["statements"]:
    try:
        unknown = check_statement(checker, statement) - {"nodes"}
        if not unknown and "?" not in statement and "$secret" not in statement:
            passed.append(statement)
    except (WindrowError, RecursionError):
        pass
    if any(word in statement for word in job["crashing"]):
        continue
    try:
        said.append([statement, "answered", str(engine.execute(statement).fetchmany(50))])
    except Exception as error:
        said.append([statement, "failed", str(error)])
def attempt(deed):
    try:
        deed()
        return "done"
    except Exception as error:
        return type(error).__name__
deeds = {
    "read": lambda: open(job["canary"]).read(),
    "list": lambda: os.listdir("/"),
    "write": lambda: open(job["out"], "w").write("x"),
    "call": lambda: socket.create_connection(("127.0.0.1", job["port"]), 2),
    "run": lambda: subprocess.run(["/bin/true"], check=True),
    "root": lambda: os.setuid(0),
}
print(json.dumps({"passed": passed, "said": said, "deeds": {name: attempt(deed) for name, deed in deeds.items()},
    "environment": dict(os.environ), "uid": os.getuid()}))
"""


def test_more_than_a_hundred_statements_meet_three_walls(trap: Trap) -> None:
    """In one contained process: each is refused; executed all the same, each gets nowhere; nor does Python itself.

    A statement that changed anything for the next ones would only make them more dangerous. What passes forged
    pointers or waits is refused, but not executed.
    """
    crashing = (
        "enable_logging",
        "arrow_scan",
        "pandas_scan",
        "python_map",
        "sleep",
        "'; DROP",
        "finalize",
        "__int",
    )
    statements = [trap.aim(each) for each in REFUSED]
    job = {
        "statements": statements,
        "crashing": crashing,
        "canary": str(trap.canary),
        "out": str(trap.out),
        "port": trap.port,
    }
    child = subprocess.run(
        [sys.executable, "-c", BARE],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        timeout=600,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    seen = json.loads(child.stdout)
    assert len(statements) >= 100
    assert len(seen["said"]) >= 100
    assert seen["passed"] == []
    assert SECRET not in child.stdout
    assert "root:" not in child.stdout
    assert seen["environment"] == {}
    assert "done" not in {seen["deeds"][deed] for deed in ("write",)}
    if sys.platform == "linux" and os.getuid() == 0:
        assert seen["uid"] != 0
        assert "done" not in seen["deeds"].values(), seen["deeds"]
    trap.assert_untouched()


def test_a_statement_cannot_see_this_process_environment(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDROW_TEST_SECRET", SECRET)
    assert "WINDROW_TEST_SECRET" not in ENVIRONMENT
    code, said, _ = ask(
        trap.world.url, trap.world.files, Question("SELECT * FROM nodes", REFUSED_S_MAX, BOMB_BYTES)
    )
    assert code == "answered"
    assert SECRET not in said
