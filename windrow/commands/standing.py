"""Commands of standing orders: `standing place`, `standing list`, `standing cancel`, `standing run`.

Rules: only `run` ever pays, and it asks nobody, so that cron may call it. Does not: hold logic.

Usage: `windrow standing run --out purchases --key-file KEY --limit-wei 5000000000000000000`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.buyer import DEFAULT_COORDINATOR, Coordinator
from windrow.commands.house import AsJson
from windrow_protocol.errors import WindrowError

Out = Annotated[
    Path, typer.Option(help="folder of the orders and purchases; a file STOP in it ends all buying")
]


def place(
    order: Annotated[Path, typer.Argument(help="TOML file with the order (docs/market.md)")],
    out: Out,
) -> None:
    """Write a standing order down; `standing run` buys when it fits."""
    from storage.real_env import real_env
    from windrow.standing.order_file import OrderFile
    from windrow.standing.orders import parse_order

    try:
        wanted = parse_order(order.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WindrowError("not_found", f"{order}: {error}") from error
    env = real_env()
    with OrderFile(out, env.disk).alone() as file:
        number = file.place(wanted, env.clock.now_ms())
    print(f"order {number} stands: {wanted.dataset}, at most {wanted.most} a version")


def cancel(number: Annotated[int, typer.Argument(help="number of the order")], out: Out) -> None:
    """Let an order stand no more."""
    from storage.real_env import real_env
    from windrow.standing.order_file import OrderFile

    env = real_env()
    with OrderFile(out, env.disk).alone() as file:
        file.cancel(number, env.clock.now_ms())
    print(f"order {number} stands no more")


def list_orders(out: Out, as_json: AsJson = False) -> None:
    """Show the orders that stand, and what each holds."""
    import msgspec

    from storage.real_env import real_env
    from windrow.standing.order_file import OrderFile

    orders = OrderFile(out, real_env().disk).orders()
    rows = [
        {
            "number": number,
            **msgspec.to_builtins(order),
            "holds": orders.held[number].version if number in orders.held else order.have,
        }
        for number, order in sorted(orders.standing.items())
    ]
    if as_json:
        print(json.dumps(rows))
    for row in [] if as_json else rows:
        holds = row["holds"] or "nothing"
        most = orders.standing[row["number"]].most
        print(f"{row['number']}: {row['dataset']}, at most {most} a version; holds {holds}")


def run(
    out: Out,
    key_file: Annotated[Path, typer.Option(help="file with the buyer's EVM key")],
    limit_wei: Annotated[
        str, typer.Option(help="what may be spent of WIND in all, over every run and order")
    ] = "0",
    limit_units: Annotated[
        list[str] | None,
        typer.Option(help="the same of another asset, in its smallest unit: USDC=2500000 is 2.5 USDC"),
    ] = None,
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC of the chain (default: what the network names)")
    ] = "",
    coordinator_id: Annotated[str, typer.Option(help="the coordinator's key, if you know it")] = "",
    as_json: AsJson = False,
) -> None:
    """Look at the market once and buy what an order wants, within the limit; made to be called by cron."""
    from windrow.agent.allowance import parse_limits
    from windrow.agent.market_tools import settings_of
    from windrow.standing.evaluating import FAILED, evaluate

    limits = parse_limits(limit_wei, limit_units or [])
    settings = settings_of(coordinator, out, limits, key_file, rpc_url, coordinator_id)
    failed = []
    for outcome in evaluate(settings):
        print(
            json.dumps(asdict(outcome))
            if as_json
            else f"order {outcome.number}, {outcome.dataset}: {outcome.result.replace('_', ' ')} ({outcome.detail})",
            flush=True,
        )
        failed += [outcome.number] if outcome.result == FAILED else []
    if failed:
        raise WindrowError("order_failed", f"orders {', '.join(map(str, failed))}")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Orders that buy by themselves when what they want is for sale."
    )
    group.command()(place)
    group.command("list")(list_orders)
    group.command()(cancel)
    group.command()(run)
    app.add_typer(group, name="standing")
