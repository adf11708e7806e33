"""Commands, nodes and exports with bad input: one sentence, its reason code, nothing lost and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bad_input_world import HEX, MISTYPED, NOBODY, PAGE, PAYOUT, no_traceback, one_sentence
from running_house import RunningHouse, Said, windrow

from contributor_node.__main__ import main as run_node
from windrow.cli import saying_refusals
from windrow.shipped import shipped_folder
from windrow_protocol.errors import REASONS

FAILING = """
import structlog
from windrow import cli

def connect(password):
    try:
        raise ValueError(f"no host in {password}")
    except ValueError as error:
        raise OSError(111, "nobody answers", f"/home/{password}") from error

cli._log_to_stderr()
try:
    connect("hun" + "ter2")
except OSError:
    structlog.get_logger().exception("stage_failed", stage="sales")
"""


def test_a_failure_in_the_log_names_its_lines_and_shows_no_value() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == ""
    for word in ("stage_failed", "sales", "in connect", "ValueError", "nobody answers"):
        assert word in done.stderr
    assert "hunter2" not in done.stderr


def test_a_database_whose_disk_is_full_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'full.db'}")

    def fill() -> None:
        with saying_refusals(), engine.begin() as connection:
            connection.execute(sa.text("PRAGMA max_page_count = 3"))
            connection.execute(sa.text("CREATE TABLE filled (value BLOB)"))
            connection.execute(sa.text("INSERT INTO filled VALUES (zeroblob(100000))"))

    with pytest.raises(SystemExit) as ended:
        fill()
    engine.dispose()
    said = capsys.readouterr().err
    assert ended.value.code == REASONS["disk_failed"].exit_code
    assert said.startswith(
        "windrow: This machine refused to read or write (the home's database: its disk is full)"
    )
    assert said.count("\n") == 1


# --- the command line ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A running house, and a folder for what a case needs."""

    house: RunningHouse
    folder: Path

    def home_with(self, toml: str) -> Path:
        (self.folder / "windrow.toml").write_text(toml)
        return self.folder

    def key_file(self, text: str, mode: int) -> Path:
        path = self.folder / "key"
        path.write_text(text)
        path.chmod(mode)
        return path

    def away(self, *arguments: object, **env: str) -> Said:
        """Run a command in a home of its own that no house has."""
        return windrow(*arguments, env={"WINDROW_HOME": str(self.folder / "home"), **env})

    def here(self, *arguments: object, **env: str) -> Said:
        """Run a command beside the running house."""
        return windrow(*arguments, env={**self.house.env, **env})

    def buy(self, *arguments: object, **env: str) -> Said:
        return self.here("buy", "web_text", "--yes", "--out", self.folder / "bought", *arguments, **env)


@pytest.fixture
def place(house: RunningHouse, tmp_path: Path) -> Place:
    return Place(house, tmp_path)


def _file_in_the_way(at: Place) -> Path:
    (at.folder / "file").write_text("")
    return at.folder / "file" / "home"


def _damaged_home(at: Place) -> Path:
    (at.folder / "state.db").write_bytes(b"no database" * 1_000)
    return at.folder


def _port_taken(at: Place, name: str) -> Said:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"WINDROW_PORT": "0", "WINDROW_DEVNET_PORT": "0", name: str(taken.getsockname()[1])}
        return at.away("up", **ports)


def _other_chain(at: Place, *arguments: object) -> Said:
    return at.away(*arguments, WINDROW_PORT="0", WINDROW_RPC_URL=at.house.rpc_url, WINDROW_CHAIN_ID="424242")


def _close_with_nobody(at: Place) -> Said:
    at.away("frontier", "add", PAGE)  # begins the home
    return at.away("epoch", "close", WINDROW_RPC_URL=NOBODY)


def _quick_claim(at: Place, *arguments: object) -> Said:
    return at.here("claim", "--coordinator-id", HEX, *arguments)


def _claim_from(at: Place, coordinator: str) -> Said:
    return _quick_claim(at, "--account", PAYOUT, "--coordinator", coordinator)


