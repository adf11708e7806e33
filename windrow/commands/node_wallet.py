"""The command of a node's wallet: `node delegate`.

Rules: what is signed is printed. Does not: hold logic (see `windrow.delegating`).

Usage: `windrow node delegate --key-file wallet.key --node-home ~/.local/share/windrow/node --scope work`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.buyer import DEFAULT_COORDINATOR, Coordinator
from windrow.commands.house import AsJson


def node_delegate(
    key_file: Annotated[Path, typer.Option(help="file with the wallet's EVM key; never in the node's home")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="work (count the node as the wallet's), payout, revoke (the node's key is lost)"),
    ] = None,
    node_home: Annotated[
        Path | None, typer.Option(help="the node's folder", envvar="WINDROW_NODE_HOME")
    ] = None,
    node_id: Annotated[str, typer.Option(help="the node's id, where its home is lost")] = "",
    payout: Annotated[str, typer.Option(help="address that rewards go to from now on")] = "",
    days: Annotated[int, typer.Option(help="how long the signed message may be used")] = 30,
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    as_json: AsJson = False,
) -> None:
    """Sign with a wallet that a node works for it, is paid elsewhere, or is lost."""
    from windrow.delegating import Wish, delegate

    wish = Wish(tuple(scope or ("work",)), node_id, node_home, payout, days)
    done = delegate(wish, key_file, coordinator)
    if as_json:
        print(json.dumps(done))
        return
    print(f"signed by {done['owner']} on {done['network']}: {', '.join(done['scopes'])}")
    print(f"node {done['node_id']}, payout {done['payout_address']}, until {done['expires_at_ms']} ms")
    print(f"the node is {done['state']}")


def add_to(node: typer.Typer) -> None:
    """Add the command to those of a node."""
    node.command("delegate")(node_delegate)
