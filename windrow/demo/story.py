"""The demo as a story: site, house, nodes and a cheat; then publish, sell, settle, claim, sell again, verify.

Rules: each step is done the way its user would do it, through the public doors or the `windrow` command; every figure
is counted from the run. A process that is killed on the way comes back, and the story goes on.

Does not: start processes (see `network`), print (see `telling`) or count (see `figures`).

Usage: `figures = await run_demo(DemoPlan())`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windrow.demo.donation import donate_page
from windrow.demo.figures import collect
from windrow.demo.network import (
    BUYERS,
    CHEAT,
    HONEST,
    VALIDATORS,
    DemoNetwork,
    start_cheat,
    start_house,
    start_node,
    start_site,
)
from windrow.demo.supervisor import PASSING_REASONS, PATIENCE_TRIES, Supervisor, windrow_command
from windrow.demo.telling import Telling
from windrow.operator_socket import ask_running
from windrow_protocol.errors import WindrowError

DATASET = "web_text"
QUIET_ROUNDS = 40  # half-seconds in which nothing moves before what is left is left
QUESTIONS = (
    (
        "Which hosts gave the most text that was new?",
        "SELECT regexp_extract(url, '//([^/]+)', 1) AS host, count(*) AS pages, sum(unique_bytes) AS unique_bytes "
        "FROM contributions JOIN duplicates USING (contribution_id) GROUP BY ALL ORDER BY unique_bytes DESC LIMIT 5",
    ),
    (
        "Why was work rejected?",
        "SELECT verdict, reason, count(*) AS contributions FROM verdicts GROUP BY ALL ORDER BY contributions DESC",
    ),
    (
        "Who earned what, and was it paid?",
        "SELECT account, max(cumulative) AS cumulative_wei, count(*) AS claims "
        "FROM payouts GROUP BY account ORDER BY cumulative_wei DESC",
    ),
)


@dataclass(frozen=True)
class DemoPlan:
    """How large the demo is and how it ends."""

    home: Path | None = None
    small: bool = False
    stay: bool = False
    quiet: bool = False

    @property
    def size(self) -> tuple[int | None, int | None]:
        """At most so many modules and documents; None: all of this machine's."""
        return (60, 40) if self.small else (None, None)

    @property
    def cheat_leases(self) -> int:
        """How many leases the cheat asks for; half as many documents of every node are audited before any draw."""
        return 20 if self.small else 40

    @property
    def first_lot(self) -> int:
        """How many addresses are given out first: the cheat's, and enough for the others' first documents."""
        return 7 * self.cheat_leases // 2


