"""Commands about hosts and their publishers: `host token`, `takedown`, `release`, `receipt`, `list`.

Rules: a takedown needs a proof, fetched from the host itself or told by the operator in words.

Does not: hold logic. Usage: `windrow host takedown www.example.org --reason "asked by mail"`.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from windrow.commands.house import AsJson, Home, operation, settings_for

Host = Annotated[str, typer.Argument(help="a host alone, such as www.example.org")]


def token(
    host: Host,
    allow_private: Annotated[
        list[str] | None, typer.Option(help="a test network's own ip:port, asked over http")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print what a publisher puts where on the host, to show that it is theirs."""
    from windrow.domain_proof import proof_url
    from windrow_protocol.addresses import parse_allowed

    made = operation(settings_for(home=home), "host_token", {"host": host})
    url = proof_url(made["host"], frozenset(map(parse_allowed, allow_private or ())))
    print(json.dumps({**made, "url": url}) if as_json else f"{url} is to hold this line:\n{made['token']}")


def takedown(
    host: Host,
    reason: Annotated[str, typer.Option(help="why; kept for ever")],
    proven: Annotated[
        str, typer.Option(help="how it is known that the publisher asks, instead of the file; kept for ever")
    ] = "",
    subdomains: Annotated[bool, typer.Option("--subdomains", help="the hosts below it too")] = False,
    allow_private: Annotated[
        list[str] | None, typer.Option(help="a test network's own ip:port, asked over http")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do it without asking")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Leave a host alone from now on and erase what is stored of it, once its publisher has shown that they ask."""
    settings = settings_for(home=home)
    proof = proven
    if not proof:
        from windrow.domain_proof import shown_at
        from windrow_protocol.addresses import parse_allowed

        made = operation(settings, "host_token", {"host": host})
        private = frozenset(map(parse_allowed, allow_private or ()))
        proof = asyncio.run(shown_at(made["host"], made["token"], private))
    if not yes:
        typer.confirm(f"Erase what is stored of {host} for good, and fetch it no more?", abort=True)
    order = {"host": host, "proof": proof, "reason": reason, "subdomains": subdomains}
    done = operation(settings, "host_takedown", order)
    if as_json:
        print(json.dumps(done))
        return
    print(f"{done['host']}: {done['pages']} pages withheld, {done['documents_erased']} documents erased")
    print("What has to be decided first goes by itself after that. The publisher's signed receipt:")
    print(done["receipt"])


def release(
    host: Host,
    reason: Annotated[str, typer.Option(help="why; kept for ever")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Let a host be fetched again; what was erased stays erased."""
    done = operation(settings_for(home=home), "host_release", {"host": host, "reason": reason})
    print(json.dumps(done) if as_json else f"{done['host']}: {done['pages']} pages may be fetched again")


def receipt(host: Host, home: Home = None, as_json: AsJson = False) -> None:
    """Print a signed receipt for the publisher: what of the host was erased by now, and what is waiting."""
    done = operation(settings_for(home=home), "host_receipt", {"host": host})
    print(json.dumps(done) if as_json else done["receipt"])


def list_orders(home: Home = None, as_json: AsJson = False) -> None:
    """Show the hosts that are left alone, since when and why."""
    orders: list[dict[str, Any]] = operation(settings_for(home=home), "host_list", {})
    if as_json:
        print(json.dumps(orders))
        return
    for each in orders:
        day = datetime.fromtimestamp(each["at_ms"] / 1000, UTC).date()
        below = " and below" if each["subdomains"] else ""
        print(f"{day}  {each['host']}{below}: {each['reason']} (proof: {each['proof']})")
    if not orders:
        print("No publisher asked for anything.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    host = typer.Typer(help="Hosts and what their publishers ask.", no_args_is_help=True)
    host.command()(token)
    host.command()(takedown)
    host.command()(release)
    host.command()(receipt)
    host.command("list")(list_orders)
    app.add_typer(host, name="host")
