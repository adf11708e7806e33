"""The demo's network: a site, a house, two honest nodes, three operators' validators and a cheat, each a process.

Rules: every node has its own 127/8 address and its own home; the house gets no hint who the cheat is. Ports are free
ones, chosen once, so that a process that is killed comes back at the same place.

Does not: tell the story (see `story`). Usage: `network = await build_network(plan, supervisor)`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chain.keys import load_or_make_key
from contributor_node.identity import load_or_make_key as load_or_make_node_key
from windrow.demo.supervisor import Supervisor
from windrow.demo_site.build import build_site
from windrow.demo_site.manifest import frontier_urls
from windrow.settings import HouseSettings
from windrow.shipped import shipped_folder
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import public_id

NETWORK = "windrow-demo"
HONEST = ("hazel", "rowan")
VALIDATORS = ("aspen", "birch", "cedar")  # each of an operator of its own
CHEAT = "cheat"
BUYERS = ("ada", "grace")
READY_WAIT_S = 180.0
_ADDRESSES = {
    name: f"127.0.{number}.1" for number, name in enumerate((*HONEST, CHEAT, *VALIDATORS), start=30)
}
_CANARY_ADDRESSES = ("127.0.40.1", "127.0.41.1")
# A day of the protocol in a minute: pay vests after two passed audits (not 13 and 24 hours); one in six is audited.
_TRUST_RULES = """\
vest_age_ms = 0
vest_audits = 2
audit_rate_min_ppm = 160_000
probation_documents = {probation}
reveal_wait_ms = 60_000
bond_return_ms = 0
"""


@dataclass(frozen=True)
class DemoNetwork:
    """Where everything is."""

    home: Path
    settings: HouseSettings
    coordinator: str
    hosts: list[str]
    urls: list[tuple[str, str]]
    payouts: dict[str, str]
    cheat_leases: int
    probation: int

    def node_home(self, name: str) -> Path:
        """Return a node's folder."""
        return self.home / "nodes" / name

    def wallet(self, name: str) -> Path:
        """Return the file with somebody's EVM key: kept by the demo, never by a node or the house."""
        return self.home / "wallets" / name


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def start_site(
    home: Path,
    supervisor: Supervisor,
    size: tuple[int | None, int | None],
    progress: Callable[[int, int], None],
) -> tuple[list[str], list[tuple[str, str]]]:
    """Render the site once, serve it, and return its hosts and the URLs to crawl."""
    root, ready = home / "site", home / "site_ready.json"
    modules_max, documents_max = size
    manifest = await asyncio.to_thread(
        build_site, root, modules_max=modules_max, documents_max=documents_max, progress=progress
    )
    serve = [sys.executable, "-m", "windrow.demo_site.serve", "--root", str(root), "--ready-file", str(ready)]
    await supervisor.start("site", [*serve, "--die-with-parent"], keep=False)
    await _until(ready.exists, supervisor, "site")
    hosts: list[str] = json.loads(ready.read_text())
    return hosts, frontier_urls(manifest, hosts)


async def start_house(
    home: Path, supervisor: Supervisor, hosts: list[str], urls: list[tuple[str, str]], cheat_leases: int
) -> DemoNetwork:
    """Make keys, start `windrow up` and wait until it answers."""
    port, devnet_port = free_port(), free_port()
    names = (*_ADDRESSES, *BUYERS)
    wallets = {name: str(load_or_make_key(home / "wallets" / name).address) for name in names}
    validators = [f"{public_id(load_or_make_node_key(home / 'nodes' / name))}@{name}" for name in VALIDATORS]
    rules = home / "trust.toml"
    probation = cheat_leases // 2
    rules.write_text(_TRUST_RULES.format(probation=probation))
    settings = HouseSettings(
        home=str(home / "house"),
        network=NETWORK,
        port=port,
        devnet_port=devnet_port,
        devnet_fund=[wallets[name] for name in BUYERS],
        validators=validators,
        trust_rules=str(rules),
        canary_hosts=[f"http://{address}:{free_port()}" for address in _CANARY_ADDRESSES],
        lease_life_ms=60_000,
        recipes=str(shipped_folder("datasets")),
    )
    environment = _as_environment(settings)
    await supervisor.start(
        "house", [sys.executable, "-m", "windrow.cli", "up", "--die-with-parent"], environment
    )
    coordinator = f"http://127.0.0.1:{port}"
    log = home / "logs" / "house.log"
    await _until(lambda: "windrow ready" in log.read_text(errors="replace"), supervisor, "house")
    payouts = {name: wallets[name] for name in _ADDRESSES}
    return DemoNetwork(home, settings, coordinator, hosts, urls, payouts, cheat_leases, probation)


def _as_environment(settings: HouseSettings) -> dict[str, str]:
    """Return settings as the WINDROW_* variables that `windrow up` reads."""
    rows: dict[str, Any] = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {
        "WINDROW_" + name.upper(): ",".join(value) if isinstance(value, list) else str(value)
        for name, value in rows.items()
        if value not in ("", [])
    }


async def start_node(network: DemoNetwork, supervisor: Supervisor, name: str) -> None:
    """Start an honest node or a validator: the same program with the same flags."""
    hosts = (*network.hosts, *network.settings.canary_hosts)
    endpoints = [host.split("//", 1)[1].rstrip("/") for host in hosts]
    command = [
        *(sys.executable, "-m", "windrow.cli", "node", "run", "--home", str(network.node_home(name))),
        *("--coordinator", network.coordinator, "--payout", network.payouts[name]),
        *(
            "--source-address",
            _ADDRESSES[name],
            "--pace-private-s",
            "0.1",
            "--batch",
            "50",
            "--poll-s",
            "0.5",
        ),
        *("--day-mb-max", "500", "--month-gb-max", "2", "--on-battery", "--on-metered", "--die-with-parent"),
        *("--allow-private", *endpoints),
    ]
    await supervisor.start(name, command)


async def start_cheat(network: DemoNetwork, supervisor: Supervisor) -> None:
    """Start the cheat: a program that knows only the public protocol."""
    command = [
        *(sys.executable, str(shipped_folder("examples") / "cheat_node.py")),
        *("--coordinator", network.coordinator, "--home", str(network.node_home(CHEAT))),
        *("--payout", network.payouts[CHEAT], "--leases", str(network.cheat_leases)),
        *("--source-address", _ADDRESSES[CHEAT], "--network", NETWORK),
    ]
    await supervisor.start(CHEAT, command, keep=False)


async def _until(condition: Callable[[], bool], supervisor: Supervisor, name: str) -> None:
    """Wait for a process to be ready. Raises WindrowError `demo_failed` with what it said."""
    for _ in range(int(READY_WAIT_S / 0.1)):
        if condition():
            return
        if not supervisor.is_running(name):
            await asyncio.sleep(0.5)
            if not supervisor.is_running(name):
                break
        await asyncio.sleep(0.1)
    raise WindrowError("demo_failed", f"{name} did not start:\n{supervisor.log_of(name)}")
