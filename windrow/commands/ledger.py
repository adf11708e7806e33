"""Commands about the books: `ledger verify`, `ledger recompute`.

Rules: they only read; what does not hold ends with exit code 1. Does not: hold logic. Usage: `windrow ledger verify`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.house import AsJson, Home, operation, settings_for
from windrow_protocol.errors import WindrowError


def verify(home: Home = None, as_json: AsJson = False) -> None:
    """Say whether debits are credits, and whether ledger, tree and chain agree, for each asset."""
    report = operation(settings_for(home=home), "ledger_verify", {})
    if as_json:
        print(json.dumps(report))
    else:
        for asset, sums in report["assets"].items():
            parts = ", ".join(f"{sums[name]} {name}" for name in sums if name not in ("given", "held"))
            print(
                f"{asset}, in its smallest unit: {sums['given']} were given, {sums['held']} are held: {parts}"
            )
        for check in report["checks"]:
            print(f"{check['state']:<12} {check['name']}: {check['detail']}")
        print(f"{report['entries']} entries: " + ("the books are right" if report["ok"] else "NOT right"))
    if not report["ok"]:
        failed = [check["name"] for check in report["checks"] if check["state"] == "failed"]
        raise WindrowError("unbalanced", ", ".join(failed))


def recompute(
    epoch: Annotated[Path, typer.Argument(help="folder with an epoch's epoch.json and ledger.ndjson")],
    as_json: AsJson = False,
) -> None:
    """Rebuild an epoch's root from its published log alone, by the second implementation. Needs no house."""
    from windrow.ledger_report import recompute_epoch

    found = recompute_epoch(epoch)
    if as_json:
        print(json.dumps(found))
    else:
        print(
            f"epoch {found['epoch_id']}: {found['entries']} entries allot {found['total_wei']} to "
            f"{found['accounts']} accounts, root {found['root']}"
        )
    if not found["ok"]:
        raise WindrowError("folds_disagree", found["detail"])


def register(app: typer.Typer) -> None:
    """Add these commands."""
    ledger = typer.Typer(help="The books.", no_args_is_help=True)
    ledger.command("verify")(verify)
    ledger.command("recompute")(recompute)
    app.add_typer(ledger, name="ledger")
