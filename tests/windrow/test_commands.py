"""The commands as a person or a script uses them: beside a running house, and in a home where none runs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from running_house import RunningHouse, windrow

from chain.keys import load_or_make_key
from windrow.cli import app
from windrow.settings import HouseSettings
from windrow_protocol.economics import Economics

SITE = "http://127.0.0.1:9"  # nothing listens there, and nothing here fetches
COMMANDS = [
    *("up", "publish", "sql", "doctor", "buy", "verify", "claim", "demo", "chain header"),
    *("frontier add", "epoch close", "node run", "config show", "bridge install", "bridge uninstall"),
    *("node verdicts", "node appeal", "node leave", "node delegate", "audit replay"),
    *("node setup", "node doctor", "node backup", "node restore", "node earnings", "node dashboard"),
    *("node pause", "node resume", "node finish", "node status", "node install", "node uninstall"),
    *(
        "node log",
        "node evidence",
        "lake annotate",
        "lake check",
        "lake compact",
        "lake duplicates",
        "lake export",
        "lake stats",
    ),
    *("import", "export", "erase", "redteam", "mcp", "ledger verify", "ledger recompute"),
    *(
        "bridge import",
        "bridge pair",
        "bridge serve",
        "rotate-personal-key",
        "fund-history",
        "backup",
        "restore",
        "trace",
    ),
    *("consent pay", "host token", "host takedown", "host release", "host receipt", "host list"),
    *("standing place", "standing cancel", "standing run", "standing list"),
    *(
        "operator login",
        "operator list",
        "operator grant",
        "operator revoke",
        "operator end",
        "operator token",
    ),
    *("consent list", "consent show", "consent withdraw", "consent export", "consent open-copy"),
]


def urls(name: str, count: int) -> list[str]:
    return [f"{SITE}/{name}/{number}" for number in range(count)]


# --- beside a running house -----------------------------------------------------------------------------------


def test_frontier_add_takes_arguments(house: RunningHouse) -> None:
    said = windrow("frontier", "add", *urls("arguments", 3), env=house.env)
    assert (said.code, said.out) == (0, "3 added, 0 known already\n")


def test_frontier_add_takes_a_file_with_blank_lines_and_remarks(house: RunningHouse, tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    path.write_text("# a list\n\n" + "\n".join(urls("file", 4)) + "\n")
    said = windrow("frontier", "add", "--file", path, "--json", env=house.env)
    assert said.json == {"added": 4, "known": 0}


def test_frontier_add_takes_standard_input_and_knows_what_it_has(house: RunningHouse) -> None:
    command = ("frontier", "add", "--file", "-", "--json")
    first = windrow(*command, env=house.env, stdin="\n".join(urls("stdin", 2)))
    again = windrow(*command, env=house.env, stdin="\n".join(urls("stdin", 5)))
    assert (first.json, again.json) == ({"added": 2, "known": 0}, {"added": 3, "known": 2})


def test_one_bad_url_adds_nothing(house: RunningHouse) -> None:
    bad = windrow("frontier", "add", f"{SITE}/mixed/1", "mixed", env=house.env)
    good = windrow("frontier", "add", f"{SITE}/mixed/1", "--json", env=house.env)
    assert (bad.code, good.json["added"]) == (1, 1)


QUESTION = "SELECT 1 AS number, 'a, \"b\"' AS text, NULL AS nothing"


def test_sql_answers_in_json_csv_and_table(house: RunningHouse) -> None:
    answers = {form: windrow("sql", QUESTION, "--format", form, env=house.env) for form in FORMS}
    assert {said.code for said in answers.values()} == {0}
    assert answers["json"].json == [{"number": 1, "text": 'a, "b"', "nothing": None}]
    assert list(csv.reader(io.StringIO(answers["csv"].out))) == [
        ["number", "text", "nothing"],
        ["1", 'a, "b"', ""],
    ]
    head, rule, row = answers["table"].out.splitlines()
    assert head.split() == ["number", "text", "nothing"]
    assert set(rule) == {"─", " "}
    assert row.split() == ["1", "a,", '"b"', "∅"]
    # how fresh it is, apart from the answer
    assert all(re.match("1 rows? as of 20", said.err) for said in answers.values())


FORMS = ("json", "csv", "table")


def test_sql_reads_its_statement_from_standard_input(house: RunningHouse) -> None:
    said = windrow("sql", "-", "--format", "json", env=house.env, stdin="SELECT count(*) AS n FROM epochs")
    assert said.json == [{"n": 0}]


def test_sql_writes_parquet_and_explains(house: RunningHouse) -> None:
    command = [sys.executable, "-m", "windrow", "sql", "SELECT count(*) AS n FROM epochs"]
    told = {"env": {**os.environ, **house.env}, "capture_output": True, "check": True}
    said = subprocess.run([*command, "--format", "parquet"], **told)  # type: ignore[call-overload]
    assert pq.read_table(io.BytesIO(said.stdout)).to_pylist() == [{"n": 0}]
    assert re.match(rb"as of 20.*, log entry \d+, documents of snapshot \d+$", said.stderr.strip())
    explained = windrow("sql", "SELECT 1", "--explain", env=house.env)
    assert "DUMMY_SCAN" in explained.out


def test_an_operator_is_granted_enters_and_is_taken_out_again(house: RunningHouse, tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path / "key")
    login = ("operator", "login", "--url", house.url)
    assert "unknown_operator" in windrow(*login, "--key", tmp_path / "key", env=house.env).err
    assert (
        windrow("operator", "grant", key.address, "analyst", env=house.env).out
        == f"{key.address} is analyst\n"
    )
    link = windrow(*login, "--key", tmp_path / "key", env=house.env).out.strip()
    own = windrow(*login, env=house.env).out.strip()  # by the house's own key, which owns the contracts
    for each in (link, own):
        path = each.removeprefix(house.url)
        entered = house.ask("POST", path, headers={"Origin": house.url, "Accept": "text/html"})
        assert (entered.status, "HttpOnly" in entered.headers["Set-Cookie"]) == (303, True)
    token = windrow("operator", "token", "nightly", "--address", key.address, env=house.env).out.strip()
    asked = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    question = json.dumps({"statement": "SELECT count(*) AS n FROM epochs"}).encode()
    stream = house.ask("POST", "/console/arrow", question, asked)
    assert pa.ipc.open_stream(stream.body).read_all().to_pylist() == [{"n": 0}]
    listed = windrow("operator", "list", env=house.env).out
    assert re.search(rf"^session   s\w+  {key.address}", listed, re.MULTILINE)
    (session,) = [
        each["session_id"]
        for each in windrow("operator", "list", "--json", env=house.env).json["sessions"]
        if each["address"] == key.address
    ]
    assert windrow("operator", "end", session, env=house.env).code == 0
    gone = windrow("operator", "revoke", key.address, env=house.env).out
    assert gone == f"{key.address} has no role; 0 sessions and 1 tokens ended\n"
    assert house.ask("POST", "/console/arrow", question, asked).json["error"] == "bad_token"


def test_a_budget_for_history_is_the_operators_own_tokens(house: RunningHouse) -> None:
    """The operator of a fresh chain has no WIND, so there is nothing to set aside; and no amount is negative."""
    said = windrow("fund-history", "3", env=house.env)
    assert said.code == 1
    assert "chain" in said.err
    assert windrow("fund-history", "0", env=house.env).code == 2
    books = windrow("ledger", "verify", "--json", env=house.env).json
    assert books["assets"].get("WIND", {}).get("for_history", 0) in (0, "0"), (
        "what was not sent is not entered"
    )


VIEWS = (
    *("contributions", "verdicts", "duplicates", "nodes", "leases", "ledger"),
    *("epochs", "payouts", "consents", "exports", "sales"),
)


def test_every_promised_view_answers(house: RunningHouse) -> None:
    counts = " UNION ALL ".join(f"SELECT '{view}' AS view, count(*) AS n FROM {view}" for view in VIEWS)
    said = windrow("sql", counts, "--format", "json", env=house.env)
    assert said.code == 0, said.err
    assert {row["view"] for row in said.json} == set(VIEWS)


def test_publish_can_be_tried_without_publishing(house: RunningHouse) -> None:
    said = windrow("publish", "web_text", "--dry-run", "--json", env=house.env)
    assert (said.code, said.json["rows"], said.json["path"]) == (0, 0, "")
    assert windrow("sql", "SELECT * FROM exports", "--format", "json", env=house.env).json == []


# --- where no house runs ------------------------------------------------------------------------------------------


def test_frontier_add_works_without_a_house_and_leaves_the_home_free(tmp_path: Path) -> None:
    env = {"WINDROW_HOME": str(tmp_path / "home")}
    assert windrow("frontier", "add", *urls("offline", 2), "--json", env=env).json == {"added": 2, "known": 0}
    assert windrow("frontier", "add", *urls("offline", 3), "--json", env=env).json == {"added": 1, "known": 2}
    assert not (tmp_path / "home" / "devnet").exists()  # no chain was needed, so none was started


def test_sql_answers_without_a_house(tmp_path: Path) -> None:
    env = {"WINDROW_HOME": str(tmp_path)}
    windrow("frontier", "add", SITE, env=env)
    said = windrow("sql", "SELECT count(*) AS n FROM leases", "--format", "json", env=env)
    assert said.json == [{"n": 0}]


# --- settings and the doctor -----------------------------------------------------------------------------------


def test_config_show_names_the_source_that_won(tmp_path: Path) -> None:
    (tmp_path / "windrow.toml").write_text('network = "from-file"\nport = 1000\ntimelock_s = 9\n')
    (tmp_path / "economics.toml").write_text("burn_bps = 0\n")
    env = {"WINDROW_PORT": "2000", "WINDROW_CHAIN_ID": "7"}
    said = windrow("config", "show", "--json", "--home", tmp_path, env=env)
    shown = {row["setting"]: (row["value"], row["source"]) for row in said.json}
    assert shown["home"] == (str(tmp_path), "flag")
    assert shown["port"] == ("2000", "environment")  # over the file
    assert shown["chain_id"] == ("7", "environment")
    assert shown["network"] == ("from-file", str(tmp_path / "windrow.toml"))
    assert shown["economics.royalty_bps"] == ("7000", "default")
    assert shown["economics.burn_bps"] == ("0", str(tmp_path / "economics.toml"))
    parameters = {f"economics.{name}" for name in Economics.__struct_fields__}
    assert set(shown) == set(HouseSettings.__struct_fields__) | parameters


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_config_show_keeps_secrets(tmp_path: Path, flags: list[str]) -> None:
    env = {
        "WINDROW_HOME": str(tmp_path),
        "WINDROW_DATABASE_URL": "postgresql://windrow:hunter2@db/windrow",
        "WINDROW_RPC_URL": "https://rpc.example/v3/hunter2",
    }
    said = windrow("config", "show", *flags, env=env)
    assert said.code == 0
    assert "hunter2" not in said.out + said.err
    assert "********" in said.out


def test_doctor_tells_passed_from_not_checked(tmp_path: Path) -> None:
    said = windrow("doctor", "--json", env={"WINDROW_HOME": str(tmp_path)})
    states = {finding["name"]: finding["state"] for finding in said.json}
    assert states["python"] == states["home"] == "passed"
    assert states["chain"] == states["ledger"] == "not checked"
    assert said.code == (1 if "failed" in states.values() else 0)
    assert list(tmp_path.iterdir()) == []  # it changed nothing


def test_doctor_looks_at_a_running_house(house: RunningHouse) -> None:
    env = {**house.env, "WINDROW_PORT": str(house.port), "WINDROW_RPC_URL": house.rpc_url}
    said = windrow("doctor", env=env)
    lines = dict(re.findall(r"^(?:passed|failed|not checked) +([\w ]+): (.*)$", said.out, re.MULTILINE))
    assert lines["chain"] == f"{house.rpc_url} serves chain 31337"
    assert lines["ledger"] == "it balances"
    assert "is no fault" in lines["port"]


# --- help ----------------------------------------------------------------------------------------------------------


def _tree(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [path]
    return [leaf for name, child in children.items() for leaf in _tree(child, (*path, name))]


def test_all_commands_are_there() -> None:
    assert {" ".join(path) for path in _tree(typer.main.get_command(app))} == set(COMMANDS)


@pytest.mark.parametrize("command", ["", *(name for name in COMMANDS if name != "node run")])
def test_every_command_explains_itself(command: str) -> None:
    said = windrow(*command.split(), "--help")
    assert said.code == 0
    assert f"windrow {command}".strip() in said.out
    assert "--help" in said.out


@pytest.mark.skipif(sys.platform != "linux", reason="looks where browsers look on Linux")
def test_the_bridge_is_installed_for_the_browsers_and_removed_without_a_trace(tmp_path: Path) -> None:
    home, node_home = tmp_path / "person", tmp_path / "node"
    home.mkdir()
    said = windrow("bridge", "install", "--node-home", node_home, env={"HOME": str(home)})
    assert said.code == 0
    manifests = list(home.rglob("org.windrow.bridge.json"))
    assert len(manifests) == 5
    launchers = {json.loads(manifest.read_text())["path"] for manifest in manifests}
    assert launchers == {str(node_home / "bridge_host")}
    assert os.access(node_home / "bridge_host", os.X_OK)
    assert windrow("bridge", "uninstall", "--node-home", node_home, env={"HOME": str(home)}).code == 0
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not (node_home / "bridge_host").exists()


def test_a_node_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    from contributor_node.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "windrow node run" in shown
    assert "--payout" in shown


async def test_a_killed_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    """What the demo starts watches the pipe that the demo holds; closing it is what a kill does."""
    house = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "windrow.cli",
            "up",
            "--home",
            str(tmp_path),
            "--port",
            "0",
            "--die-with-parent",
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "WINDROW_DEVNET_PORT": "0"},
    )
    assert house.stdin is not None
    assert house.stdout is not None
    assert b"windrow ready" in await house.stdout.readline()
    house.stdin.close()
    assert await house.wait() == 0


def test_a_demo_does_not_mix_with_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "processes.json").write_text("{}")
    said = windrow("demo", "--home", tmp_path)
    assert said.code != 0
    assert "holds an earlier demo" in said.err


WITHOUT_SERVER = """
import sys
class NotInstalled:
    names = set("structlog duckdb jinja2 markdown_it numpy py3langid pyarrow rs_bpe sqlalchemy web3".split())
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotInstalled())
import importlib.util
importlib.util.find_spec = lambda name: None
import contributor_node.__main__, extension_bridge.native_host, windrow.claiming
from windrow.cli import main
main()
"""


@pytest.mark.parametrize(("command", "says"), [("config show", "timelock_s"), ("up", "part_missing")])
def test_a_contributors_install_needs_no_server_parts(tmp_path: Path, command: str, says: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_SERVER, *command.split(), "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in said.stdout + said.stderr
    assert "Traceback" not in said.stderr
