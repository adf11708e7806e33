"""The command about exports: `bridge import`.

Rules: it shows what is in an export and what is skipped, and why; what it prints of an item is redacted; nothing
leaves, and nothing is kept but what `--put-aside` asks for: what somebody gives is picked in the review.

Does not: hold logic (`extension_bridge.importers`).

Usage: `windrow bridge import takeout.zip --put-aside 200`, `windrow bridge import --list`.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DRAFTS_MAX

if TYPE_CHECKING:
    from extension_bridge.importers.items import ImportedItem, ImportReport
    from extension_bridge.importers.putting_aside import LatestVisits
    from extension_bridge.importers.registry import Importer

SHOWN_CHARS = 72


def bridge_import(
    export: Annotated[Path | None, typer.Argument(help="a file, a folder or a ZIP archive")] = None,
    source: Annotated[str, typer.Option(help="read it as this source only, by its name in --list")] = "",
    list_all: Annotated[bool, typer.Option("--list", help="show which exports can be read")] = False,
    rows: Annotated[int, typer.Option(min=0, max=100, help="show so many items of each source")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a line")] = False,
    put_aside: Annotated[
        int, typer.Option(min=0, max=DRAFTS_MAX, help="keep so many of the latest visits for the review")
    ] = 0,
    node_home: Annotated[Path | None, typer.Option(help="the node's folder (WINDROW_NODE_HOME)")] = None,
) -> None:
    """Show what an export holds, redacted, and what would be skipped. Nothing leaves."""
    from extension_bridge.importers.putting_aside import LatestVisits
    from extension_bridge.importers.registry import IMPORTERS, importer_named, importers_of

    if list_all:
        for importer in IMPORTERS:
            _show_importer(importer, as_json)
        return
    if export is None:
        raise WindrowError("bad_usage", "no export was named")
    chosen = [importer_named(source)] if source else importers_of(export)
    if not chosen:
        raise WindrowError("unknown_export", f"{export.name} has nothing that an importer knows")
    visits = LatestVisits(put_aside)
    for importer in chosen:
        first, report = _read(importer, export, rows, visits)
        _show(importer, first, report, as_json)
    if put_aside:
        _put_aside(visits, node_home, as_json)


def _read(
    importer: Importer, export: Path, rows: int, visits: LatestVisits
) -> tuple[list[dict[str, Any]], ImportReport]:
    first: list[dict[str, Any]] = []
    with importer.reads(export) as reading:
        for item in reading:
            visits.see(item)
            if len(first) < rows:
                first.append(_redacted(item))
        return first, reading.report


def _put_aside(visits: LatestVisits, node_home: Path | None, as_json: bool) -> None:
    from extension_bridge.drafts import Drafts
    from extension_bridge.outbox import Outbox
    from extension_bridge.settings import OUTBOX_FILE, bridge_home

    home = bridge_home(str(node_home) if node_home else None, os.environ)
    with Outbox.open(home / OUTBOX_FILE) as outbox:
        added, left_out = visits.put_aside(Drafts(outbox.file))
    if as_json:
        print(json.dumps({"put_aside": added, "left_out": left_out, "no_visits": visits.other}))
        return
    print(
        f"{added:,} new visits are put aside on this computer. Nothing has left: look them through under *Give* in"
    )
    print("the dashboard (`windrow node dashboard`), where you edit, mask, delete and send.")
    for sentence, count in left_out.most_common():
        print(f"  {count:,} left out: {sentence}.")
    if visits.other:
        print(f"  {visits.other:,} other items were only shown: visits are what can be given today.")


def _redacted(item: ImportedItem) -> dict[str, Any]:
    """Return what may be shown of an item: no name, no thread, words and address redacted and cut."""
    from extension_bridge.redaction import redact, redact_url

    try:
        url = redact_url(item.url).text if item.url else ""
    except WindrowError:
        url = ""  # the item's address is one that could not leave
    words = item.title if item.text in item.title else f"{item.title} {item.text}".strip()
    return {
        "kind": item.kind,
        "at": datetime.fromtimestamp(item.at_ms / 1_000, UTC).isoformat(timespec="minutes")
        if item.at_ms
        else "",
        "clock": item.clock,
        "words": " ".join(redact(words[:4_096]).text.split())[:SHOWN_CHARS],
        "url": url[:SHOWN_CHARS],
    }


def _show(importer: Importer, first: list[dict[str, Any]], report: ImportReport, as_json: bool) -> None:
    if as_json:
        told = {name: getattr(report, name) for name in report.__struct_fields__}
        print(json.dumps(told | {"why_skipped": report.lines(), "first": first}, ensure_ascii=False))
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.kinds.items())
    print(f"{importer.title}: {report.parsed:,} items from {report.files:,} files ({kinds or 'nothing'})")
    for row in first:
        print(f"  {row['at'][:16]:16}  {row['kind']:<11}  {row['words'] or row['url']}")
    for line in report.lines():
        print(f"  {line}")


def _show_importer(importer: Importer, as_json: bool) -> None:
    if as_json:
        facts = {"name": importer.name, "title": importer.title}
        print(json.dumps(facts | {"files": importer.files, "whence": importer.whence}))
    else:
        print(f"{importer.name:<16} {importer.title}: {importer.files}\n{'':<16} from {importer.whence}")
