"""Commands `backup` and `restore`: a home copied while it works, and made a home again.

Rules: a backup is made by the running house, or here where none runs; both name the keys, which are in no backup.

Does not: hold logic. Usage: `windrow backup /mnt/other/monday`; `windrow restore /mnt/other/monday --keys /mnt/keys`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from windrow.commands.house import AsJson, Home, operation, settings_for


def backup(
    target: Annotated[Path, typer.Argument(help="the folder to make; it must not exist yet")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy the home while the house works: all but its keys, which you keep elsewhere."""
    settings = settings_for(home=home)
    result = operation(settings, "backup", {"target": str(target.absolute())})
    if as_json:
        print(json.dumps(result))
        return
    print(f"{result['files']} files, {result['bytes']} bytes in {result['path']}")
    print(f"The keys are not in it. Keep a copy of {result['keys']} in another place; without it:")
    for name, loss in result["lost_without"].items():
        print(f"  {name:<14} {loss}")


def restore(
    source: Annotated[Path, typer.Argument(help="a folder that `windrow backup` made")],
    keys: Annotated[Path | None, typer.Option(help="your copy of the home's folder `keys`")] = None,
    without_keys: Annotated[
        bool,
        typer.Option("--without-keys", help="go on with new keys: the data is there, the network is not"),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check a backup to its last byte and make it a home; nothing is written over."""
    from storage.backup import LOST_WITHOUT, restore_backup
    from storage.real_env import real_env
    from windrow.home import disk_of, usable_database, usable_files
    from windrow_protocol.errors import WindrowError

    if (keys is None) != without_keys:
        raise WindrowError("backup_keys", "give one of --keys and --without-keys")
    settings = settings_for(home=home)
    coming_back = settings_for(home=str(source))  # the backup's own, which will be those of the home
    database = settings.database_url or coming_back.database_url
    settings = structs.replace(settings, files=settings.files or coming_back.files)
    with usable_database(), usable_files(settings):
        disk, home_path = disk_of(settings), Path(settings.home)
        made, missing = restore_backup(real_env(), source, home_path, keys, database, (disk, settings.files))
    made_at = datetime.fromtimestamp(made.made_at_ms / 1000, UTC).isoformat(timespec="seconds")
    if as_json:
        facts = {"home": settings.home, "network": made.network, "made_at": made_at}
        print(json.dumps({**facts, "files": len(made.files), "bytes": made.bytes, "missing_keys": missing}))
        return
    print(
        f"{len(made.files)} files, {made.bytes} bytes of {made.network}, as of {made_at}, in {settings.home}"
    )
    for name in missing:
        print(f"missing key {name}: {LOST_WITHOUT[name]}")
    print("What was acknowledged, erased or withdrawn later is not in it: erase again what was erased since.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(backup)
    app.command()(restore)
