"""`windrow demo`: a whole network on this machine.

Rules: progress on stderr; with `--json` the last line of stdout is one JSON object.

Does not: hold logic. Usage: `windrow demo --json`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer


def demo(
    home: Annotated[
        Path | None, typer.Option(help="folder for everything it makes (default: a new one in /tmp)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="end with one JSON object on stdout")] = False,
    stay: Annotated[bool, typer.Option(help="leave it running and print the addresses of its pages")] = False,
    small: Annotated[bool, typer.Option(help="a tenth of the pages")] = False,
) -> None:
    """Run a whole network on this machine: site, house, nodes, a cheat, a buyer, an epoch."""
    from windrow.demo.story import DemoPlan, run_demo

    figures = asyncio.run(run_demo(DemoPlan(home=home, small=small, stay=stay, quiet=as_json)))
    if as_json:
        print(json.dumps(figures))


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(demo)
