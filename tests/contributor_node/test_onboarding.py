"""Setting up, asking the doctor, earnings as a table: the commands as a person runs them, against a real house."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import pty
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from node_world import PAYOUT, clean_environment, coordinator, node, until
from real_data import ROOT

from contributor_node.coordinator.earnings_table import earnings_rows, tokens, write_earnings
from contributor_node.coordinator.facts import FactsDesk, RecentPay
from contributor_node.egress.line_log import LineLog, read_rows
from contributor_node.owner import control
from contributor_node.owner.settings import NodeSettings
from contributor_node.setup.doctor import CHECKS, Finding, because, examine
from contributor_node.setup.onboarding import CONSENT_FILE, Choices, expectation, write_choices
from rewards.routes import routes as reward_routes
from storage.env import Request, json_response
from storage.tables.pay import epoch_pay
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address
from windrow_protocol.release import RELEASE, is_newer


def windrow(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "windrow.cli", *arguments],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[FactsDesk]:
    log = LineLog(tmp_path / "home" / "line_log.ndjson", lambda: time.time_ns() // 10**6)
    yield FactsDesk(NodeSettings(home=str(tmp_path / "home"), coordinator="http://127.0.0.1:9"), log)
    log.close()


def test_setup_without_a_terminal_writes_settings_consent_and_an_honest_outlook(tmp_path: Path) -> None:
    home, wallet, secret = tmp_path / "home", tmp_path / "wallet.json", tmp_path / "secret"
    secret.write_text("ten letters and more\n")
    done = windrow(
        *(
            "node",
            "setup",
            "--home",
            str(home),
            "--new-wallet",
            str(wallet),
            "--passphrase-file",
            str(secret),
        ),
        *("--consent", "pages", "--day-mb-max", "500", "--schedule", "mon-fri 22:00-07:00"),
        *("--coordinator", "http://127.0.0.1:9", "--yes"),
    )
    assert done.returncode == 0, done.stderr
    assert "not known yet (the coordinator was not reached: not_running)" in done.stdout
    table = tomllib.loads((home / "node.toml").read_text())
    assert table["payout"].lower() == "0x" + json.loads(wallet.read_text())["address"].lower()
    assert (table["day_mb_max"], table["renders"], table["schedule"]) == (
        500,
        ["http"],
        "mon-fri 22:00-07:00",
    )
    assert "rendered" not in json.loads((home / CONSENT_FILE).read_text())["purposes"]
    assert "ten letters" not in done.stdout + done.stderr


def test_setup_says_what_was_not_checked_and_which_address_it_replaces(tmp_path: Path) -> None:
    first, second = "0x" + "ab" * 20, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    flags = ("--home", str(tmp_path), "--consent", "pages", "--coordinator", "http://127.0.0.1:9", "--yes")
    assert "compare it with your wallet" in windrow("node", "setup", "--payout", first, *flags).stdout
    again = windrow("node", "setup", "--payout", second, *flags).stdout
    assert "compare it" not in again
    assert f"until now {checksum_address(first)}" in again


def _answered(home: Path, *answers: str) -> tuple[int, str, str]:
    """Answer `setup` in a terminal; return its code, what it said and what it asked."""
    ours, theirs = pty.openpty()
    command = (*("windrow.cli", "node", "setup", "--home", str(home)), "--coordinator", "http://127.0.0.1:9")
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=clean_environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    out, asked = process.communicate()
    os.close(ours)
    os.close(theirs)
    return process.returncode, out, asked


def test_setup_asks_in_a_terminal_what_no_flag_says_and_again_what_it_cannot_read(tmp_path: Path) -> None:
    home, slip = tmp_path / "home", PAYOUT.replace("5aAe", "5aae")
    hours = ("whenever", "sat,sun 08:00-20:00")
    answers = (slip, PAYOUT.lower(), "y", "y", "n", "lots", "-1", "300", "", *hours)
    code, out, asked = _answered(home, *answers)
    assert code == 0, asked
    for words in (
        "first at character 5",
        f"With it, it is {PAYOUT}",
        "`day_mb_max`",
        "no span of a schedule",
    ):
        assert words in asked
    assert asked.count("Megabytes a day") == 3
    table = tomllib.loads((home / "node.toml").read_text())
    assert (table["payout"], table["renders"], table["day_mb_max"]) == (PAYOUT, ["http"], 300)
    assert (table["month_gb_max"], table["schedule"]) == (20, "sat,sun 08:00-20:00")
    assert "Next: `windrow node doctor`" in out


def test_who_does_not_agree_is_asked_nothing_more(tmp_path: Path) -> None:
    code, _, asked = _answered(tmp_path / "home", PAYOUT, "n")
    assert (code, "[no_consent]" in asked, "browser" in asked) == (2, True, False)
    assert not (tmp_path / "home" / "node.toml").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--payout", PAYOUT[:-1] + "D", "--consent", "pages"], "[bad_payout_address]"),
        (["--payout", PAYOUT], "[no_consent]"),
        (["--payout", PAYOUT, "--consent", "everything"], "[bad_usage]"),
        (["--payout", PAYOUT, "--consent", "pages", "--schedule", "whenever"], "[bad_config]"),
        (["--consent", "pages"], "[bad_usage]"),
    ],
)
def test_a_setup_that_is_refused_writes_no_settings(tmp_path: Path, flags: list[str], says: str) -> None:
    done = windrow("node", "setup", "--home", str(tmp_path / "home"), "--yes", *flags)
    assert done.returncode != 0
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "home" / "node.toml").exists()
    assert not (tmp_path / "home" / CONSENT_FILE).exists()


def test_consent_to_rendering_is_what_lets_the_node_render(tmp_path: Path) -> None:
    write_choices(tmp_path, Choices(PAYOUT, ("pages", "rendered")))
    assert tomllib.loads((tmp_path / "node.toml").read_text())["renders"] == ["http", "browser"]


async def test_expected_earnings_come_from_the_networks_last_epochs(tmp_path: Path) -> None:
    async with coordinator(tmp_path / "house") as house:
        await house.down()
        house.routes = [*house.doors.routes(), *reward_routes(house.house, _no_chain, _no_chain)]
        await house.up()
        settings = NodeSettings(home=str(tmp_path), coordinator=house.url)
        desk = FactsDesk(settings, LineLog(tmp_path / "line_log.ndjson", lambda: 1))
        assert "not known yet, because this network has paid" in (await _away(expectation, desk, 20)).sentence
        with house.house.state.write() as connection:
            rows = [{"epoch_id": n, "documents": 10, "earned": 10**18} for n in range(9)]
            connection.execute(sa.insert(epoch_pay), rows)
        pay = await _away(desk.recent_pay)
        assert pay == RecentPay(7, 70, str(7 * 10**18), 0)
        assert pay.wei_per_gb() is None, "no page was weighed yet"
        assert RecentPay(7, 70, str(7 * 10**18), 100_000).wei_per_gb() == 10**18 * 1_000
        asked = [row.url for row in read_rows(tmp_path / "line_log.ndjson")]
        assert asked == [f"{house.url}/v1/pay"] * 2, "the commands' questions stand in the line log too"


def _no_chain() -> Any:
    raise AssertionError("nobody claims here")


async def _away(work: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)


def found(settings: NodeSettings, desk: FactsDesk, name: str) -> list[Finding]:
    return [each for each in examine(settings, desk) if each.name == name]


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"payout": ""}, "payout", "no payout address is set"),
        ({"day_mb_max": 0}, "caps", "`day_mb_max` is 0"),
        ({"month_gb_max": 0}, "caps", "`month_gb_max` is 0"),
        ({}, "coordinator", "Nothing answers at this address"),
        ({"renders": ["browser"], "chromium": "/nowhere"}, "chromium", "No Chromium was found"),
    ],
)
def test_the_doctor_says_because(
    tmp_path: Path, desk: FactsDesk, changes: dict[str, Any], name: str, says: str
) -> None:
    settings = NodeSettings(**{"home": str(tmp_path / "home"), "payout": PAYOUT, **changes})
    (finding,) = found(settings, desk, name)
    assert finding.state == "failed"
    assert says in finding.detail
    assert because([finding]).startswith("This node will earn nothing because ")


def test_a_pause_without_an_end_is_a_reason_and_one_with_an_end_is_none(
    tmp_path: Path, desk: FactsDesk
) -> None:
    home = tmp_path / "home"
    settings = NodeSettings(home=str(home), payout=PAYOUT)
    control.pause(home)
    assert found(settings, desk, "owner")[0].state == "failed"
    control.pause(home, time.time_ns() // 10**6 + 3_600_000)
    assert found(settings, desk, "owner")[0].state == "limited"


def test_a_full_disk_is_found_by_writing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(home)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        (home / "node.toml").write_text(f'payout = "{PAYOUT}"\n')
        with (home / "filler").open("wb", buffering=0) as filler:
            while True:
                try:
                    filler.write(b"\0" * 4_096)
                except OSError:
                    break
        done = windrow("node", "doctor", "--home", str(home), "--coordinator", "http://127.0.0.1:9")
        assert done.returncode == 1
        assert "will earn nothing because the line log cannot be written" in done.stdout
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_no_check_claims_what_it_did_not_do(tmp_path: Path, desk: FactsDesk) -> None:
    findings = examine(NodeSettings(home=str(tmp_path / "home"), payout=PAYOUT, renders=["http"]), desk)
    states = {finding.name: finding.state for finding in findings}
    assert states["web"] == states["place"] == states["chromium"] == "not checked"
    (place,) = (finding.detail for finding in findings if finding.name == "place")
    assert "none runs here now: `windrow node install`" in place
    assert "clock" not in states, "a coordinator that is not reached has no clock to compare with"
    assert set(CHECKS) <= set(states) | {"clock"}


@pytest.mark.parametrize(
    ("offset_ms", "state"), [(0, "passed"), (100_000, "passed"), (-200_000, "failed"), (200_000, "failed")]
)
async def test_the_clock_is_compared_with_the_coordinators(
    tmp_path: Path, offset_ms: int, state: str
) -> None:
    async with coordinator(tmp_path / "house") as house:
        await house.down()

        async def says(_request: Request) -> Any:
            at_ms = time.time_ns() // 10**6 + offset_ms
            facts = {"network": "n", "coordinator_id": "ab" * 32, "node_version": "99.0"}
            return json_response({**facts, "server_time_ms": at_ms})

        house.swap("/v1/network", says)
        await house.up()
        settings = NodeSettings(home=str(tmp_path), payout=PAYOUT, coordinator=house.url)
        desk = FactsDesk(settings, LineLog(tmp_path / "line_log.ndjson", lambda: 1))
        findings = {finding.name: finding for finding in await _away(examine, settings, desk)}
        clock = findings.get("clock") or findings["coordinator"]
        if state == "failed":
            clock = next(each for each in await _away(examine, settings, desk) if each.state == "failed")
            assert "[clock_skew]" in clock.detail
        else:
            assert "99.0 is out" in findings["version"].detail
        assert clock.state == state


async def test_a_node_that_waits_in_the_queue_is_told_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with coordinator(tmp_path / "house") as house, node(home, house.url) as running:
        await until(lambda: running.status.get("role"), "the first status")
        settings = NodeSettings(home=str(home), payout=PAYOUT, coordinator=house.url)
        desk = FactsDesk(settings, LineLog(tmp_path / "line_log.ndjson", lambda: 1))
        (place,) = await _away(found, settings, desk, "place")
        assert (place.state, place.detail) == ("passed", "the network has this node as active")


class Pages:
    """A ledger of three rows in two pages, and of one row in each of two other assets."""

    def account(self, _payout: str, before_seq: int | None = None, asset: str = "WIND") -> Any:
        from contributor_node.coordinator.facts import AccountPage

        row = {"kind": "earned", "held": "pending", "reason": "fetch_fee", "cause": "c1", "entry_id": "e"}
        rows = [
            {**row, "sentence": "=evil()", "amount_wei": str(10**17 * seq), "earned_wei": str(-(10**17) * seq),
             "rule_version": 1, "created_at_ms": seq, "entry_seq": seq}
            for seq in (3, 2, 1)
        ]  # fmt: skip
        if asset != "WIND":
            row = rows[0] | {"earned_wei": "1234567", "sentence": "s"}
            return AccountPage({}, [row], asset=asset, decimals={"USDC": 6, "EURC": -1})
        told = {"assets": ["EURC", "USDC", "WIND", "=evil()"]}
        return (
            AccountPage({}, rows[:2], 2, **told) if before_seq is None else AccountPage({}, rows[2:], **told)
        )  # type: ignore[arg-type]


def test_earnings_are_every_row_once_and_no_formula() -> None:
    out = io.StringIO()
    assert write_earnings(Pages(), PAYOUT, out) == 5  # type: ignore[arg-type]
    *rows, euro, dollar = csv.DictReader(io.StringIO(out.getvalue()))
    assert {row["asset"] for row in rows} == {"WIND"}
    assert (dollar["asset"], dollar["earned_tokens"], dollar["earned_wei"]) == ("USDC", "1.234567", "1234567")
    assert (euro["asset"], euro["earned_tokens"], euro["earned_wei"]) == ("EURC", "", "1234567"), (
        "not guessed"
    )
    assert [row["entry_seq"] for row in rows] == ["3", "2", "1"]
    assert [row["earned_wei"] for row in rows] == [str(-(10**17) * seq) for seq in (3, 2, 1)]
    assert [row["earned_tokens"] for row in rows] == [
        "-0.300000000000000000",
        "-0.200000000000000000",
        "-0.100000000000000000",
    ]
    assert rows[0]["sentence"] == "'=evil()"


def test_pages_that_do_not_end_are_refused() -> None:
    class Endless(Pages):
        def account(self, payout: str, before_seq: int | None = None, asset: str = "WIND") -> Any:
            return super().account(payout, asset=asset)

    with pytest.raises(WindrowError, match="do not end"):
        list(earnings_rows(Endless(), PAYOUT))  # type: ignore[arg-type]


def test_amounts_are_exact() -> None:
    assert tokens(10**24 + 1) == "1000000.000000000000000001"
    assert tokens(-1) == "-0.000000000000000001"
    assert (tokens(250_000, 6), tokens(5, 0), tokens(5, None)) == ("0.250000", "5", "")


@pytest.mark.parametrize(
    ("version", "newer"), [("0.1.1", True), ("0.2", True), ("1", True), ("0.1", False), ("0.1.0.0", False),
                           ("0.0.9", False), ("9" * 99, False), ("", False), ("1.0-rc1", False)]
)  # fmt: skip
def test_only_a_greater_number_is_newer(version: str, newer: bool) -> None:
    assert is_newer(version, "0.1.0") is newer


def test_the_release_is_the_packages() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == RELEASE


def test_every_command_has_help_and_imports_nothing_heavy() -> None:
    """A command line that imports what it does not need takes seconds to say `--help`."""
    commands = (
        *(
            "setup",
            "doctor",
            "backup",
            "restore",
            "earnings",
            "pause",
            "resume",
            "finish",
            "status",
            "install",
        ),
        *("uninstall", "log", "evidence"),
    )
    code = (
        "import sys; from typer.testing import CliRunner; from windrow.cli import app\n"
        f"for command in {commands!r}:\n"
        "    done = CliRunner().invoke(app, ['node', command, '--help'])\n"
        "    assert done.exit_code == 0 and 'Usage' in done.output, command\n"
        "heavy = ('scrapy', 'playwright', 'web3', 'eth_account', 'pyarrow', 'duckdb', 'tomlkit', 'aiohttp')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
