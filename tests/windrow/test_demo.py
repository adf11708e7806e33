"""The whole road, small: every process is killed once on the way, and the sums still agree to the last wei."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from running_house import windrow

from contributor_node.crawling.chromium import find_chromium
from windrow_protocol.errors import WindrowError

DEADLINE_S = 540.0


class Onlooker:
    """Watches a running demo and kills its processes, each once, while there is work under way."""

    def __init__(self, home: Path, demo: subprocess.Popen[bytes]) -> None:
        self._home = home
        self._demo = demo
        self._until = time.monotonic() + DEADLINE_S

    def wait_for(self, what: str, condition: Callable[[], Any]) -> Any:
        """Return the first true value of a condition that the demo will bring about."""
        while time.monotonic() < self._until and self._demo.poll() is None:
            try:
                value = condition()
            except (OSError, ValueError, LookupError, psutil.Error):
                value = None
            if value:
                return value
            time.sleep(0.05)
        pytest.fail(f"never came about: {what} (demo exit code {self._demo.poll()})")

    def pid(self, name: str) -> int:
        """Return the id of one of the demo's processes."""
        return int(json.loads((self._home / "processes.json").read_text())[name])

    def devnet(self) -> int:
        """Return the id of the house's devnet."""
        children = psutil.Process(self.pid("house")).children()
        return next((child.pid for child in children if "chain.devnet" in child.cmdline()), 0)

    def crawl_child(self, name: str) -> int:
        """Return the id of a node's crawl child, 0 while it has none."""
        children = psutil.Process(self.pid(name)).children(recursive=True)
        return next(
            (child.pid for child in children if "contributor_node.crawling.child" in child.cmdline()), 0
        )

    def pages(self, name: str) -> int:
        """Return one figure of the house's public status."""
        said = re.findall(r"windrow ready (\S+)", (self._home / "logs" / "house.log").read_text())
        with urllib.request.urlopen(f"{said[-1]}/status.json", timeout=10) as answer:
            return int(json.load(answer)["pages"][name])


def kill(pid: int) -> None:
    """As if the power had gone for this process alone."""
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the demo, kill each kind of process once, and return its JSON object."""
    try:
        find_chromium("", os.environ)
    except WindrowError:
        pytest.skip("no Chromium on this machine: the demo's scripted page cannot be shown")
    home = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "windrow.cli", "demo", "--small", "--json", "--home", str(home)]
    with (home / "stderr.log").open("wb") as error:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=error)
    watch = Onlooker(home, demo)
    try:
        kill(
            watch.wait_for(
                "hazel's crawl child at work",
                lambda: watch.pages("leased") > 40 and watch.crawl_child("hazel"),
            )
        )
        watch.wait_for("hazel's next crawl child", lambda: watch.crawl_child("hazel"))
        kill(watch.pid("hazel"))
        kill(watch.wait_for("the devnet", watch.devnet))
        watch.wait_for("pages fetched", lambda: watch.pages("fetched") > 10)
        kill(watch.pid("house"))
        out, _ = demo.communicate(timeout=DEADLINE_S)
    finally:
        demo.kill()
    assert demo.returncode == 0, (home / "stderr.log").read_text()[-3000:]
    return dict(json.loads(out.decode().strip().splitlines()[-1]))


def test_every_lease_has_one_outcome(figures: dict[str, Any]) -> None:
    pages = figures["pages"]
    assert pages["leased"] == sum(value for name, value in pages.items() if name != "leased")
    assert pages["fetched"] >= 80
    for name in ("rendered", "robots_denied", "optout_denied", "unsafe_address"):
        assert pages[name] >= 1, name


def test_every_contribution_has_one_verdict_and_one_judgement(figures: dict[str, Any]) -> None:
    work, novelty = figures["contributions"], figures["dedup"]
    assert work["received"] == work["accepted"] + work["rejected"] + work["no_evidence"]
    assert work["accepted"] + work["replaced"] == sum(novelty.values()) >= 80
    assert 0 < work["unaudited"] < work["accepted"]
    assert novelty["exact"] >= 3
    assert novelty["near"] >= 3
    assert figures["personal"] == {"received": 1, "accepted": 1}


def test_the_cheat_is_paid_nothing_and_the_honest_lose_nothing(figures: dict[str, Any]) -> None:
    assert figures["cheat"]["submitted"] >= 15  # a newcomer gets few leases at once
    assert figures["cheat"]["paid_wei"] == "0"
    assert figures["honest_rejected"] == 0


def test_the_money_agrees_from_ledger_to_chain(figures: dict[str, Any]) -> None:
    epoch, claims, sale = figures["epoch"], figures["claims"], figures["sale"]
    assert figures["ledger"]["balanced"] is True
    assert epoch["id"] == 2
    assert epoch["root"] == epoch["onchain_root"]
    assert len(claims) >= 2
    assert all(int(claim["amount_wei"]) > 0 for claim in claims)
    assert all(claim["amount_wei"] == claim["balance_wei"] for claim in claims)
    assert sum(int(claim["amount_wei"]) for claim in claims) == int(epoch["total_wei"])
    parts = [int(sale[name]) for name in ("royalties_wei", "fees_wei", "burned_wei")]
    assert sum(parts) == int(sale["price_wei"])
    assert min(parts) > 0


def test_the_export_is_proven_row_by_row_and_a_flipped_byte_is_found(figures: dict[str, Any]) -> None:
    export = figures["export"]
    assert export["verified"] is True
    # of some 85 new texts; the recipe's filters drop many a manual's repeated lines
    assert export["rows"] >= 40
    (shard,) = Path(export["path"]).glob("data/*.parquet")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    command = [sys.executable, "-m", "windrow.cli", "verify", export["path"]]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert shard.name in said.stdout


def test_nothing_was_fetched_that_robots_txt_denies(figures: dict[str, Any]) -> None:
    """The site's own log is the witness: no node asked for the disallowed section or sent cookies."""
    lines = (Path(figures["home"]) / "site" / "access.ndjson").read_text().splitlines()
    asked = [json.loads(line) for line in lines]
    assert len(asked) > 100
    assert not [row for row in asked if row["path"].startswith("/private/")]
    (name,) = {row["user_agent"] for row in asked}  # of nodes and validators alike
    assert re.fullmatch(r"WindrowBot/0\.1 \(\+http://127\.0\.0\.1:\d+/publishers\)", name)
    assert {row["client"] for row in asked} <= {
        *("127.0.30.1", "127.0.31.1"),  # the honest nodes
        *("127.0.33.1", "127.0.34.1", "127.0.35.1"),  # the validators; the cheat's own is missing
    }