COMMANDS: list[tuple[str, Callable[[Place], Said], str]] = [
    ("no such command", lambda at: at.away("harvest"), "bad_usage"),
    ("no such option", lambda at: at.away("sql", "SELECT 1", "--fast"), "bad_usage"),
    ("an argument is missing", lambda at: at.away("verify"), "bad_usage"),
    ("a port that is no number", lambda at: at.away("up", "--port", "http"), "bad_usage"),
    ("settings are no TOML", lambda at: windrow("up", "--home", at.home_with("port = = 1")), "bad_config"),
    ("an unknown setting", lambda at: windrow("up", "--home", at.home_with("colour = 1")), "bad_config"),
    ("a setting of wrong type", lambda at: windrow("up", "--home", at.home_with('port = "x"')), "bad_config"),
    ("a port out of range", lambda at: at.away("up", WINDROW_PORT="70000"), "bad_config"),
    ("an unknown format", lambda at: at.away("sql", "SELECT 1", "--format", "xml"), "bad_config"),
    ("the home cannot be made", lambda at: windrow("up", "--home", "/proc/windrow"), "home_unwritable"),
    ("a file is in the home's way", lambda at: windrow("up", "--home", _file_in_the_way(at)), "home_unwritable"),
    ("the home is closed offline", lambda at: at.away("frontier", "add", PAGE, "--home", "/proc/w"), "home_unwritable"),
    ("a database that is none", lambda at: at.away("up", WINDROW_DATABASE_URL="sqlite"), "database_failed"),
    ("a damaged database", lambda at: windrow("up", "--home", _damaged_home(at)), "database_failed"),
    ("SQL over damage", lambda at: windrow("sql", "SELECT 1", "--home", _damaged_home(at)), "database_failed"),
    ("the home is in use", lambda at: at.here("up"), "home_locked"),
    ("the house's port is taken", lambda at: _port_taken(at, "WINDROW_PORT"), "port_taken"),
    ("the devnet's port is taken", lambda at: _port_taken(at, "WINDROW_DEVNET_PORT"), "port_taken"),
    ("an address of another machine", lambda at: at.away("up", "--host", "192.0.2.1", "--port", "0"), "port_taken"),
    ("another chain", lambda at: _other_chain(at, "up"), "wrong_chain"),
    ("an RPC that is no address", lambda at: at.away("up", "--port", "0", WINDROW_RPC_URL="ftp://chain"), "bad_config"),
    ("an RPC that is silent", lambda at: _close_with_nobody(at), "chain_unreachable"),
    ("a URL that is none", lambda at: at.here("frontier", "add", "example"), "bad_url"),
    ("a URL of another scheme", lambda at: at.here("frontier", "add", PAGE, "ftp://127.0.0.1/"), "bad_url"),
    ("no URL at all", lambda at: at.here("frontier", "add"), "bad_url"),
    ("a list that is not there", lambda at: at.here("frontier", "add", "--file", at.folder / "none"), "not_found"),
    ("a way to render that is none", lambda at: at.here("frontier", "add", PAGE, "--render", "eyes"), "bad_config"),
    ("SQL in a home without state", lambda at: at.away("sql", "SELECT 1"), "no_house"),
    ("SQL that is no SELECT", lambda at: at.here("sql", "DELETE FROM leases"), "sql_refused"),
    ("two statements", lambda at: at.here("sql", "SELECT 1; SELECT 2"), "sql_refused"),
    ("an unknown view", lambda at: at.here("sql", "SELECT * FROM wallets"), "sql_refused"),
    ("a file read by SQL", lambda at: at.here("sql", "SELECT * FROM read_text('/etc/hosts')"), "sql_refused"),
    ("SQL with a mistake", lambda at: at.here("sql", "SELECT nothing FROM leases"), "sql_failed"),
    ("a dataset without recipe", lambda at: at.here("publish", "nosuch"), "unknown_dataset"),
    ("nothing to publish", lambda at: at.here("publish", "web_text"), "nothing_to_publish"),
    ("nothing to settle", lambda at: at.here("epoch", "close"), "nothing_to_settle"),
    ("an export that is not there", lambda at: at.away("verify", at.folder / "none"), "not_found"),
    ("a folder that is no export", lambda at: at.away("verify", at.folder), "not_found"),
    (
        "an export without epochs",
        lambda at: at.away("chain", "header", at.folder, "--rpc", "http://127.0.0.1:1"),
        "not_found",
    ),
    (
        "a node and a saved header at once",
        lambda at: at.away("verify", at.folder, "--rpc", "http://127.0.0.1:1", "--header", at.folder),
        "bad_usage",
    ),
    ("a claim without anything known", lambda at: at.away("claim"), "bad_config"),
    ("a claim from a node that never ran", lambda at: at.here("claim", "--node-home", at.folder), "bad_config"),
    ("a claim without an account", lambda at: _quick_claim(at), "bad_config"),
    ("a claim for no address", lambda at: _quick_claim(at, "--account", "0x12"), "bad_payout_address"),
    ("a claim before any epoch", lambda at: _quick_claim(at, "--account", PAYOUT), "not_found"),
    ("a house that does not answer", lambda at: _claim_from(at, NOBODY), "not_running"),
    ("a house that is no address", lambda at: _claim_from(at, "house"), "bad_config"),
    ("a key file that is not there", lambda at: at.buy("--key-file", at.folder / "none"), "not_found"),
    ("a key file that is no key", lambda at: at.buy("--key-file", at.key_file("secret", 0o600)), "bad_config"),
    ("a key file others can read", lambda at: at.buy("--key-file", at.key_file("1" * 64, 0o644)), "bad_config"),
    ("a dataset not for sale", lambda at: at.buy("--key-file", at.key_file("1" * 64, 0o600)), "unknown_dataset"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "code"), [row[1:] for row in COMMANDS], ids=[row[0] for row in COMMANDS])
