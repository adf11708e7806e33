"""Commands that make the node a service of your session: `node install`, `node uninstall`.

Rules: no root, nothing outside your own account; `uninstall` leaves no file of the service behind, and the node's home
as it is.

Does not: hold logic (`contributor_node.setup.service`). Usage: `windrow node install`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windrow.commands.node_trust import AsJson, NodeHome
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from contributor_node.setup.service import Done, ServicePlan

Show = Annotated[bool, typer.Option("--show", help="print what would be written, and write nothing")]


def node_install(home: NodeHome = None, show: Show = False, as_json: AsJson = False) -> None:
    """Have this machine start the node by itself: systemd user unit, launchd agent or scheduled task."""
    from contributor_node.owner.settings import SETTINGS_FILE, check_settings, read_toml, require_payout
    from contributor_node.setup.service import install

    node_home, plan = _plan(home)
    if show:
        for file in plan.files:
            if file.content is not None:
                encoding = "utf-16" if file.content[:2] == b"\xff\xfe" else "utf-8"
                print(f"# {file.path}\n{file.content.decode(encoding)}")
        return
    path = node_home / SETTINGS_FILE  # a service has neither this shell's variables nor its flags
    require_payout(check_settings([(str(path), read_toml(path))]).values)
    done = install(plan)
    _told(done, plan, "wrote", as_json)
    if done.failed:
        raise WindrowError("service_not_started", done.failed[0])


def node_uninstall(home: NodeHome = None, as_json: AsJson = False) -> None:
    """Stop the service and remove its files; the node's home, with key, receipts and line log, stays."""
    from contributor_node.setup.service import uninstall

    plan = _plan(home)[1]
    done = uninstall(plan)
    _told(done, plan, "removed", as_json)


def add_to(node: typer.Typer) -> None:
    """Add these commands to `windrow node`."""
    node.command("install")(node_install)
    node.command("uninstall")(node_uninstall)


def _plan(home: str | None) -> tuple[Path, ServicePlan]:
    from contributor_node.owner.settings import load_settings
    from contributor_node.setup.service import service_plan, this_machine

    node_home = Path(load_settings({"home": home}).values.home)
    return node_home, service_plan(this_machine(node_home))


def _told(done: Done, plan: ServicePlan, verb: str, as_json: bool) -> None:
    if as_json:
        facts = {"manager": plan.manager, "files": [str(path) for path in done.files], "failed": done.failed}
        print(json.dumps(facts))
        return
    for path in done.files:
        print(f"{verb} {path}")
    if not done.files:
        print("There is nothing of the service on this machine.")
    for failed in done.failed if verb == "removed" else []:
        print(f"not done: {failed}")
    for hint in plan.hints if verb == "wrote" else ():
        print(hint)
