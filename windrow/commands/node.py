"""Commands of a contributor: `node run`, `bridge install`, `bridge uninstall` (and those of other modules).

Rules: the node runs in a process that has shed the command line, so that it stays small while it idles.

Does not: hold logic. Usage: `windrow node run --coordinator http://127.0.0.1:8420 --payout 0x…`.
"""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windrow.commands import node_control, node_log, node_service, node_setup, node_trust, node_wallet
from windrow.commands.bridge_import import bridge_import

if TYPE_CHECKING:
    from extension_bridge.install import Planned


def node_run(context: typer.Context) -> None:
    """Run a contributor's node in the foreground (all options: `windrow node run --help`)."""
    command = [sys.executable, "-m", "contributor_node", *context.args]
    os.execv(sys.executable, command)


def node_dashboard(
    home: Annotated[str | None, typer.Option(help="the node's folder (WINDROW_NODE_HOME)")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="open it in this desktop's browser")] = False,
) -> None:
    """Print a link to the running node's dashboard; it lets one browser in, once, for ten minutes."""
    from contributor_node.dashboard.link_file import new_link
    from contributor_node.owner.settings import load_settings

    link = new_link(Path(load_settings({"home": home}).values.home), time.time_ns() // 1_000_000)
    print(link, flush=True)
    if open_it:
        webbrowser.open(link)


NodeHome = Annotated[
    Path | None, typer.Option("--home", "--node-home", help="the node's folder (WINDROW_NODE_HOME)")
]


def bridge_install(
    node_home: NodeHome = None,
    coordinator: Annotated[
        str, typer.Option(help="address of the network's house")
    ] = "http://127.0.0.1:8420",
) -> None:
    """Tell this machine's browsers where the bridge is, so that the extension can hand over what you picked."""
    from extension_bridge.install import install
    from extension_bridge.settings import BridgeSettings, write_settings

    home, plan = _bridge_plan(node_home)
    write_settings(home, BridgeSettings(coordinator_url=coordinator))
    for path in install(plan):
        print(path)


def bridge_uninstall(node_home: NodeHome = None) -> None:
    """Remove exactly what `bridge install` wrote for the browsers; donations and receipts stay."""
    from extension_bridge.install import uninstall

    for path in uninstall(_bridge_plan(node_home)[1]):
        print(f"removed {path}")


def bridge_pair(node_home: NodeHome = None) -> None:
    """Print a code of eight digits that lets one browser in over `bridge serve`, once, within two minutes."""
    from extension_bridge.pairing import Pairing
    from extension_bridge.settings import bridge_home

    home = bridge_home(str(node_home) if node_home else None, os.environ)
    print(Pairing(home, lambda: time.time_ns() // 1_000_000).offer())


def bridge_serve(
    node_home: NodeHome = None,
    coordinator: Annotated[str | None, typer.Option(help="address of the network's house")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="port of 127.0.0.1")] = 8431,
) -> None:
    """Serve the extension over a loopback WebSocket, for browsers that may not start programs."""
    from contributor_node.bridge_host import serve_loopback
    from extension_bridge.settings import bridge_home

    serve_loopback(bridge_home(str(node_home) if node_home else None, os.environ), coordinator, port)


def _bridge_plan(node_home: Path | None) -> tuple[Path, list[Planned]]:
    from extension_bridge.install import install_plan
    from extension_bridge.settings import bridge_home

    home = bridge_home(str(node_home) if node_home else None, os.environ)
    return home, install_plan(sys.platform, Path.home(), home, sys.executable)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    node = typer.Typer(help="A contributor's node.", no_args_is_help=True)
    passing = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    node.command("run", context_settings=passing)(node_run)
    node.command("dashboard")(node_dashboard)
    for part in (node_setup, node_control, node_service, node_log, node_trust, node_wallet):
        part.add_to(node)
    app.add_typer(node, name="node")
    bridge = typer.Typer(help="The browser extension's way to this machine.", no_args_is_help=True)
    bridge.command("install")(bridge_install)
    bridge.command("uninstall")(bridge_uninstall)
    bridge.command("import")(bridge_import)
    bridge.command("pair")(bridge_pair)
    bridge.command("serve")(bridge_serve)
    app.add_typer(bridge, name="bridge")