def test_a_command_refuses_inone_sentence(place: Place, run: Callable[[Place], Said], code: str) -> None:
    said = run(place)
    assert said.code == REASONS[code].exit_code, said
    one_sentence(said.err, code)
    assert said.out == ""
    no_traceback(said.out, said.err, place.house.log.read_text())


NODE_COMMANDS: list[tuple[str, list[str], str]] = [
    ("a node without a payout address", [], "bad_config"),
    ("a node with a mistyped payout address", ["--payout", MISTYPED], "bad_config"),
    ("a node without a writable home", ["--payout", PAYOUT, "--home", "/proc/node"], "home_unwritable"),
    ("a node that takes no work", ["--payout", PAYOUT, "--batch", "0"], "bad_config"),
    ("a node let into the home network", ["--payout", PAYOUT, "--allow-private", "192.168.1.1:80"], "bad_config"),
    ("a node that is too fast", ["--payout", PAYOUT, "--pace-private-s", "0.01"], "bad_config"),
]  # fmt: skip


@contextmanager
def _node(home: Path, *flags: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDROW_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "windrow.cli", "node", "run", *flags],
        env={**kept, "WINDROW_NODE_HOME": str(home), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("flags", "code"), [row[1:] for row in NODE_COMMANDS], ids=[row[0] for row in NODE_COMMANDS]
)
def test_a_node_refuses_inone_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    code: str,
) -> None:
    monkeypatch.setenv("WINDROW_NODE_HOME", str(tmp_path))
    assert run_node(flags) == REASONS[code].exit_code
    said = capfd.readouterr()
    assert said.out == ""
    one_sentence(said.err, code)


def test_a_node_started_by_the_command_line_ends_with_the_reasons_code(tmp_path: Path) -> None:
    with _node(tmp_path, "--payout", PAYOUT, "--home", "/proc/node") as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    one_sentence(err, "home_unwritable")


# --- machines and exports that are not whole ------------------------------------------------------------------


