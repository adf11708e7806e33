"""Commands about the lake: `lake annotate|check|compact|duplicates|export|stats`, `import`, `export`, `erase`.

Rules: what writes speaks to the running house over its local socket, or takes the home's lock when none runs.

Does not: hold logic. Usage: `windrow lake check`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.house import AsJson, Home, operation, settings_for
from windrow_protocol.errors import WindrowError


def check(home: Home = None, as_json: AsJson = False) -> None:
    """Read every file of the lake and say what is not as its manifest says; damage ends with exit code 1."""
    result = operation(settings_for(home=home), "lake_check", {})
    if as_json:
        print(json.dumps(result))
    else:
        for problem in result["problems"]:
            kind = "damage" if problem["is_damage"] else "note"
            print(f"{kind}: {problem['name']}: {problem['cause']}: {problem['detail']}; {problem['remedy']}")
        print(f"{result['files']} files, {result['rows']} rows, snapshot {result['snapshot']}")
    damage = [problem["name"] for problem in result["problems"] if problem["is_damage"]]
    if damage:
        raise WindrowError("lake_damaged", ", ".join(damage[:20]))


def compact(
    everything: Annotated[
        bool, typer.Option("--all", help="merge all neighbours that fit into one file, however few")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Merge small files now; a running house does it by itself in the background."""
    result = operation(settings_for(home=home), "lake_compact", {"everything": everything})
    if as_json:
        print(json.dumps(result))
    else:
        print(f"{result['files_before']} files became {result['files']}, snapshot {result['snapshot']}")


def stats(home: Home = None, as_json: AsJson = False) -> None:
    """Count files, rows, bytes and snapshots."""
    result = operation(settings_for(home=home), "lake_stats", {})
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<26} {value}")


def import_file(
    file: Annotated[Path, typer.Argument(help="a .warc or .warc.gz file")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Import the pages of a WARC file as the operator's own documents; again is harmless."""
    from windrow.warc.importing import import_warc

    result = asyncio.run(import_warc(settings_for(home=home), file))
    if as_json:
        print(json.dumps(result))
    else:
        print(
            f"{result['imported']} imported, {result['known']} known already, of {result['records']} records"
        )
        for reason, count in result["skipped"].items():
            print(f"  {count} skipped: {reason}")
    if result["ended"]:
        code = "bad_warc" if result["ended"] == "no_record" else "damaged_warc"
        raise WindrowError(code, f"{file.name}: {result['ended']}")


def annotate(
    everything: Annotated[
        bool, typer.Option("--all", help="also what this version judged, as after a change of host lists")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Judge stored documents again by the present version of curation; their texts stay as they are."""
    result = operation(settings_for(home=home), "lake_annotate", {"everything": everything})
    if as_json:
        print(json.dumps(result))
    else:
        print(
            f"{result['rows']} rows judged again by version {result['version']}, snapshot {result['snapshot']}"
        )


def duplicates(
    file: Annotated[
        Path | None, typer.Option("--out", help="a new Parquet file for every row's cluster")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Judge the duplicates of the whole lake again in one batch, and count the rows that were judged otherwise."""
    named = {"file": str(file.resolve())} if file else {}
    result = operation(settings_for(home=home), "lake_duplicates", named)
    if as_json:
        print(json.dumps(result))
    else:
        kinds = ", ".join(f"{result.get(kind, 0)} {kind}" for kind in ("unique", "exact", "near"))
        print(f"{result['rows']} rows: {kinds}; {result['differing']} were judged otherwise")


def export_table(
    dataset: Annotated[str, typer.Argument(help="name of a published dataset, such as web_text")],
    table: Annotated[str, typer.Argument(help="a folder or s3://bucket/prefix of its own")],
    version: Annotated[str, typer.Option(help="a published version (default: the newest)")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write a published version into a Delta table, as its next commit; again is harmless."""
    from windrow.delta_table import write_delta

    result = write_delta(settings_for(home=home), dataset, table, version)
    if as_json:
        print(json.dumps(result))
        return
    did = {"written": "is now", "unchanged": "was already"}[result["state"]]
    what = f"{result['dataset']} {result['version']}, {result['rows']} rows,"
    print(f"{what} {did} version {result['table_version']} of the Delta table {result['table']}")


def export_file(
    file: Annotated[Path, typer.Argument(help="file to write: .warc.gz, or .warc")],
    source: Annotated[
        str, typer.Option(help="lease: what nodes fetched; import: what was imported")
    ] = "lease",
    at: Annotated[int | None, typer.Option(help="snapshot of the lake (default: the newest)")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write texts that training is allowed on as a WARC file for other tools."""
    from windrow.warc.exporting import export_warc

    result = export_warc(settings_for(home=home), file, source, at)
    if as_json:
        print(json.dumps(result))
    else:
        print(f"{result['documents']} documents of snapshot {result['snapshot']} in {result['path']}")


def erase(
    contribution_id: Annotated[str, typer.Argument(help="id of the document, as `documents` shows it")],
    reason: Annotated[str, typer.Option(help="why; kept for ever")],
    copies: Annotated[bool, typer.Option("--copies", help="erase its exact and near copies too")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do it without asking")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Erase a document's text from this house for good, in every snapshot."""
    if not yes:
        typer.confirm(f"Erase {contribution_id} for good?", abort=True)
    arguments = {"contribution_id": contribution_id, "reason": reason, "copies": copies}
    result = operation(settings_for(home=home), "erase", arguments)
    if as_json:
        print(json.dumps(result))
        return
    print(f"{len(result['erased'])} texts erased, {result['files_rewritten']} files of the lake written anew")
    for what, found in (
        ("copy left", result["copies_left"]),
        ("export that has it", result["exports_with_it"]),
        ("published audit epoch that has it", result["audit_epochs_with_it"]),
    ):
        for each in found:
            print(f"{what}: {each}")


def rotate_personal_key(home: Home = None, as_json: AsJson = False) -> None:
    """Wrap contributors' data keys under a new key of yours and destroy the old: older backups open no more."""
    result = operation(settings_for(home=home), "personal_rotate", {})
    print(json.dumps(result) if as_json else f"{result['keys']} contributors' keys wrapped anew")


def fund_history(
    amount: Annotated[int, typer.Argument(min=1, help="whole WIND, from the operator's own account")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set WIND aside for people's months of history: shared out once a week, nothing of it is minted."""
    result = operation(settings_for(home=home), "personal_fund", {"amount_wei": str(amount * 10**18)})
    print(
        json.dumps(result)
        if as_json
        else f"{amount} WIND sent in {result['tx']}; {result['pool_wei']} wei wait"
    )


def register(app: typer.Typer) -> None:
    """Add these commands."""
    lake = typer.Typer(help="The documents as Parquet files.", no_args_is_help=True)
    lake.command("annotate")(annotate)
    lake.command("check")(check)
    lake.command("compact")(compact)
    lake.command("duplicates")(duplicates)
    lake.command("export")(export_table)
    lake.command("stats")(stats)
    app.add_typer(lake, name="lake")
    app.command("import")(import_file)
    app.command("export")(export_file)
    app.command()(erase)
    app.command("rotate-personal-key")(rotate_personal_key)
    app.command("fund-history")(fund_history)
