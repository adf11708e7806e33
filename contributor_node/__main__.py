"""`python -m contributor_node`: runs one node in the foreground until SIGTERM or SIGINT.

Rules: wires the node's modules and nothing else; never imports what an idle node must not hold in memory.

Does not: install a service. Usage: `windrow node run --coordinator URL --payout 0x…`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from contributor_node.coordinator.carrier import Carrier
from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.coordinator.outbox import Outbox
from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.dashboard.facts import NodeParts
from contributor_node.dashboard.link_file import DashboardPlace
from contributor_node.dashboard.serving import Dashboard
from contributor_node.egress.line_log import LineLog
from contributor_node.identity import hold_home, load_or_make_key
from contributor_node.logs import start_logging
from contributor_node.owner import control
from contributor_node.owner.budget import Budget, rules_of
from contributor_node.owner.sensors import MachineSensors
from contributor_node.owner.settings import SETTINGS_FILE, NodeSettings, load_settings, require_payout
from contributor_node.owner.watch import look, watch
from contributor_node.parent_watch import stop_with_parent
from contributor_node.validator import Validator
from contributor_node.work_cycle import AGENT, WorkCycle
from windrow_protocol.errors import WindrowError
from windrow_protocol.settings import Resolved
from windrow_protocol.user_agent import user_agent

_HELP = {
    "home": "the node's folder (WINDROW_NODE_HOME)",
    "coordinator": "address of the network's coordinator",
    "payout": "EVM address that rewards go to",
    "region": "where this node is, such as `eu`",
    "renders": "http, browser: what pages it takes (default: both)",
    "allow_private": "exact loopback endpoints it may fetch, such as 127.0.20.1:8100",
    "pace_private_s": "least seconds between requests to one of those (at least 0.1)",
    "source_address": "local address for connections to loopback",
    "day_mb_max": "megabytes a day (UTC), both directions; 0 stops all work",
    "month_gb_max": "gigabytes a month (UTC), both directions; 0 stops all work",
    "down_kb_s_max": "kilobytes a second from the web (0: no cap)",
    "up_kb_s_max": "kilobytes a second to the web (0: no cap)",
    "schedule": "local hours, such as `mon-fri 22:00-07:00; sat,sun 00:00-24:00` (default: always)",
    "on_battery": "work on battery too",
    "on_metered": "work on a metered line too",
    "idle_only_min": "work only after so many minutes without keyboard and mouse (0: always)",
    "deny_domains": "domains never to be asked, with all below them",
    "allow_domains": "ask these domains only, with all below them (default: all)",
    "deny_categories": "categories never to be asked: files categories/NAME.txt in the node's home",
    "chromium": "path of the browser",
    "batch": "leases at once",
    "poll_s": "seconds between questions for work when there is none",
    "dashboard_port": "port of the dashboard on 127.0.0.1 (default: any free one)",
    "no_dashboard": "serve no dashboard",
    "validator": "work only as a validator: its operator has listed this node's id",
}
_LISTS = frozenset({"renders", "allow_private", "deny_domains", "allow_domains", "deny_categories"})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="windrow node run", description="Run a contributor's node.")
    for field in msgspec.structs.fields(NodeSettings):
        flag, text = "--" + field.name.replace("_", "-"), _HELP[field.name]
        if field.type is bool:
            parser.add_argument(flag, help=text, action="store_true", default=None)
        else:
            parser.add_argument(flag, help=text, nargs="*" if field.name in _LISTS else None)
    parser.add_argument("--die-with-parent", action="store_true", help="end when standard input ends")
    return parser.parse_args(argv)


async def _run(
    resolved: Resolved[NodeSettings],
    read_again: Callable[[], Resolved[NodeSettings]],
    *,
    die_with_parent: bool,
) -> None:
    settings = resolved.values
    home = Path(settings.home)
    key = load_or_make_key(home)
    line_log = LineLog(home / "line_log.ndjson", _now_ms)
    budget, sensors = Budget(home, rules_of(settings), _now_ms), MachineSensors()
    await look(budget, sensors)
    crawl = CrawlSettings(
        home=home,
        user_agent=user_agent(""),  # until the coordinator has been asked; before that nothing is fetched
        allow_private=settings.endpoints(),
        pace_private_s=settings.pace_private_s,
        source_address=settings.source_address,
        chromium_path=settings.chromium,
    )
    engine = CrawlEngine(crawl, line_log, _now_ms, meter=budget)

    def follow(owner: NodeSettings) -> None:
        engine.proxy.domains = owner.domains()
        budget.change(rules_of(owner))

    follow(settings)
    client = CoordinatorClient(
        settings.coordinator,
        key,
        line_log,
        _now_ms,
        source_address=settings.source_address,
        count=budget.add,
    )
    outbox = Outbox(home / "outbox.db")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if die_with_parent:
        stop_with_parent(stop)
    await engine.start()
    print(f"{AGENT} node {client.node_id} working for {settings.coordinator}", flush=True)
    if not budget.decision().allowed:
        print(f"{AGENT} waits: {budget.decision().sentence}", flush=True)
    cycle = WorkCycle(settings, client, engine, outbox, budget, _now_ms)
    carrier = Carrier(home, client, _now_ms)
    parts = NodeParts(read_again, client, cycle, engine, budget, key, carrier)
    dashboard = Dashboard(parts, _now_ms)
    watching = asyncio.create_task(
        watch(budget, sensors, home / SETTINGS_FILE, lambda: read_again().values, follow)
    )
    drawing = asyncio.create_task(_draw(settings, client, cycle, stop))
    try:
        if not settings.no_dashboard:
            _say_where(await dashboard.open(settings.dashboard_port))
        await cycle.run(stop)
        await drawing
        if budget.control().state == "finishing":
            control.exited(home)
    finally:
        drawing.cancel()
        watching.cancel()
        await dashboard.close()
        await engine.close()
        outbox.close()
        budget.close()
        line_log.close()


def _say_where(place: DashboardPlace) -> None:
    """Print a link that lets in; where the output may be kept, as a service's is, only how to get one."""
    told = place.link(_now_ms()) if sys.stdout.isatty() else "`windrow node dashboard` prints a link to it"
    print(f"dashboard: {told}", flush=True)


async def _draw(
    settings: NodeSettings, client: CoordinatorClient, cycle: WorkCycle, stop: asyncio.Event
) -> None:
    """Draw audits beside the work where this node is a validator. Raises WindrowError `not_a_validator`."""
    try:
        if await cycle.introduced() == "validator":
            await Validator(Path(settings.home), client, settings.poll_s).run(stop)
        elif settings.validator and not stop.is_set():
            raise WindrowError("not_a_validator", client.node_id)
    except Exception:
        stop.set()
        raise


def main(argv: list[str] | None = None) -> int:
    """Run the node and return the exit code."""
    start_logging()
    try:
        flags = vars(_arguments(argv))
        die_with_parent = bool(flags.pop("die_with_parent"))
        resolved = load_settings(flags)
        require_payout(resolved.values)
        with hold_home(Path(resolved.values.home)):
            run = _run(resolved, lambda: load_settings(flags), die_with_parent=die_with_parent)
            asyncio.run(run)
    except WindrowError as error:
        print(f"windrow: {error}", file=sys.stderr)
        return error.reason.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