def test_without_chromium_a_node_says_so_and_takes_no_page_that_needs_one(
    house: RunningHouse, tmp_path: Path
) -> None:
    assert windrow("frontier", "add", f"{NOBODY}/app", "--render", "browser", env=house.env).code == 0
    nowhere = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}
    flags = ["--coordinator", house.url, "--payout", PAYOUT, "--poll-s", "0.1"]
    status: dict[str, Any] = {}
    with _node(tmp_path, *flags, **nowhere) as process:
        deadline = time.monotonic() + 120
        while "no_browser" not in status.get("last_error", "") and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            status = _status(tmp_path)
            time.sleep(0.05)
    assert "[no_browser]" in status["last_error"]
    asked = "SELECT count(*) AS leases FROM leases WHERE url LIKE '%/app'"
    assert windrow("sql", asked, "--format", "json", env=house.env).json == [{"leases": 0}]


def _status(home: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((home / "status.json").read_text()))
    except FileNotFoundError:
        return {}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["frontier", "add", PAGE], "home_unwritable"),
        (["sql", "SELECT count(*) FROM leases"], "database_failed"),
    ],
)
def test_a_read_only_disk_is_named(tmp_path: Path, command: list[str], code: str) -> None:
    """On a bind mount that is really read-only, because root writes whatever the modes say."""
    home = tmp_path / "home"
    assert windrow("frontier", "add", PAGE, "--home", home).code == 0
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    inside = ["unshare", "-m", "sh", "-c", mount, str(home)]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("this user cannot make a mount namespace")
    run = [*inside, sys.executable, "-m", "windrow.cli", *command, "--home", str(home)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (REASONS[code].exit_code, "")
    one_sentence(done.stderr, code)


@pytest.mark.parametrize(
    ("name", "env", "code"),
    [
        ("chromium", {"WINDROW_CHROMIUM": "/nonexistent/chrome"}, "no_browser"),
        ("home", {"WINDROW_HOME": "/proc/windrow"}, "home_unwritable"),
        ("chain", {"WINDROW_RPC_URL": NOBODY}, "chain_unreachable"),
    ],
)
def test_the_doctor_names_what_is_wrong(tmp_path: Path, name: str, env: dict[str, str], code: str) -> None:
    said = windrow("doctor", "--json", env={"WINDROW_HOME": str(tmp_path), **env})
    assert said.code == 1
    [finding] = [finding for finding in said.json if finding["name"] == name]
    assert finding["state"] == "failed"
    assert finding["detail"].endswith(f"[{code}]")
    assert "Remedy: " in finding["detail"]
    no_traceback(said.out, said.err)


def test_a_house_without_a_browser_is_well(tmp_path: Path) -> None:
    nowhere = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
    said = windrow("doctor", "--json", env={"WINDROW_HOME": str(tmp_path), **nowhere})
    [finding] = [finding for finding in said.json if finding["name"] == "chromium"]
    assert (finding["state"], "`windrow demo`" in finding["detail"]) == ("not checked", True)
    assert said.code == 0


def test_a_house_lives_without_its_chain_and_says_so(tmp_path: Path) -> None:
    said = windrow(
        "frontier", "add", PAGE, "--json", env={"WINDROW_HOME": str(tmp_path), "WINDROW_RPC_URL": NOBODY}
    )
    assert said.json == {"added": 1, "known": 0}  # what needs no chain works without


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real export, published by a real house."""
    from published_world import open_world

    from aggregator.publish import publish

    world = open_world(tmp_path_factory.mktemp("world"))
    path = publish(world.house, shipped_folder("datasets"), "web_text").path
    world.close()
    assert path is not None
    return path


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    ("a byte of a shard", lambda folder: _flip(next((folder / "data").glob("*.parquet")))),
    ("a shard is gone", lambda folder: next((folder / "data").glob("*.parquet")).unlink()),
    ("a byte of the manifest", lambda folder: _flip(folder / "manifest.json")),
    ("an empty manifest", lambda folder: (folder / "manifest.json").write_bytes(b"")),
    ("a signature that is none", lambda folder: (folder / "manifest.jws").write_text("signed")),
]


@pytest.mark.parametrize("damage", [row[1] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_a_corrupt_export_does_not_verify(
    export: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(export, folder)
    damage(folder)
    said = windrow("verify", folder)
    assert said.code == 1
    assert "NOT verified" in said.out
    one_sentence(said.err, "not_verified")
    no_traceback(said.out, said.err)


# --- what every refusal has in common -------------------------------------------------------------------------
