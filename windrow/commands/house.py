"""Commands that write: `up`, `frontier add`, `publish`, `epoch close`.

Rules: all but `up` speak to the running house over its local socket, or take the home's lock when none runs.

Does not: hold logic. Usage: `windrow up`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from windrow.settings import HouseSettings, load_settings
from windrow_protocol.amounts import units_text
from windrow_protocol.errors import WindrowError

Home = Annotated[str | None, typer.Option(help="the house's folder (WINDROW_HOME)")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def settings_for(**flags: Any) -> HouseSettings:
    """Return the settings with these flags on top."""
    return load_settings(flags).values


def operation(settings: HouseSettings, name: str, arguments: dict[str, Any]) -> Any:
    """Run one operation in the running house or in this process."""
    from windrow.operator_socket import operate

    return asyncio.run(operate(settings, name, arguments))


def up(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on; 0 takes a free one")] = None,
    rpc_url: Annotated[
        str | None, typer.Option(help="JSON-RPC of the chain; none: an embedded devnet")
    ] = None,
    die_with_parent: Annotated[
        bool, typer.Option("--die-with-parent", help="end when standard input ends")
    ] = False,
) -> None:
    """Run a network's house: aggregator, rewards and marketplace, a devnet beside them, and gates where set."""
    settings = settings_for(home=home, host=host, port=port, rpc_url=rpc_url)
    if settings.gates:
        from windrow.gates.keeper import keep_house

        asyncio.run(keep_house(settings, die_with_parent=die_with_parent))
        return
    from windrow.up import run_house

    asyncio.run(run_house(settings, die_with_parent=die_with_parent))


def frontier_add(
    urls: Annotated[list[str] | None, typer.Argument(help="URLs to fetch")] = None,
    file: Annotated[
        Path | None, typer.Option(help="a file with one URL a line ('-': standard input)")
    ] = None,
    render: Annotated[
        str, typer.Option(help="http, or browser where only JavaScript shows the page")
    ] = "http",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add URLs to what the network will fetch."""
    if render not in ("http", "browser"):
        raise WindrowError("bad_config", f"--render {render}: it is http or browser")
    wanted = [*(urls or []), *_lines(file)]
    if not wanted:
        raise WindrowError("bad_url", "no URL was given")
    result = operation(settings_for(home=home), "frontier_add", {"urls": [[url, render] for url in wanted]})
    print(json.dumps(result) if as_json else f"{result['added']} added, {result['known']} known already")


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WindrowError("not_found", f"{file}: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def publish(
    dataset: Annotated[str, typer.Argument(help="name of a recipe, such as web_text")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check and count, publish nothing")] = False,
    since: Annotated[
        str, typer.Option(help="a version: publish only what changed since, as a dataset of its own")
    ] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Build a dataset from its recipe as an immutable version and list it for sale."""
    result = operation(
        settings_for(home=home), "publish", {"dataset": dataset, "dry_run": dry_run, "since": since}
    )
    if as_json:
        print(json.dumps(result))
        return
    verb = "would have" if dry_run else "has"
    print(f"{result['dataset']} {result['version']} {verb} {result['rows']} rows, {result['tokens']} tokens")
    if dry_run:
        _show_dry_run(result)
    else:
        print(f"in {result['path']}")
        _show_prices(result)


def _show_dry_run(result: dict[str, Any]) -> None:
    """Say what would be sold for how much, what the filters drop, each by itself, and which checks fail."""
    splits = ", ".join(f"{name} {rows}" for name, rows in result["splits"].items())
    print(f"splits: {splits} rows, in {result['shards']} files")
    _show_prices(result)
    if result["dropped"]:
        print(f"filters drop {result['dropped_rows']} rows:")
        print(f"  {'filter':<32} {'rows':>9} {'alone':>9}")
        for each in result["dropped"]:
            print(f"  {each['filter']:<32} {each['rows']:>9} {each['alone']:>9}")
    for failure in result["failures"]:
        print(f"check failed: {failure}")
    if not result["failures"]:
        print("every check passes" if result["rows"] else "no row, so nothing would be published")
    print(
        "Texts of the audit epoch under way are not counted: `windrow publish` without --dry-run ends it first."
    )


def _show_prices(result: dict[str, Any]) -> None:
    """Say what it costs in each asset that the recipe states a price in, and that there are no others."""
    print(f"price: {result['price_wei']} wei of {result['asset']}")
    for symbol, units in result["prices"].items():
        print(f"price: {units} of the smallest unit of {symbol}, where the house takes that")
    if not result["prices"]:
        print(
            f"sold for {result['asset']} alone: the recipe states no price in another asset ([price.also.SYMBOL])"
        )


def epoch_close(home: Home = None, as_json: AsJson = False) -> None:
    """Close the epoch: fold the ledger, put its root on chain, wait for the timelock, accept."""
    result = operation(settings_for(home=home), "epoch_close", {})
    if as_json:
        print(json.dumps(result))
        return
    for each in result["epochs"]:
        total = units_text(int(each["total_wei"]), each["asset"])
        print(f"epoch {each['epoch_id']} is accepted: root {each['root']}, {total} in all")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    frontier = typer.Typer(help="What the network will fetch.", no_args_is_help=True)
    frontier.command("add")(frontier_add)
    app.add_typer(frontier, name="frontier")
    app.command()(publish)
    epoch = typer.Typer(help="Settlement of rewards.", no_args_is_help=True)
    epoch.command("close")(epoch_close)
    app.add_typer(epoch, name="epoch")
