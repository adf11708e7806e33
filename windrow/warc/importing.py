"""`windrow import`: the documents of a WARC file into the house, in batches, and how it went.

Rules: what was stored stays stored when the file turns out to be cut short or damaged; a run that was killed is
simply run again. Every record that is no document is counted under its reason.

Does not: read archives (`reading`), or store (`aggregator.importing`, reached through the operator's socket).

Usage: `result = await import_warc(settings, path)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from aggregator.importing import Document, Origin
from storage.lake.compaction import digest_file
from windrow.operator_socket import Operate, operator
from windrow.settings import HouseSettings
from windrow.warc.reading import read_warc, require_warc
from windrow_protocol.limits import IMPORT_BATCH_BYTES_MAX, IMPORT_DOCUMENTS_MAX

Progress = Callable[[int], None]


async def import_warc(
    settings: HouseSettings, path: Path, progress: Progress = lambda done: None
) -> dict[str, Any]:
    """Import one file and return what became of its records; `ended` is empty when it was whole.

    `progress` is called with the records looked at. Raises WindrowError `not_found`, `bad_warc` or the house's refusal.
    """
    require_warc(path)
    digest, _ = digest_file(path)
    origin = msgspec.to_builtins(Origin(digest, path.name[-256:]))
    counts, skipped, ended, looked_at = Counter[str](), Counter[str](), "", 0
    async with operator(settings) as run:
        batch: list[Document] = []
        for step in read_warc(path):
            if step.kind == "end":
                ended = step.reason
                break
            looked_at += 1
            if step.document is None:
                skipped[step.reason] += 1
            else:
                batch.append(step.document)
            if len(batch) >= IMPORT_DOCUMENTS_MAX or _bytes(batch) >= IMPORT_BATCH_BYTES_MAX:
                counts.update(await _send(run, origin, batch))
                batch = []
            progress(looked_at)
        counts.update(await _send(run, origin, batch))
        await run("settle", {})
    return {
        "file": str(path),
        "sha256": digest,
        "records": looked_at,
        "imported": counts["imported"],
        "known": counts["known"],
        "skipped": dict(sorted(skipped.items())),
        "ended": ended,
    }


def _bytes(batch: list[Document]) -> int:
    return sum(len(document.text) for document in batch)


async def _send(run: Operate, origin: Any, batch: list[Document]) -> dict[str, int]:
    if not batch:
        return {}
    documents = msgspec.to_builtins(batch)
    found: dict[str, int] = await run("import_documents", {"origin": origin, "documents": documents})
    return found