async def run_demo(plan: DemoPlan) -> dict[str, Any]:
    """Run the whole story and return its figures. Raises WindrowError `demo_failed`."""
    started = time.monotonic()
    home = (plan.home or Path(tempfile.mkdtemp(prefix="windrow-demo-"))).expanduser().resolve()
    if (home / "processes.json").exists():
        raise WindrowError(
            "demo_failed", f"{home} holds an earlier demo: give another folder, or none for a new one"
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WindrowError("home_unwritable", f"{home}: {error.strerror}") from error
    with Telling(home) as telling:
        async with Supervisor(home) as supervisor:
            network = await _set_up(plan, home, supervisor, telling)
            donation = await _gather(network, plan.first_lot, supervisor, telling)
            receipts = await _sell_and_settle(network, telling)
            verified = await _verify(network, receipts, telling)
            answers = await _ask(network, telling)
            chain = await _asked(network, "chain", {})
            seconds = round(time.monotonic() - started, 1)
            figures = await asyncio.to_thread(collect, network, chain, receipts, verified, seconds)
            if not plan.quiet:
                telling.summary(figures, donation, answers)
            if plan.stay:
                telling.pages(network)
                await asyncio.Event().wait()
    return figures


async def _set_up(plan: DemoPlan, home: Path, supervisor: Supervisor, telling: Telling) -> DemoNetwork:
    with telling.step("rendering a web site from this machine's documentation") as progress:
        hosts, urls = await start_site(home, supervisor, plan.size, progress)
    with telling.step("starting the house: aggregator, rewards, marketplace and a chain"):
        network = await start_house(home, supervisor, hosts, urls, plan.cheat_leases)
    with telling.step(f"adding {len(urls)} addresses to the frontier, starting nodes and a cheat"):
        await start_cheat(network, supervisor)
        await _add(network, urls[: plan.first_lot])
        for name in (*HONEST, *VALIDATORS):
            await start_node(network, supervisor, name)
    return network


async def _add(network: DemoNetwork, urls: list[tuple[str, str]]) -> None:
    await _asked(network, "frontier_add", {"urls": [list(pair) for pair in urls]})


async def _gather(
    network: DemoNetwork, first_lot: int, supervisor: Supervisor, telling: Telling
) -> dict[str, Any]:
    """Wait until everything that was leased is fetched, checked and judged; meanwhile a person gives a page.

    The rest is given out when some node's first documents have passed: they are all audited, and what comes after
    them is drawn by lot. A longer crawl does this by itself, one of minutes would be over too soon.
    """
    donation = asyncio.create_task(_donate(network))
    with telling.step(
        "fetching, comparing every newcomer's first documents with three operators' truths"
    ) as seen:
        await _settled(network, supervisor, seen, enough=(len(HONEST) + 1) * network.probation)
    with telling.step("fetching the rest, drawing audits, removing duplicates") as seen:
        await _add(network, network.urls[first_lot:])
        await _settled(network, supervisor, seen)
    with telling.step("a person gives one page through the browser bridge"):
        return await donation


async def _settled(
    network: DemoNetwork,
    supervisor: Supervisor,
    progress: Callable[[int, int], None],
    enough: int | None = None,
) -> None:
    """Wait until nothing is under way any more, or until `enough` contributions were accepted."""
    last, still = "", 0
    while True:
        under_way, done, accepted = await _under_way(network)
        if enough is not None and accepted >= enough:
            break
        progress(done, done + sum(under_way.values()))
        waiting = under_way["leases_out"] or under_way["audits_open"] or under_way["to_judge"]
        # The cheat may be waiting for pages that nobody is left to give it.
        if not any(under_way.values()) and not (supervisor.is_running(CHEAT) and still < 6):
            break
        if not waiting and still > QUIET_ROUNDS:
            break
        now = json.dumps([under_way, done])
        last, still = now, still + 1 if now == last else 0
        await asyncio.sleep(0.5)


async def _under_way(network: DemoNetwork) -> tuple[dict[str, int], int, int]:
    """Return what is not finished, a sum that grows while anything moves, and how much was accepted."""
    figures = await _asked(network, "summary", {})
    done = figures["pages"]["leased"] + figures["dedup"]["unique"]
    return figures["under_way"], done, figures["contributions"]["accepted"]


async def _donate(network: DemoNetwork) -> dict[str, Any]:
    return await donate_page(network.node_home(HONEST[0]), network.coordinator, tries=30)


async def _sell_and_settle(network: DemoNetwork, telling: Telling) -> list[dict[str, Any]]:
    """Publish, sell, close an epoch and claim; then sell again and pay only the difference."""
    with telling.step(f"publishing {DATASET} from its recipe"):
        await _asked(network, "publish", {"dataset": DATASET})
    receipts = []
    for number, buyer in enumerate(BUYERS, start=1):
        with telling.step(f"{buyer} pays on chain and downloads (sale {number})"):
            receipts.append(await _buy(network, buyer))
        with telling.step(f"closing epoch {number}: ledger to Merkle root, timelock, accept"):
            await _asked(network, "epoch_close", {})
        with telling.step("each node checks its proof offline, a relayer claims"):
            for name in (*HONEST, *VALIDATORS):
                await _claim(network, name)
    return receipts


async def _buy(network: DemoNetwork, buyer: str) -> dict[str, Any]:
    out = network.home / "buyers" / buyer
    command = ("buy", DATASET, "--key-file", str(network.wallet(buyer)), "--out", str(out))
    said = await windrow_command(*command, "--coordinator", network.coordinator, "--yes", "--json", tries=5)
    return dict(json.loads(said))


async def _claim(network: DemoNetwork, name: str) -> None:
    home = str(network.node_home(name))
    await windrow_command(
        "claim", "--node-home", home, "--coordinator", network.coordinator, "--json", tries=6
    )


async def _verify(network: DemoNetwork, receipts: list[dict[str, Any]], telling: Telling) -> dict[str, Any]:
    """The first buyer checks every row to the root on chain, with the proofs published since."""
    with telling.step("verifying the export: every row to its receipt, verdict, ledger entry, leaf and root"):
        await _buy(network, BUYERS[0])  # bought already: only the new proofs are fetched
        rpc = (await _asked(network, "chain", {}))["rpc_url"]
        said = await windrow_command("verify", receipts[0]["path"], "--rpc", rpc, "--json")
    return dict(json.loads(said))


async def _ask(network: DemoNetwork, telling: Telling) -> list[tuple[str, str, str]]:
    answers = []
    with telling.step("asking the network three questions in SQL"):
        for question, statement in QUESTIONS:
            answer = await windrow_command("sql", statement, "--home", network.settings.home)
            answers.append((question, statement, answer))
    return answers


async def _asked(network: DemoNetwork, name: str, arguments: dict[str, Any]) -> Any:
    """Ask the running house; wait for it where it is just being started again."""
    for attempt in range(PATIENCE_TRIES):
        try:
            return await ask_running(network.settings, name, arguments)
        except WindrowError as error:
            if error.code == "nothing_to_settle" and attempt:
                return {}  # the answer to the first call was lost, its work was not
            if error.code not in PASSING_REASONS or attempt == PATIENCE_TRIES - 1:
                raise
        await asyncio.sleep(0.5)
    raise AssertionError("unreachable")
