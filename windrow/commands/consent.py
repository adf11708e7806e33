"""A person's own hand on what they gave: `consent list`, `show`, `pay`, `withdraw`, `export`, `open-copy`.

Rules: what was given is read from this home; the coordinator is asked only to take something back or to say what it
holds or pays. A copy is encrypted with age where a recipient or passphrase is given.

Does not: give anything (the extension and the dashboard do). Usage: `windrow consent withdraw --all --yes`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from extension_bridge.delivery import Courier
    from extension_bridge.outbox import Outbox

NodeHome = Annotated[Path | None, typer.Option("--home", help="the node's folder (WINDROW_NODE_HOME)")]
House = Annotated[str | None, typer.Option("--coordinator", help="address of the network's house")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
_LISTED_MAX = 10_000
_AT_ONCE = 100


@contextmanager
def _outbox(home: Path | None) -> Iterator[Outbox]:
    from extension_bridge.outbox import Outbox
    from extension_bridge.settings import OUTBOX_FILE, bridge_home

    path = bridge_home(str(home) if home else None, os.environ) / OUTBOX_FILE
    if not path.exists():  # opening would make it
        raise WindrowError("nothing_given", f"there is no {path}")
    with Outbox.open(path) as outbox:
        yield outbox


@contextmanager
def _opened(home: Path | None, house: str | None) -> Iterator[tuple[Outbox, Courier, Ed25519PrivateKey]]:
    from extension_bridge.delivery import Courier
    from extension_bridge.outbox import Outbox
    from extension_bridge.settings import OUTBOX_FILE, bridge_home, read_node_key, read_settings

    folder = bridge_home(str(home) if home else None, os.environ)
    settings, key = read_settings(folder, os.environ, house), read_node_key(folder)
    with Outbox.open(folder / OUTBOX_FILE) as outbox:
        yield outbox, Courier(outbox, key, settings.coordinator_url, _now_ms), key


def consent_list(home: NodeHome = None, as_json: AsJson = False) -> None:
    """List every consent given from this home, newest first, and what became of it."""
    with _outbox(home) as outbox:
        kept = outbox.all(_LISTED_MAX)
    if as_json:
        names = ("consent_receipt_id", "contribution_id", "state", "given_at_ms", "source", "title", "url")
        print(json.dumps([{name: getattr(each, name) for name in names} for each in kept]))
        return
    for each in kept:
        day = time.strftime("%Y-%m-%d", time.gmtime(each.given_at_ms / 1_000))
        print(f"{each.consent_receipt_id[:16]}  {day}  {each.state:<11}  {each.called}")
    if not kept:
        print("Nothing was given from this home.")


def consent_show(
    receipt: Annotated[str, typer.Argument(help="a consent receipt's id, or its beginning")],
    home: NodeHome = None,
) -> None:
    """Print a consent receipt as JSON-LD, with both sides' signatures."""
    from joserfc.util import urlsafe_b64decode

    with _outbox(home) as outbox:
        name, token, contribution_id, state = _found(outbox, receipt)
        kept = outbox.get(contribution_id)
    statement = json.loads(urlsafe_b64decode(token.split(".")[1].encode()))
    shown: dict[str, Any] = {
        "consent_receipt_id": name,
        "consent": statement["content"],
        "consent_jws": token,
        "contribution_id": contribution_id,
        "state": state,
        "receipt": kept.receipt,
        "withdrawal_receipt": kept.withdrawal_receipt,
    }
    print(json.dumps(shown, indent=2, ensure_ascii=False))


def consent_pay(home: NodeHome = None, house: House = None, as_json: AsJson = False) -> None:
    """Show what each month of your history was judged to be, what it earned, and when it is yours."""
    from contributor_node.dashboard.wording import Unit

    with _opened(home, house) as (_outbox, courier, _key):
        told = courier.months()
    if as_json:
        print(json.dumps(told))
        return
    for each in told["months"]:
        held, posted = Unit().bare(int(each["held_wei"])), Unit().bare(int(each["posted_wei"]))
        print(
            f"{each['month']}  {each['state']:<8}  {each['items']:>6} visits  pending {held} WIND, yours {posted} WIND"
        )
        print(f"         {each['sentence']}")
        if each["posts_at_ms"]:
            day = time.strftime("%Y-%m-%d", time.gmtime(each["posts_at_ms"] / 1_000))
            print(f"         Yours from {day} on; taking the month back before then takes its pay back")
    if not told["months"]:
        print("No visit with a time and an address was delivered from this home.")


