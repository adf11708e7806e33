"""`windrow export`: documents of the lake as a WARC file of conversion records, as WET files are, for other tools.

    --source lease    what nodes fetched, as far as training on it is allowed by robots.txt and the page (the default)
    --source import   what the operator imported, as far as no opt-out on the page denies it

Rules: a page that carries an opt-out is in no export, whoever asks. Only texts are stored, so records are of type
`conversion` with `text/plain`, and name by digest the body they were taken from. Each is compressed by itself. The file
is written under a temporary name and renamed when it is whole; rows come from one snapshot, in its order.

Does not: sell, sign, or need a running house.

Usage: `result = export_warc(settings, Path("texts.warc.gz"), "lease", at=None)`.

Source: ISO 28500 (WARC 1.1), 6.9; WET files of Common Crawl.
"""

from __future__ import annotations

import gzip
import io
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow.compute as pc
import pyarrow.dataset as pads
from fastwarc.warc import WarcRecord, WarcRecordType

from storage.lake import dataset_of
from storage.lake.manifest import files_of, latest_snapshot
from windrow.home import disk_of, reading_state
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.optout import denies_training, signal_from_text

SOURCES: Final = ("lease", "import")
_ROWS: Final = 256
_COLUMNS: Final = (
    *("contribution_id", "url", "fetched_at_ms", "text", "text_sha256", "raw_sha256", "language", "title"),
    *(
        "license_detected",
        "training_allowed",
        "source",
        "optout_signals",
        "warc_record_id",
        "warc_sha256",
        "verdict",
    ),
)
# of record ids that follow from contribution ids
_NAMES: Final = uuid.UUID("6f9d2c0a-0b43-5d0e-9a44-7c5a3f0d1e57")


def export_warc(
    settings: HouseSettings, path: Path, source: str = "lease", at: int | None = None
) -> dict[str, Any]:
    """Write the documents of one snapshot and return how many there were, and how many an opt-out kept out.

    Raises WindrowError `bad_config`, `no_snapshot`, `no_house`, or OSError.
    """
    if source not in SOURCES:
        raise WindrowError("bad_config", f"--source {source}: it is {' or '.join(SOURCES)}")
    with reading_state(settings) as connection:
        snapshot = latest_snapshot(connection) if at is None else at
        lake = dataset_of(disk_of(settings).arrow(Path(settings.home) / "lake"), files_of(connection, at))
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            counts = _write(file, path, lake, source, snapshot)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    return {"path": str(path), "snapshot": snapshot, **counts}


def _write(file: BinaryIO, path: Path, lake: pads.Dataset, source: str, snapshot: int) -> dict[str, int]:
    info = (
        f"software: Windrow\r\nformat: WARC File Format 1.1\r\ndescription: texts of snapshot {snapshot}\r\n"
    )
    head = {"WARC-Filename": path.name, "Content-Type": "application/warc-fields"}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    packed = not path.name.endswith(".warc")
    _put(file, WarcRecordType.warcinfo, {"WARC-Date": now, **head}, info.encode(), str(uuid.uuid4()), packed)
    counts = {"documents": 0, "opted_out": 0}
    for row in _rows(lake, source):
        if denies_training(map(signal_from_text, row["optout_signals"] or [])):
            counts["opted_out"] += 1
            continue
        record_id = str(uuid.uuid5(_NAMES, row["contribution_id"]))
        _put(file, WarcRecordType.conversion, _fields(row), row["text"].encode(), record_id, packed)
        counts["documents"] += 1
    return counts


def _rows(lake: pads.Dataset, source: str) -> Iterator[dict[str, Any]]:
    wanted = pc.field("source") == "import"
    if source == "lease":
        wanted = (pc.field("source").is_null() | (pc.field("source") == "lease")) & pc.field(
            "training_allowed"
        )
    for batch in lake.to_batches(columns=list(_COLUMNS), filter=wanted, batch_size=_ROWS, batch_readahead=1):
        yield from batch.to_pylist()


def _fields(row: dict[str, Any]) -> dict[str, str]:
    moment = datetime.fromtimestamp(row["fetched_at_ms"] / 1000, UTC)
    fields = {
        "WARC-Date": moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "WARC-Target-URI": row["url"],
        "Content-Type": "text/plain; charset=utf-8",
        "X-Windrow-Text-Digest": f"sha256:{row['text_sha256']}",
        "X-Windrow-Contribution": row["contribution_id"],
        "X-Windrow-Raw-Digest": f"sha256:{row['raw_sha256']}",
        "X-Windrow-Verdict": row["verdict"] or "",
        "X-Windrow-Language": row["language"] or "",
        "X-Windrow-Licence": row["license_detected"] or "",
    }
    if row["warc_record_id"]:
        fields["WARC-Refers-To"] = f"<{row['warc_record_id']}>"
    return fields


def _put(
    file: BinaryIO, kind: WarcRecordType, fields: dict[str, str], body: bytes, record_id: str, packed: bool
) -> None:
    record = WarcRecord()
    record.init_headers(record_type=kind, record_urn=f"uuid:{record_id}".encode())
    for name, value in fields.items():
        record.headers[name] = " ".join(value.split())
    record.set_bytes_content(body)
    made = io.BytesIO()
    record.write(made, checksum_data=True)
    file.write(gzip.compress(made.getvalue(), 6) if packed else made.getvalue())
