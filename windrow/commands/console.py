"""Commands about the operator's console: `operator login`, `list`, `grant`, `revoke`, `end`, `token`.

Rules: roles are granted and taken here alone. `login` needs a key and the console's address, and no home: it works from
another machine. What writes speaks to the running house over its local socket, or takes the home's lock.

Does not: hold logic. Usage: `windrow operator grant 0x… analyst`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.house import AsJson, Home, operation, settings_for

Account = Annotated[str, typer.Argument(help="an account's address, 0x…")]


def login(
    key: Annotated[
        Path | None, typer.Option(help="file with the account's key (default: the house's own)")
    ] = None,
    url: Annotated[
        str, typer.Option(help="the console's address (default: the first of `console_origins`, or loopback)")
    ] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Sign in with a key and print a link that lets one browser in, once, within two minutes."""
    from windrow.console.link import console_url, key_path, signed_link

    settings = settings_for(home=home)
    link = signed_link(url or console_url(settings), key or key_path(settings))
    print(json.dumps({"link": link}) if as_json else link)


def list_access(home: Home = None, as_json: AsJson = False) -> None:
    """Show who has a role, who is in, and which tokens hold."""
    found = operation(settings_for(home=home), "console_list", {})
    if as_json:
        print(json.dumps(found))
        return
    for each in found["people"]:
        since = f"since {_day(each['granted_at_ms'])}" if each["granted_at_ms"] else "owns the contracts"
        print(f"{each['role']:<9} {each['address']}  {since}")
    for each in found["sessions"]:
        print(f"session   {each['session_id']}  {each['address']}  since {_day(each['begun_at_ms'])}")
    for each in found["tokens"]:
        until = _day(each["expires_at_ms"])
        print(f"token     {each['token_id']}  {each['address']}  until {until}  {each['label']}")


def grant(
    address: Account,
    role: Annotated[str, typer.Argument(help="operator, analyst or support")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give an account a role in the console, instead of the one it had."""
    done = operation(settings_for(home=home), "console_grant", {"address": address, "role": role})
    print(json.dumps(done) if as_json else f"{done['address']} is {done['role']}")


def revoke(address: Account, home: Home = None, as_json: AsJson = False) -> None:
    """Take an account's role away; its sessions and tokens end with it."""
    done = operation(settings_for(home=home), "console_revoke", {"address": address})
    ended = f"{done['address']} has no role; {done['sessions']} sessions and {done['tokens']} tokens ended"
    print(json.dumps(done) if as_json else ended)


def end(
    item_id: Annotated[str, typer.Argument(help="a session's or a token's id, as `list` shows it")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """End one session, or revoke one token."""
    done = operation(settings_for(home=home), "console_end", {"item_id": item_id})
    print(json.dumps(done) if as_json else f"{done['ended']} ended")


def token(
    label: Annotated[str, typer.Argument(help="what it is for")],
    days: Annotated[int, typer.Option(help="how long it holds")] = 30,
    address: Annotated[str, typer.Option(help="the account it asks as (default: the contracts' owner)")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a token by which a program asks questions, and does nothing else; it is shown once."""
    arguments = {"label": label, "days": days, "address": address}
    done = operation(settings_for(home=home), "console_token", arguments)
    print(json.dumps(done) if as_json else done["token"])


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    operator = typer.Typer(help="The operator's console: who may use it, and who does.", no_args_is_help=True)
    operator.command()(login)
    operator.command("list")(list_access)
    operator.command()(grant)
    operator.command()(revoke)
    operator.command()(end)
    operator.command()(token)
    app.add_typer(operator, name="operator")