def test_a_backup_of_the_house_is_the_house(figures: dict[str, Any], tmp_path: Path) -> None:
    """Backed up, lost and restored, it says the same of its books, of the chain and of every document."""
    home, lost = Path(figures["home"]) / "house", tmp_path / "lost"
    questions = [
        ("ledger", "verify", "--json"),
        ("lake", "check", "--json"),
        ("sql", "SELECT contribution_id, text FROM documents ORDER BY ALL", "--format", "json"),
        ("sql", "SELECT * FROM payouts ORDER BY ALL", "--format", "json"),
    ]
    environment = {"WINDROW_HOME": str(home), "WINDROW_NETWORK": "windrow-demo"}

    def answers() -> list[str]:
        said = [windrow(*question, env=environment) for question in questions]
        assert {each.code for each in said} == {0}, [each.err for each in said]
        return [each.out for each in said]

    before = answers()
    assert json.loads(before[0])["ok"] is True
    assert windrow("backup", tmp_path / "backup", env=environment).code == 0
    home.rename(lost)
    assert windrow("restore", tmp_path / "backup", "--keys", lost / "keys", env=environment).code == 0
    assert answers() == before


def test_a_sold_row_is_traced_from_its_lease_to_its_payout(figures: dict[str, Any]) -> None:
    home = Path(figures["home"]) / "house"
    environment = {"WINDROW_HOME": str(home), "WINDROW_NETWORK": "windrow-demo"}
    (provenance,) = (home / "exports" / "web_text").glob("*/provenance.parquet")
    released = windrow(
        "sql", "SELECT cause FROM ledger WHERE reason = 'released'", "--format", "json", env=environment
    )
    paid = {row["cause"] for row in released.json}
    sold = next(row for row in pq.read_table(provenance, columns=["id"])["id"].to_pylist() if row in paid)
    steps = windrow("trace", sold, "--json", env=environment).json
    names = [step["name"] for step in steps]
    in_order = ["leased", "acknowledged", "handed in", "verdict", "novelty", "ledger", "published", "sold"]
    places = [names.index(name) for name in in_order]
    assert places == sorted(places)
    assert {"committed", "epoch", "claimed"} <= set(names)
    times = [step["at_ms"] for step in steps if step["at_ms"]]
    assert times == sorted(times)
    lease_id = windrow(
        *("sql", f"SELECT lease_id FROM contributions WHERE contribution_id = '{sold}'", "--format", "json"),
        env=environment,
    ).json[0]["lease_id"]
    assert windrow("trace", lease_id, "--json", env=environment).json == steps
    assert windrow("trace", "nothing", env=environment).code == 1
