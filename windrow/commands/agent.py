"""The command for agents: `mcp`.

Rules: standard output belongs to the protocol. Does not: hold logic. Usage: `windrow mcp --out purchases`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.buyer import DEFAULT_COORDINATOR, Coordinator


def mcp(
    out: Annotated[Path, typer.Option(help="folder for purchases; a file STOP in it ends all buying")],
    limit_wei: Annotated[str, typer.Option(help="what may be spent of WIND in all, over every run")] = "0",
    limit_units: Annotated[
        list[str] | None,
        typer.Option(help="the same of another asset, in its smallest unit: USDC=2500000 is 2.5 USDC"),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="file with the agent's EVM key; none: it can only look")
    ] = None,
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC of the chain (default: what the network names)")
    ] = "",
    coordinator_id: Annotated[str, typer.Option(help="the coordinator's key, if you know it")] = "",
) -> None:
    """Serve the market to an agent over MCP: search, describe, sample, SQL on the sample, quote, buy, verify."""
    from windrow.agent.allowance import parse_limits
    from windrow.agent.market_tools import MarketTools, settings_of
    from windrow.agent.mcp_server import build_server

    limits = parse_limits(limit_wei, limit_units or [])
    settings = settings_of(coordinator, out, limits, key_file, rpc_url, coordinator_id)
    build_server(MarketTools(settings)).run("stdio")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(mcp)
