"""Settings come in layers, the last one that speaks wins; each mistake is one sentence that says what to change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from node_world import PAYOUT, run_node

from contributor_node.__main__ import main
from contributor_node.owner.settings import NodeSettings, load_settings
from windrow_protocol.errors import WindrowError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WINDROW_")]:
        monkeypatch.delenv(name)


def test_each_layer_wins_over_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = {"home": str(tmp_path)}
    assert load_settings(flags).values.batch == NodeSettings().batch
    (tmp_path / "node.toml").write_text('batch = 3\npoll_s = 5\nregion = "eu"\n')
    assert load_settings(flags).values.batch == 3
    monkeypatch.setenv("WINDROW_NODE_BATCH", "4")
    monkeypatch.setenv("WINDROW_NODE_REGION", "us")
    assert load_settings(flags).values.batch == 4
    resolved = load_settings({**flags, "batch": "5"})
    assert (resolved.values.batch, resolved.values.region, resolved.values.poll_s) == (5, "us", 5.0)
    sources = {name: source for name, _, source in resolved.explain()}
    assert {name: sources[name] for name in ("batch", "region", "poll_s", "payout")} == {
        "batch": "flag",
        "region": "environment",
        "poll_s": str(tmp_path / "node.toml"),
        "payout": "default",
    }


def test_the_home_itself_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node.toml").write_text("batch = 7\n")
    monkeypatch.setenv("WINDROW_NODE_HOME", str(tmp_path))
    assert (load_settings().values.home, load_settings().values.batch) == (str(tmp_path), 7)


def test_lists_come_from_every_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = {"home": str(tmp_path)}
    (tmp_path / "node.toml").write_text('renders = ["browser"]\nallow_private = ["127.0.0.1:80"]\n')
    assert load_settings(flags).values.renders == ["browser"]
    monkeypatch.setenv("WINDROW_NODE_RENDERS", "http, browser")
    monkeypatch.setenv("WINDROW_NODE_ALLOW_PRIVATE", "127.0.0.2:81,[::1]:82")
    values = load_settings(flags).values
    assert values.renders == ["http", "browser"]
    assert sorted(str(each) for each in values.endpoints()) == ["127.0.0.2:81", "[::1]:82"]
    assert load_settings({**flags, "renders": ["http"]}).values.renders == ["http"]


# Setting, value, what the sentence must hold beside name, source and remedy.
BAD = [
    ("coordinator", "127.0.0.1:8420", "not an address such as http://"),
    ("coordinator", "ftp://a.example", "not an address such as http://"),
    ("coordinator", "http://", "not an address such as http://"),
    ("coordinator", "http://a.example:99999", "Port"),
    ("payout", "0x12", "0x address with a correct checksum"),
    ("payout", PAYOUT.replace("5aAe", "5aae"), "0x address with a correct checksum"),
    ("region", "x" * 33, "32"),
    ("renders", "telnet", "telnet"),
    ("renders", "", "name `http`, `browser` or both"),
    ("allow_private", "10.0.0.1:80", "only loopback addresses"),
    ("allow_private", "localhost:80", "not an IP address with a port"),
    ("allow_private", "127.0.0.1", "not an IP address with a port"),
    ("allow_private", "127.0.0.1:0", "port must be a number from 1 to 65535"),
    ("pace_private_s", "0.05", "0.1"),
    ("pace_private_s", "fast", "float"),
    ("source_address", "192.168.0.1", "not a loopback address"),
    ("source_address", "localhost", "does not appear to be an IPv4 or IPv6 address"),
    ("day_mb_max", "-5", "0"),
    ("schedule", "mon-fri 9-5", "is no span of a schedule"),
    ("idle_only_min", "-1", "0"),
    ("month_gb_max", "lots", "int"),
    ("batch", "51", "50"),
    ("batch", "2.5", "int"),
    ("poll_s", "0", "0.1"),
    ("poll_s", "nan", ""),
    ("chromium", "/nowhere/chromium", "cannot be run"),
]


@pytest.mark.parametrize(("name", "value", "says"), BAD)
@pytest.mark.parametrize("source", ["environment", "flag"])
def test_a_bad_value_is_refused_with_its_name_source_and_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    says: str,
    source: str,
) -> None:
    argv = ["--home", str(tmp_path)] + ([] if name == "payout" else ["--payout", PAYOUT])
    if source == "environment":
        monkeypatch.setenv(f"WINDROW_NODE_{name.upper()}", value)
    else:
        argv += [f"--{name.replace('_', '-')}", *([value] if value or name != "renders" else [])]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("windrow: The configuration has a mistake")
    assert said.count("\n") == 1, "one sentence"
    for needed in (f"`{name}` from {source}", says, "Remedy: correct the setting named", "[bad_config]"):
        assert needed in said
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("batch = ", "Invalid value"),
        ('color = "red"', "`color`, which is no setting"),
        ('batch = "many"', "`batch` from"),
        ('allow_private = "127.0.0.1:80"', "`allow_private` from"),
        ('home = "/elsewhere"', "names `home`"),
        ("batch = 99", "`batch` from"),
    ],
)
def test_a_bad_file_is_refused_by_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], toml: str, says: str
) -> None:
    (tmp_path / "node.toml").write_text(toml)
    assert main(["--home", str(tmp_path), "--payout", PAYOUT]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "node.toml") in said
    assert says in said


def test_without_a_payout_address_nothing_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "`payout` is not set: give --payout 0x…, WINDROW_NODE_PAYOUT, or `payout` in node.toml" in said


@pytest.mark.parametrize("place", ["file", "file/inside"])
def test_a_home_that_cannot_be_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    done = run_node("--home", str(tmp_path / place), "--payout", PAYOUT)
    assert done.returncode == 2
    assert "[home_unwritable]" in done.stderr
    assert "Traceback" not in done.stderr


def test_endpoints_are_exact() -> None:
    with pytest.raises(WindrowError, match="bad_config"):
        NodeSettings(allow_private=["127.0.0.0/8:80"]).endpoints()
