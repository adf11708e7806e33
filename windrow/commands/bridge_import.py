"""The command about exports: `bridge import`.

Rules: it shows what is in an export and what is skipped, and why; what it prints of an item is redacted, and authors
are named only to whoever has to say which of them they are; nothing leaves, and nothing is kept but what `--put-aside`
asks for: what somebody gives is picked in the review.

Does not: hold logic (`extension_bridge.importers`).

Usage: `windrow bridge import takeout.zip --put-aside 200`, `windrow bridge import chat.txt --put-aside 50 --me Ana`,
`windrow bridge import --list`.
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
    from extension_bridge.importers.putting_aside import LatestItems
    from extension_bridge.importers.registry import Importer

SHOWN_CHARS = 72
AUTHORS_SHOWN = 8


def bridge_import(
    export: Annotated[Path | None, typer.Argument(help="a file, a folder or a ZIP archive")] = None,
    source: Annotated[str, typer.Option(help="read it as this source only, by its name in --list")] = "",
    list_all: Annotated[bool, typer.Option("--list", help="show which exports can be read")] = False,
    rows: Annotated[int, typer.Option(min=0, max=100, help="show so many items of each source")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a line")] = False,
    put_aside: Annotated[
        int, typer.Option(min=0, max=DRAFTS_MAX, help="keep so many of the latest items for the review")
    ] = 0,
    me: Annotated[str, typer.Option(help="you as the author of messages, as the export writes it")] = "",
    with_answers: Annotated[
        bool, typer.Option("--with-answers", help="put an assistant's answers aside too")
    ] = False,
    node_home: Annotated[
        Path | None, typer.Option("--home", "--node-home", help="the node's folder (WINDROW_NODE_HOME)")
    ] = None,
) -> None:
    """Show what an export holds, redacted, and what would be skipped. Nothing leaves."""
    from extension_bridge.importers.putting_aside import LatestItems
    from extension_bridge.importers.registry import IMPORTERS, importer_named, importers_of

    if list_all:
        for importer in IMPORTERS:
            _show_importer(importer, as_json)
        return
    if export is None:
        raise WindrowError("bad_usage", "no export was named")
    importers = [importer_named(source)] if source else importers_of(export)
    if not importers:
        raise WindrowError("unknown_export", f"{export.name} has nothing that an importer knows")
    chosen = LatestItems(put_aside, me=me, with_answers=with_answers)
    for importer in importers:
        first, report = _read(importer, export, rows, chosen)
        _show(importer, first, report, as_json)
    if put_aside:
        _put_aside(chosen, node_home, as_json)


def _read(
    importer: Importer, export: Path, rows: int, chosen: LatestItems
) -> tuple[list[dict[str, Any]], ImportReport]:
    first: list[dict[str, Any]] = []
    with importer.reads(export) as reading:
        for item in reading:
            chosen.see(item)
            if len(first) < rows:
                first.append(_redacted(item))
        return first, reading.report


def _put_aside(chosen: LatestItems, node_home: Path | None, as_json: bool) -> None:
    from contributor_node.dashboard.wording import counted
    from extension_bridge.drafts import Drafts
    from extension_bridge.importers.putting_aside import STAYS
    from extension_bridge.outbox import Outbox
    from extension_bridge.settings import OUTBOX_FILE, bridge_home

    home = bridge_home(str(node_home) if node_home else None, os.environ)
    with Outbox.open(home / OUTBOX_FILE) as outbox:
        added, left_out = chosen.put_aside(Drafts(outbox.file))
    if as_json:
        print(json.dumps({"put_aside": added, "left_out": left_out, "stayed": chosen.stayed}))
        return
    print(
        f"Put aside on this computer: {counted(added, 'new item')}. Nothing has left: look through them under *Give*"
    )
    print("in the dashboard (`windrow node dashboard`), where you edit, mask, delete and send.")
    for sentence, count in left_out.most_common():
        print(f"  {count:,} left out: {sentence}.")
    for reason, count in chosen.stayed.most_common():
        print(f"  {count:,} stay here: {STAYS[reason]}.")
    if chosen.stayed["unknown_author"]:
        authors = (name for name, _ in chosen.authors.most_common(AUTHORS_SHOWN))
        named = ", ".join(f"“{name if name.isprintable() else ascii(name)}”" for name in authors)
        print(f"  Their authors: {named}.")


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
