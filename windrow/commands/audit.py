"""Commands about audits: `audit replay`.

Rules: they only read; what does not follow ends with exit code 1 and the first difference on stderr.

Does not: hold logic. Usage: `windrow audit replay 7 --from audits/7 --json`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from windrow.commands.house import AsJson, Home, settings_for
from windrow_protocol.errors import WindrowError


def replay(
    epoch: Annotated[int, typer.Argument(help="number of a closed audit epoch", min=1)],
    home: Home = None,
    folder: Annotated[
        Path | None, typer.Option("--from", help="a folder with the epoch's three files")
    ] = None,
    coordinator: Annotated[str, typer.Option(help="address of a house that published it")] = "",
    coordinator_id: Annotated[str, typer.Option(help="the key that must have signed it")] = "",
    as_json: AsJson = False,
) -> None:
    """Repeat an audit epoch from its published files: draws, verdicts, dividends."""
    from windrow.audit_replaying import replay_epoch

    own = None if folder or coordinator else Path(settings_for(home=home).home)
    replayed = replay_epoch(
        epoch, home=own, folder=folder, coordinator=coordinator, coordinator_id=coordinator_id
    )
    if as_json:
        print(msgspec.json.encode(replayed).decode())
    elif replayed.ok:
        print(
            f"audit epoch {replayed.epoch}: {replayed.entries} entries, {replayed.drawn} drawn, "
            f"{replayed.audited} audited, every verdict recomputed ({replayed.trust})"
        )
        for row in replayed.dividends:
            note = f" ({row.reason})" if row.reason else ""
            print(
                f"{row.validator_id[:16]}… of {row.operator}: {row.audits} truths, {row.share_ppm} ppm{note}"
            )
        print(f"digest {replayed.digest}")
    if not replayed.ok:
        sys.stdout.flush()
        raise WindrowError("replay_differs", replayed.first_difference)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    audit = typer.Typer(help="What validators checked, and how anybody repeats it.", no_args_is_help=True)
    audit.callback()(lambda: None)  # one command alone would lose its name
    audit.command("replay")(replay)
    app.add_typer(audit, name="audit")