def consent_withdraw(
    receipt: Annotated[str, typer.Argument(help="a consent receipt's id, or its beginning")] = "",
    everything: Annotated[bool, typer.Option("--all", help="take back everything that was given")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    home: NodeHome = None,
    house: House = None,
) -> None:
    """Take back what a consent covered: its key is destroyed, and no later dataset holds it.

    With --all, what was agreed to and has not left yet does not leave.
    """
    from extension_bridge.drafts import Drafts
    from extension_bridge.withdrawal import sign_withdrawal

    with _opened(home, house) as (outbox, courier, key):
        if everything == bool(receipt):
            raise WindrowError("bad_usage", "name one receipt, or --all")
        chosen = [row[2] for row in outbox.consents(_LISTED_MAX) if _is_held(row[3])]
        if not everything:
            chosen = [_found(outbox, receipt)[2]]
        if not yes:
            typer.confirm(f"Take {len(chosen)} back? Copies already sold cannot be called back", abort=True)
        if everything and (undone := Drafts(outbox.file).undo()):
            print(f"{undone} put back that would have left")
        for contribution_id in chosen:
            kept = outbox.get(contribution_id)
            token = sign_withdrawal(key, kept, courier.network()[0], _now_ms())
            outbox.withdrawal(contribution_id, token)
        for _ in range(0, len(chosen), _AT_ONCE):
            courier.take_back_waiting(_AT_ONCE)
        for contribution_id in chosen:
            kept = outbox.get(contribution_id)
            print(f"{kept.consent_receipt_id[:16]}  {kept.state}  {kept.called}")
            if kept.sentence:
                print(f"  {kept.sentence}")


def consent_export(
    to: Annotated[Path, typer.Argument(help="the file to write")],
    recipient: Annotated[
        str, typer.Option("--age-recipient", help="encrypt it for this age public key (age1…)")
    ] = "",
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="encrypt it with a passphrase (age)")
    ] = False,
    home: NodeHome = None,
    house: House = None,
) -> None:
    """Write everything held on you, here and at the coordinator, into one file."""
    from extension_bridge.personal_copy import everything_held, sealed_copy

    with _opened(home, house) as (outbox, courier, _key):
        held = everything_held(outbox, courier)
    typed = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True) if passphrase else ""
    data = sealed_copy(held, recipient=recipient, passphrase=typed)
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    print(
        f"{to}: {len(held['coordinator']['donations'])} donations, {len(held['here'])} receipts, "
        f"{len(held['put_aside'])} items not sent"
    )


def consent_open_copy(
    copy: Annotated[Path, typer.Argument(help="an encrypted copy")],
    identity: Annotated[Path | None, typer.Option("--identity", help="file with the age secret key")] = None,
) -> None:
    """Print an encrypted copy: with the age secret key, else with its passphrase."""
    from extension_bridge.personal_copy import opened_copy

    typed = "" if identity else typer.prompt("Passphrase", hide_input=True)
    secret = identity.read_text(encoding="ascii") if identity else ""
    sys.stdout.buffer.write(opened_copy(copy.read_bytes(), identity=secret, passphrase=typed))


def register(app: typer.Typer) -> None:
    """Add these commands."""
    consent = typer.Typer(help="What you gave, and taking it back.", no_args_is_help=True)
    consent.command("list")(consent_list)
    consent.command("show")(consent_show)
    consent.command("pay")(consent_pay)
    consent.command("withdraw")(consent_withdraw)
    consent.command("export")(consent_export)
    consent.command("open-copy")(consent_open_copy)
    app.add_typer(consent, name="consent")


def _found(outbox: Outbox, receipt: str) -> tuple[str, str, str, str]:
    found = [row for row in outbox.consents(_LISTED_MAX) if receipt and row[0].startswith(receipt)]
    if len(found) != 1:
        raise WindrowError("not_found", f"{len(found)} consent receipts begin with {receipt[:64]!r}")
    return found[0]


def _is_held(state: str) -> bool:
    from extension_bridge.outbox import STEPS

    return "withdrawal" in STEPS[state]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
