"""Commands of a contributor: `node run`.

Rules: the node runs in a process that has shed the command line, so that it stays small while it idles.

Does not: hold logic. Usage: `windrow node run --coordinator http://127.0.0.1:8420 --payout 0x…`.
"""

from __future__ import annotations

import os
import sys

import typer


def node_run(context: typer.Context) -> None:
    """Run a contributor's node in the foreground (all options: `windrow node run --help`)."""
    command = [sys.executable, "-m", "contributor_node", *context.args]
    os.execv(sys.executable, command)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    node = typer.Typer(help="A contributor's node.", no_args_is_help=True)
    passing = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    node.command("run", context_settings=passing)(node_run)
    app.add_typer(node, name="node")
